import * as z from 'zod'
import { type Contract, Instant, ManufacturerPath, Page, pageOf } from './operation.ts'

const Treatment = z.enum(['revoke', 'hold']).describe('What becomes of the credentials of devices recalled this way')

export const FeedView = z.object({
  manufacturer: z.string(),
  url: z.string(),
  intervalMinutes: z.number().int(),
  treatment: Treatment,
  privateAddress: z.boolean(),
  addedAt: Instant,
  addedBy: z.string(),
  manifests: z.number().int().describe('Imported so far'),
  recalls: z.number().int(),
  refused: z
    .array(z.object({ publication: z.string(), kind: z.enum(['manifest', 'recall']), code: z.string(), at: Instant }))
    .describe('Could not be imported; tried again with each pull'),
  progress: z
    .object({ publication: z.string(), done: z.number().int(), of: z.number().int() })
    .optional()
    .describe('Devices of the manifest that is being imported'),
  pulledAt: Instant.optional(),
  nextAt: Instant.optional(),
  failure: z
    .object({
      code: z.string(),
      title: z.string(),
      action: z.string(),
      reason: z.string(),
      at: Instant,
      times: z.number().int(),
    })
    .optional(),
})
export type FeedView = z.infer<typeof FeedView>

export const feedOperations = {
  feedAdd: {
    method: 'PUT',
    path: '/v1/feeds/{name}',
    summary: 'Pull the purchase feed of a trusted manufacturer from now on, or on other terms',
    tag: 'feed',
    authority: ['network.policy.write', 'device.onboard'],
    params: ManufacturerPath,
    body: z.strictObject({
      url: z.string().max(500).describe('https, without user, query or fragment'),
      intervalMinutes: z.number().int().min(15).max(40_320).default(360),
      treatment: Treatment.default('revoke'),
      privateAddress: z.boolean().default(false).describe('The feed may be at a private or loopback address'),
    }),
    reply: FeedView,
  },
  feedList: {
    method: 'GET',
    path: '/v1/feeds',
    summary: 'Purchase feeds, and how their pulls went',
    tag: 'feed',
    authority: ['view.supply'],
    query: Page,
    reply: pageOf(FeedView),
  },
  feedPull: {
    method: 'POST',
    path: '/v1/feeds/{name}/pull',
    summary: 'Pull a feed now; the list says how it went',
    tag: 'feed',
    authority: ['network.policy.write', 'device.onboard', 'ownership.designate-first-owner'],
    params: ManufacturerPath,
    reply: FeedView,
  },
  feedRemove: {
    method: 'DELETE',
    path: '/v1/feeds/{name}',
    summary: 'Pull a feed no more; what came stays',
    tag: 'feed',
    authority: ['network.policy.write', 'device.onboard'],
    params: ManufacturerPath,
    reply: z.object({ removed: z.string() }),
  },
} as const satisfies Contract
