import * as z from 'zod'
import { Checkpoint } from './audit.ts'
import { type Contract, Instant } from './operation.ts'

const Status = z.enum(['ok', 'warn', 'fail', 'skipped'])

export const ExaminationView = z.object({
  party: z.enum(['site', 'manufacturer']),
  at: Instant,
  running: z.boolean().describe('Examined by the process that serves it'),
  status: Status.describe('The worst of all checks'),
  counts: z.object({ ok: z.int(), warn: z.int(), fail: z.int(), skipped: z.int() }),
  checks: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      status: Status,
      finding: z.string(),
      action: z.string().optional(),
      evidence: z.array(z.string()).optional(),
    }),
  ),
})
export type ExaminationView = z.infer<typeof ExaminationView>

export const doctorOperations = {
  siteExamine: {
    method: 'POST',
    path: '/v1/site/examination',
    summary: 'What is wrong with the site, and what to do; one at a time',
    tag: 'site',
    authority: ['view.ledger'],
    body: z.strictObject({
      full: z.boolean().default(false).describe('Verify the whole record, not its end alone'),
      network: z.boolean().default(false).describe('Ask the services of trusted manufacturers, too'),
      days: z.number().int().min(1).max(3650).default(30).describe('Tell what ends within so many days'),
      anchor: Checkpoint.optional(),
    }),
    reply: ExaminationView,
  },
} as const satisfies Contract
