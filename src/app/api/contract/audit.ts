import * as z from 'zod'
import { type Contract, Instant } from './operation.ts'

export const EventView = z.object({
  lane: z.string(),
  sequence: z.number().int(),
  stream: z.string(),
  version: z.number().int(),
  at: Instant,
  kind: z.string(),
  body: z.record(z.string(), z.unknown()),
  hash: z.string(),
})
export type EventView = z.infer<typeof EventView>

export const Checkpoint = z.strictObject({
  at: z.number(),
  lanes: z.array(z.strictObject({ lane: z.string(), sequence: z.number().int(), hash: z.string() })),
  previous: z.string(),
  key: z.string(),
  signature: z.string(),
})
export type Checkpoint = z.infer<typeof Checkpoint>

export const Verdict = z.object({
  integrity: z.enum(['pass', 'fail']),
  completeness: z.enum(['pass', 'fail', 'unanchored']),
  events: z.number().int(),
  checkpoints: z.number().int(),
  firstBad: z.object({ lane: z.string(), sequence: z.number().int(), reason: z.string() }).optional(),
})
export type Verdict = z.infer<typeof Verdict>

export const auditOperations = {
  auditVerify: {
    method: 'POST',
    path: '/v1/audit/verification',
    summary: 'Verify the ledger: nothing altered, nothing cut off',
    tag: 'audit',
    authority: ['view.ledger'],
    body: z.strictObject({ anchor: Checkpoint.optional() }),
    reply: Verdict,
  },
  auditCheckpoint: {
    method: 'POST',
    path: '/v1/audit/checkpoints',
    summary: 'Sign a checkpoint now; keep the answer elsewhere as an anchor',
    tag: 'audit',
    authority: ['view.ledger'],
    reply: Checkpoint,
  },
  eventList: {
    method: 'GET',
    path: '/v1/events',
    summary: 'Events of the whole site after a cursor; with Accept: text/event-stream, live',
    tag: 'audit',
    authority: ['view.ledger'],
    query: z.strictObject({
      cursor: z.string().max(2000).optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    reply: z.object({ items: z.array(EventView), cursor: z.string() }),
  },
} as const satisfies Contract
