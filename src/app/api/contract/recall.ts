import * as z from 'zod'
import { recallReasons } from '../../../domain/recall.ts'
import { type Contract, DeviceId, Instant, Name, Page, pageOf } from './operation.ts'

const Treatment = z
  .enum(['revoke', 'hold'])
  .describe('What becomes of network credentials: ended for good, or of no use until the recall is lifted')

const Terms = z.object({
  manufacturer: z.string(),
  recall: z.string().describe("The manufacturer's own name of the recall"),
  number: z.number().int().describe('Counts the notices about it'),
  reason: z.enum(recallReasons),
  note: z.string(),
  reference: z.string(),
  models: z.array(z.string()),
  batches: z.array(z.string()),
  serials: z.number().int().describe('How many serial numbers the notice names'),
})

export const RecallView = Terms.extend({
  id: z.string(),
  status: z.enum(['in-force', 'lifted']),
  treatment: Treatment,
  issuedAt: Instant,
  importedAt: Instant,
  importedBy: z.string(),
  work: z.object({
    state: z.enum(['under-way', 'done']),
    checked: z.number().int(),
    of: z.number().int(),
    affected: z.number().int().describe('Devices that the newest notice newly hit or let go'),
    revoked: z.number().int().describe('Credentials'),
    held: z.number().int(),
    released: z.number().int(),
    finishedAt: Instant.optional(),
  }),
})
export type RecallView = z.infer<typeof RecallView>

export const RecallPreview = Terms.extend({
  action: z.enum(['withdraw', 'lift']),
  hits: z.number().int().describe('Devices of this site that the notice names'),
  credentialed: z.number().int().describe('Of them with a network credential'),
})
export type RecallPreview = z.infer<typeof RecallPreview>

const notice = z.base64().max(12_000_000).describe('The signed file, base64')
const maxBody = 12_001_000

export const recallOperations = {
  recallImport: {
    method: 'POST',
    path: '/v1/recalls',
    summary: 'Import a signed recall notice: recalled devices are stopped at once',
    tag: 'recall',
    authority: ['device.disconnect', 'device.onboard'],
    body: z.strictObject({ notice, treatment: Treatment.default('revoke') }),
    maxBody,
    reply: z.object({ recall: RecallView, changed: z.boolean().describe('False when the notice was known') }),
  },
  recallPreview: {
    method: 'POST',
    path: '/v1/recalls/preview',
    summary: 'Verify a recall notice and count whom it would hit; nothing changes',
    tag: 'recall',
    authority: ['view.supply'],
    body: z.strictObject({ notice }),
    maxBody,
    reply: RecallPreview,
  },
  recallList: {
    method: 'GET',
    path: '/v1/recalls',
    summary: 'Recalls, in force and lifted',
    tag: 'recall',
    authority: ['view.supply'],
    query: Page.extend({ manufacturer: Name.optional(), status: RecallView.shape.status.optional() }),
    reply: pageOf(RecallView),
  },
  recallShow: {
    method: 'GET',
    path: '/v1/recalls/{id}',
    summary: 'One recall, and how far the work has come',
    tag: 'recall',
    authority: ['view.supply'],
    params: z.strictObject({ id: DeviceId }),
    reply: RecallView,
  },
} as const satisfies Contract
