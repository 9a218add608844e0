import * as z from 'zod'
import { administrators, type Contract, everyone, Instant, Name, Page, pageOf, TokenPath } from './operation.ts'

export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(everyone),
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
    roles: administrators,
    query: Page,
    reply: pageOf(TokenView),
  },
  tokenCreate: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token; it is shown this once',
    tag: 'token',
    roles: administrators,
    body: z.strictObject({
      name: Name,
      role: z.enum(everyone),
      lifetimeDays: z.number().int().min(1).max(3650).optional(),
    }),
    reply: TokenView.extend({ token: z.string() }),
  },
  tokenRevoke: {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revoke a token',
    tag: 'token',
    roles: administrators,
    params: TokenPath,
    reply: TokenView,
  },
} as const satisfies Contract
