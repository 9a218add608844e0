import * as z from 'zod'
import { type Contract, CredentialPath, DeviceId, Instant, Page, pageOf } from './operation.ts'

export const CredentialView = z.object({
  id: z.string(),
  device: z.string(),
  kind: z.enum(['birth', 'network', 'application']),
  status: z.enum(['planned', 'issued', 'held', 'revoked', 'superseded']),
  serialHex: z.string(),
  issuer: z.string(),
  notBefore: Instant,
  notAfter: Instant,
  certificate: z.string().optional().describe('PEM. A certificate is public; no private key is ever here'),
  connector: z.string().optional().describe('Compact JWS, in place of a certificate (Wi-Fi Easy Connect)'),
  revokedAt: Instant.optional(),
  revocationReason: z.string().optional(),
})
export type CredentialView = z.infer<typeof CredentialView>

export const credentialOperations = {
  credentialList: {
    method: 'GET',
    path: '/v1/credentials',
    summary: 'Credentials issued',
    tag: 'credential',
    authority: ['view.credential'],
    query: Page.extend({ device: DeviceId.optional(), status: CredentialView.shape.status.optional() }),
    reply: pageOf(CredentialView),
  },
  credentialRevoke: {
    method: 'POST',
    path: '/v1/credentials/{id}/revocation',
    summary: 'Revoke a credential and publish a new CRL',
    tag: 'credential',
    authority: ['device.disconnect', 'network.policy.write'],
    params: CredentialPath,
    body: z.strictObject({
      reason: z
        .enum([
          'unspecified',
          'keyCompromise',
          'affiliationChanged',
          'superseded',
          'cessationOfOperation',
          'privilegeWithdrawn',
        ])
        .default('unspecified'),
    }),
    reply: CredentialView,
  },
} as const satisfies Contract
