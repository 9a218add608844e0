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

const Warnings = z
  .array(z.object({ rule: z.string(), subject: z.string(), message: z.string() }))
  .describe('What to think about; the decision stands all the same')
const AnchorChange = z.object({ added: z.array(z.string()), removed: z.array(z.string()), kept: z.array(z.string()) })

export const TrustTerms = z.strictObject({
  anchors: z.array(z.string().max(20_000)).min(1).max(16).describe('PEM certificates'),
  masaUrl: z.string().max(500).optional(),
  masaAnchors: z.array(z.string().max(20_000)).max(16).default([]),
  masaPrivateAddress: z.boolean().default(false),
  ignoreIdevidLifetime: z.boolean().default(false),
  quirks: z.array(z.string().max(64)).max(64).default([]),
})
export type TrustTerms = z.infer<typeof TrustTerms>

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
    body: TrustTerms,
    maxBody: 0x10_0000,
    reply: ManufacturerView.extend({
      warnings: Warnings,
    }),
  },
  manufacturerPreview: {
    method: 'POST',
    path: '/v1/manufacturers/{name}/preview',
    summary: 'What trusting a manufacturer so would change; nothing changes',
    tag: 'trust',
    authority: ['view.supply', 'network.policy.write', 'network.own'],
    params: ManufacturerPath,
    body: TrustTerms,
    maxBody: 0x10_0000,
    reply: z.object({
      known: z.boolean(),
      anchors: AnchorChange,
      masaAnchors: AnchorChange,
      devices: z.number().int().describe('Of this manufacturer, on record'),
      onboarded: z.number().int().describe('They have a credential, and need no path any more'),
      mayBeShutOut: z.number().int().describe('Yet to come in, and an anchor goes that they may hang below'),
      warnings: Warnings,
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
