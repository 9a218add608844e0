import * as z from 'zod'
import { type Contract, Instant } from './operation.ts'

const Certificate = z.object({
  subject: z.string(),
  notBefore: Instant,
  notAfter: Instant,
  successorDue: Instant.describe('When its successor is made by itself, if the key of the root is here'),
})

const Affected = z.object({
  credentials: z.number().int(),
  devices: z.number().int(),
  renewedBy: Instant.optional().describe('By then every device that has power has renewed; the last of them'),
  lastEnds: Instant.optional().describe('End of the last credential; a device that was off until then onboards again'),
})

export const AuthorityView = z.object({
  roots: z.array(Certificate).describe('Newest first; all that devices are given'),
  issuing: z.array(
    Certificate.extend({
      name: z.string(),
      issues: z.boolean().describe('New credentials come from this one'),
      keyHere: z.boolean().describe('It can sign its revocation list on this machine'),
      inForce: Affected,
    }),
  ),
  registrar: Certificate,
  renewal: z.object({
    inForce: z.number().int(),
    dueThisWeek: z.number().int(),
    overdue: z.number().int().describe('Past seven tenths of its lifetime: the device is off, away or in trouble'),
    expired: z.number().int(),
    graceDays: z.number().int(),
  }),
  warnings: z.array(z.object({ warning: z.string(), name: z.string().optional(), at: Instant.optional() })),
})
export type AuthorityView = z.infer<typeof AuthorityView>

export const RolloverView = z.object({
  kind: z.enum(['issuing', 'root']),
  dryRun: z.boolean(),
  made: z.string().optional().describe('Absent in a dry run'),
  affected: Affected.describe('Credentials below the CAs of today; they stay good, and are renewed below the new one'),
  devices: z.array(z.string()).describe('The first thousand of them'),
})
export type RolloverView = z.infer<typeof RolloverView>

export const authorityOperations = {
  authorityShow: {
    method: 'GET',
    path: '/v1/authority',
    summary: 'Certification authority of the site: generations, schedule, renewals, warnings',
    tag: 'authority',
    authority: ['view.credential'],
    reply: AuthorityView,
  },
  authorityRoll: {
    method: 'POST',
    path: '/v1/authority/rollover',
    summary: 'Make the next issuing CA, or the next root and an issuing CA below it, beside those of today',
    tag: 'authority',
    authority: ['network.own'],
    fourEyes: true,
    body: z.strictObject({ kind: z.enum(['issuing', 'root']), dryRun: z.boolean().default(false) }),
    reply: RolloverView,
  },
} as const satisfies Contract
