import * as z from 'zod'
import { policyLimits, postures } from '../../../domain/policy.ts'
import { policyEffects } from '../../../role/authorization/preview.ts'
import { DeviceView } from './device.ts'
import { type Contract, DeviceId, DevicePath, Instant, Name, Page } from './operation.ts'

const PolicyNumber = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, 'a number')
  .describe('Number of the version')
const PolicyPath = z.strictObject({ version: PolicyNumber })
const Source = z.string().max(policyLimits.bytes).describe('Policies in Cedar; docs/policy.md has the schema')
const Verdict = z.enum(['permit', 'wait', 'refuse'])
/** In JSON each octet of a text can take six. */
const maxBody = 6 * policyLimits.bytes + 2048

export const PolicyVersionView = z.object({
  version: z.number().int(),
  name: z.string(),
  status: z.enum(['draft', 'active', 'former']),
  sha256: z.string(),
  createdAt: Instant,
  createdBy: z.string(),
  activatedAt: Instant.optional(),
})
export type PolicyVersionView = z.infer<typeof PolicyVersionView>

export const PolicyFindingView = z.object({
  severity: z.enum(['error', 'warning']),
  line: z.number().int(),
  column: z.number().int(),
  policy: z.string().optional(),
  message: z.string(),
  help: z.string().optional(),
})
export type PolicyFindingView = z.infer<typeof PolicyFindingView>

export const ReconfirmationView = z.object({
  state: z.enum(['under-way', 'done']),
  cause: z.enum(['activation', 'asked', 'period']),
  startedAt: Instant,
  finishedAt: Instant.optional(),
  checked: z.number().int(),
  of: z.number().int(),
  changed: z.number().int().describe('Devices with another answer, or other terms, than before'),
  refused: z.number().int().describe('Devices that may not stay'),
  revoked: z.number().int().describe('Credentials that ended'),
  failed: z.number().int().describe('Devices on which a policy failed; they are left as they were'),
})
export type ReconfirmationView = z.infer<typeof ReconfirmationView>

const PolicyOutline = z.object({
  id: z.string(),
  effect: z.enum(['permit', 'forbid']),
  advice: z.string().optional(),
  line: z.number().int(),
})

const Facts = z.record(z.string(), z.union([z.string(), z.number()])).describe('What the decision rests on')

export const DecisionView = z.object({
  device: z.string(),
  question: z.enum(['admit', 'stay']),
  verdict: Verdict,
  code: z.string().optional(),
  version: z
    .string()
    .optional()
    .describe('Of the policies that were asked; absent where what no policy decides decided'),
  reason: z.string().describe('In a few words'),
  policies: z.array(z.string()),
  advice: z.array(z.string()),
  segment: z.string().optional(),
  lifetimeDays: z.number().int().optional(),
  services: z.array(z.string()),
  maintain: z.boolean(),
  revoke: z.boolean().describe('The credential would end'),
  facts: Facts.optional(),
  failure: z.object({ policy: z.string(), message: z.string() }).optional(),
})
export type DecisionView = z.infer<typeof DecisionView>

export const ExplanationView = z.object({
  device: z.string(),
  question: z.enum(['admit', 'stay']),
  event: z.number().int().describe('In the history of the device'),
  at: Instant,
  verdict: z.string(),
  code: z.string().optional(),
  reasons: z.array(z.object({ rule: z.string(), holds: z.boolean(), note: z.string() })),
  version: z.string().optional(),
  deciding: z.array(PolicyOutline),
  facts: Facts.optional(),
  factsHash: z.string().optional(),
  factsIntact: z.boolean().optional(),
  reproduced: z.boolean().optional().describe('The same version gives the same answer on the same facts'),
})
export type ExplanationView = z.infer<typeof ExplanationView>

export const ImpactView = z.object({
  device: z.string(),
  manufacturer: z.string(),
  serial: z.string(),
  question: z.enum(['admit', 'stay']),
  effect: z.enum(policyEffects),
  before: Verdict,
  after: Verdict,
  code: z.string().optional(),
  policies: z.array(z.string()),
  segment: z.string().optional(),
  revoke: z.boolean(),
})
export type ImpactView = z.infer<typeof ImpactView>

/** A version of the record, or a text that is not there yet; the version that counts when neither is named. */
const Candidate = { version: PolicyNumber.optional(), source: Source.optional() }

const readers = ['network.monitor', 'network.policy.write', 'view.device'] as const
const writers = ['network.policy.write'] as const

export const policyOperations = {
  policyList: {
    method: 'GET',
    path: '/v1/policies',
    summary: 'Versions of the policies, newest last, and what is going on with them',
    tag: 'policy',
    authority: readers,
    query: Page,
    reply: z.object({
      items: z.array(PolicyVersionView),
      next: z.string().optional(),
      reconfirmation: ReconfirmationView.optional(),
      failure: z
        .object({ policy: z.string(), message: z.string(), device: z.string(), at: Instant })
        .optional()
        .describe('The newest time that a policy of the version that counts could not be evaluated'),
    }),
  },
  policyShow: {
    method: 'GET',
    path: '/v1/policies/{version}',
    summary: 'One version of the policies, with its text',
    tag: 'policy',
    authority: readers,
    params: PolicyPath,
    reply: PolicyVersionView.extend({ source: z.string(), policies: z.array(PolicyOutline) }),
  },
  policyCheck: {
    method: 'POST',
    path: '/v1/policies/check',
    summary: 'Check a text against the schema; nothing is written down',
    tag: 'policy',
    authority: readers,
    body: z.strictObject({ source: Source }),
    maxBody,
    reply: z.object({ valid: z.boolean(), findings: z.array(PolicyFindingView) }),
  },
  policyDraft: {
    method: 'POST',
    path: '/v1/policies',
    summary: 'Write down a version of the policies; it counts for nothing before it is activated',
    tag: 'policy',
    authority: writers,
    body: z.strictObject({ name: Name, source: Source }),
    maxBody,
    reply: PolicyVersionView,
  },
  policyPreview: {
    method: 'POST',
    path: '/v1/policies/preview',
    summary: 'What would change for a page of devices if a version counted; nothing changes',
    tag: 'policy',
    authority: readers,
    body: z.strictObject({
      ...Candidate,
      after: z.string().max(128).optional().describe('`next` of the page before'),
      limit: z.number().int().min(1).max(1000).default(1000),
    }),
    maxBody,
    reply: z.object({
      checked: z.number().int(),
      of: z.number().int().describe('Devices of this site'),
      impacts: z.array(ImpactView),
      next: z.string().optional(),
    }),
  },
  policyActivate: {
    method: 'POST',
    path: '/v1/policies/{version}/activation',
    summary: 'From now on this version decides, and devices that are in are asked about again',
    tag: 'policy',
    authority: writers,
    fourEyes: true,
    params: PolicyPath,
    reply: PolicyVersionView,
  },
  policyRollback: {
    method: 'POST',
    path: '/v1/policies/rollback',
    summary: 'Go back to the version that counted before',
    tag: 'policy',
    authority: writers,
    fourEyes: true,
    body: z.strictObject({
      from: PolicyNumber.describe('The version that counts; refused when another one does by then'),
    }),
    reply: PolicyVersionView,
  },
  policyReconfirm: {
    method: 'POST',
    path: '/v1/policies/reconfirmation',
    summary: 'Ask now, for every device that is in, whether it may stay',
    tag: 'policy',
    authority: writers,
    reply: ReconfirmationView,
  },
  policyTry: {
    method: 'POST',
    path: '/v1/policies/trial',
    summary: 'What would be decided about a device, and why; nothing is written down',
    tag: 'policy',
    authority: readers,
    body: z.strictObject({ device: DeviceId, action: z.enum(['admit', 'stay']), ...Candidate }),
    maxBody,
    reply: DecisionView,
  },
  policyExplain: {
    method: 'GET',
    path: '/v1/devices/{id}/decision',
    summary: 'A decision of the record: which policies, which facts, and whether they still say the same',
    tag: 'policy',
    authority: readers,
    params: DevicePath,
    query: z.strictObject({
      event: z.coerce.number().int().min(1).optional().describe('In the history of the device; the newest when absent'),
    }),
    reply: ExplanationView,
  },
  devicePosture: {
    method: 'PUT',
    path: '/v1/devices/{id}/posture',
    summary: 'Say in what state a device is; whether it may stay is decided at once',
    tag: 'policy',
    authority: ['device.onboard', 'device.disconnect', 'network.policy.write'],
    params: DevicePath,
    body: z.strictObject({ posture: z.enum(postures), reason: z.string().max(200).default('') }),
    reply: DeviceView,
  },
} as const satisfies Contract
