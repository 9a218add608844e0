import * as z from 'zod'
import { roleNames } from '../../../domain/authority.ts'
import { type Contract, Instant, ManufacturerPath, Name, Page, pageOf, TokenPath } from './operation.ts'
import { Role } from './token.ts'

export const CallerAuthorityView = z.object({
  name: z.string(),
  anchors: z.array(z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant })),
  crls: z.array(
    z.object({ issuer: z.string(), issuedAt: Instant, nextUpdate: Instant.optional(), revoked: z.number() }),
  ),
  addedAt: Instant,
  removedAt: Instant.optional(),
})
export type CallerAuthorityView = z.infer<typeof CallerAuthorityView>

export const CallerView = z.object({
  id: z.string(),
  authority: z.string(),
  identity: z.string().describe('`email:…`, `uri:…` or `subject:…`, as the certificate has it'),
  party: z.string(),
  roles: z.array(Role),
  addedAt: Instant,
  expiresAt: Instant.optional(),
  removedAt: Instant.optional(),
})
export type CallerView = z.infer<typeof CallerView>

export const callerOperations = {
  callerAuthorityList: {
    method: 'GET',
    path: '/v1/caller-authorities',
    summary: 'Authorities whose client certificates count for calling the API',
    tag: 'caller',
    authority: ['view.access'],
    query: Page,
    reply: pageOf(CallerAuthorityView),
  },
  callerAuthorityTrust: {
    method: 'PUT',
    path: '/v1/caller-authorities/{name}',
    summary: 'Trust an authority for people and organizations; whom of them the site lets in is another step',
    tag: 'caller',
    authority: ['network.own'],
    fourEyes: true,
    params: ManufacturerPath,
    body: z.strictObject({
      anchors: z.array(z.string().max(20_000)).min(1).max(16).describe('PEM certificates of CAs'),
    }),
    maxBody: 0x10_0000,
    reply: CallerAuthorityView,
  },
  callerAuthorityDistrust: {
    method: 'DELETE',
    path: '/v1/caller-authorities/{name}',
    summary: 'Stop trusting an authority: its certificates open nothing from now on',
    tag: 'caller',
    authority: ['network.own'],
    fourEyes: true,
    params: ManufacturerPath,
    reply: CallerAuthorityView,
  },
  callerCrlGive: {
    method: 'PUT',
    path: '/v1/caller-authorities/{name}/crls',
    summary: 'Give the newest revocation lists of an authority',
    tag: 'caller',
    authority: ['network.own', 'network.policy.write'],
    params: ManufacturerPath,
    body: z.strictObject({
      crls: z.array(z.base64().max(6_000_000)).min(1).max(16).describe('DER, base64: signed by one of the anchors'),
    }),
    maxBody: 0x100_0000,
    reply: CallerAuthorityView,
  },
  callerList: {
    method: 'GET',
    path: '/v1/callers',
    summary: 'Who may call with a client certificate, and as what',
    tag: 'caller',
    authority: ['view.access'],
    query: Page,
    reply: pageOf(CallerView),
  },
  callerAdmit: {
    method: 'POST',
    path: '/v1/callers',
    summary: 'Let somebody call who has a client certificate, or change as what',
    tag: 'caller',
    authority: ['role.assign', 'network.own', 'app.grant'],
    body: z.strictObject({
      authority: Name.describe('Name of the authority that certifies the identity'),
      identity: z.string().min(1).max(520).describe('`email:…`, `uri:…` or `subject:CN=…,O=…`'),
      party: Name.describe('Whose it is: the person or organization that answers for what is done with it'),
      roles: z.array(Role).min(1).max(roleNames.length),
      lifetimeDays: z.number().int().min(1).max(3650).optional(),
    }),
    reply: CallerView,
  },
  callerRemove: {
    method: 'DELETE',
    path: '/v1/callers/{id}',
    summary: 'End the access of a client certificate',
    tag: 'caller',
    authority: ['role.assign', 'network.own', 'app.grant'],
    params: TokenPath,
    reply: CallerView,
  },
} as const satisfies Contract
