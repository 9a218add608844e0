import * as z from 'zod'
import { type Contract, Instant, ManufacturerPath, Page, pageOf } from './operation.ts'

export const ManufacturerView = z.object({
  name: z.string(),
  anchors: z.array(z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant })),
  masaUrl: z.string().optional(),
  masaAnchors: z.array(z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant })),
  masaPrivateAddress: z.boolean(),
  ignoreIdevidLifetime: z.boolean(),
  quirks: z.array(z.string()),
  addedAt: Instant,
})
export type ManufacturerView = z.infer<typeof ManufacturerView>

export const trustOperations = {
  manufacturerList: {
    method: 'GET',
    path: '/v1/manufacturers',
    summary: 'Trusted manufacturers',
    tag: 'trust',
    authority: ['view.supply'],
    query: Page,
    reply: pageOf(ManufacturerView),
  },
  manufacturerTrust: {
    method: 'PUT',
    path: '/v1/manufacturers/{name}',
    summary: 'Trust a manufacturer, or change how',
    tag: 'trust',
    authority: ['network.policy.write', 'network.own'],
    fourEyes: true,
    params: ManufacturerPath,
    body: z.strictObject({
      anchors: z.array(z.string().max(20_000)).min(1).max(16).describe('PEM certificates'),
      masaUrl: z.string().max(500).optional(),
      masaAnchors: z.array(z.string().max(20_000)).max(16).default([]),
      masaPrivateAddress: z.boolean().default(false),
      ignoreIdevidLifetime: z.boolean().default(false),
      quirks: z.array(z.string().max(64)).max(64).default([]),
    }),
    maxBody: 0x10_0000,
    reply: ManufacturerView.extend({
      warnings: z
        .array(z.object({ rule: z.string(), subject: z.string(), message: z.string() }))
        .describe('What to think about; the decision stands all the same'),
    }),
  },
  manufacturerDistrust: {
    method: 'DELETE',
    path: '/v1/manufacturers/{name}',
    summary: 'Stop trusting a manufacturer; its devices stay in the record',
    tag: 'trust',
    authority: ['network.policy.write', 'network.own'],
    fourEyes: true,
    params: ManufacturerPath,
    reply: z.object({ removed: z.string() }),
  },
} as const satisfies Contract
