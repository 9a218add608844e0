import * as z from 'zod'
import { type RoleName, roleNames } from '../../../domain/authority.ts'
import { type Contract, Instant, Name, Page, pageOf, TokenPath } from './operation.ts'

export const Role = z.enum(roleNames as [RoleName, ...RoleName[]])

export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  party: z.string().describe('Whose it is: the person or organization that answers for what is done with it'),
  roles: z.array(Role),
  createdAt: Instant,
  expiresAt: Instant.optional(),
  revokedAt: Instant.optional(),
})
export type TokenView = z.infer<typeof TokenView>

export const tokenOperations = {
  tokenList: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'API tokens; never the tokens themselves',
    tag: 'token',
    authority: ['view.access'],
    query: Page,
    reply: pageOf(TokenView),
  },
  tokenCreate: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token; it is shown this once',
    tag: 'token',
    authority: ['role.assign', 'network.own', 'app.grant'],
    body: z.strictObject({
      name: Name,
      party: Name.optional().describe('Whose it is; the name of the token when absent'),
      roles: z.array(Role).min(1).max(roleNames.length),
      lifetimeDays: z.number().int().min(1).max(3650).optional(),
    }),
    reply: TokenView.extend({ token: z.string() }),
  },
  tokenRevoke: {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revoke a token',
    tag: 'token',
    authority: ['role.assign', 'network.own', 'app.grant'],
    params: TokenPath,
    reply: TokenView,
  },
} as const satisfies Contract
