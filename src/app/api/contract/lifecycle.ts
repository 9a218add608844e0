import * as z from 'zod'
import type { LifecycleActor, LifecycleEvent, LifecycleFact } from '../../../domain/lifecycle.ts'
import { lastingStepAuthority, stepAuthorities } from '../../../domain/lifecycle-authority.ts'
import { lifecycleFactNames } from '../../../domain/lifecycle-guard.ts'
import { lifecycleTransitions, type TransitionEntry } from '../../../domain/lifecycle-table.ts'
import { DeviceView } from './device.ts'
import { type Contract, DevicePath, Instant, Page, pageOf } from './operation.ts'

const rows: readonly (TransitionEntry & { readonly event: LifecycleEvent })[] = lifecycleTransitions

export const LifecycleEventName = z.enum([...new Set(rows.map(({ event }) => event))])
export const LifecycleActorName = z.enum([...new Set(rows.flatMap(({ actors }): readonly LifecycleActor[] => actors))])

type Fact = z.ZodOptional<z.ZodBoolean>
/** What the caller vouches for; what the record knows by itself need not be said, and cannot be said otherwise. */
export const SaidFacts = z
  .strictObject(
    Object.fromEntries(lifecycleFactNames.map(name => [name, z.boolean().optional()])) as Record<LifecycleFact, Fact>,
  )
  .describe('What the caller vouches for. The record itself is not contradicted')

const Stated = z.record(z.string(), z.boolean())
const Reason = z.string().max(200).default('')
const Owner = z.string().min(1).max(200).describe('Id of the new owner, as manufacturers know it')

export const TimelineEntryView = z.object({
  state: z.string(),
  name: z.string().describe('The state in words'),
  since: Instant,
  until: Instant.optional(),
  from: z.string().optional(),
  transition: z.string().optional().describe('T01 to T36; absent where the record begins'),
  event: z.string().optional(),
  actor: z.string().optional(),
  by: z.string().optional().describe('Who asked for the step; absent: the site took it'),
  proven: Stated.describe('Facts that the record proved'),
  said: Stated.describe('Facts that `by` vouched for'),
  reason: z.string().optional(),
  version: z.number().int().describe('Of the event in the stream of the device'),
  hash: z.string().describe('Of the event in the ledger'),
})
export type TimelineEntryView = z.infer<typeof TimelineEntryView>

export const AllowedStepView = z.object({
  transition: z.string(),
  event: z.string(),
  to: z.string(),
  actors: z.array(z.string()).describe('Empty: anybody may report it'),
  verdict: z.enum(['now', 'when-said', 'not-now']),
  missing: z.array(
    z.object({
      fact: z.string(),
      needed: z.boolean(),
      words: z.string(),
      from: z.enum(['record', 'person']).describe('record: it says otherwise now. person: somebody has to say it'),
    }),
  ),
  words: z.string(),
  condition: z.string(),
  effect: z.string(),
})
export type AllowedStepView = z.infer<typeof AllowedStepView>

export const HandOverView = z.object({
  device: DeviceView,
  state: z.enum(['none', 'under-way', 'completed']),
  to: z.string().optional(),
  by: z.string().optional(),
  begunAt: Instant.optional(),
  steps: z.array(
    z.object({
      step: z.enum(['decommission', 'wipe', 'transfer', 'repurpose']),
      state: z.enum(['done', 'waiting', 'later']),
      words: z.string(),
    }),
  ),
})
export type HandOverView = z.infer<typeof HandOverView>

export const lifecycleOperations = {
  deviceTimeline: {
    method: 'GET',
    path: '/v1/devices/{id}/timeline',
    summary: 'The states that a device went through, oldest first, each with its evidence',
    tag: 'lifecycle',
    authority: ['view.device'],
    params: DevicePath,
    query: Page,
    reply: pageOf(TimelineEntryView),
  },
  deviceAllowed: {
    method: 'GET',
    path: '/v1/devices/{id}/steps',
    summary: 'What is allowed now: every step that the lifecycle knows from here, and what stands between',
    tag: 'lifecycle',
    authority: ['view.device'],
    params: DevicePath,
    reply: z.object({ device: DeviceView, version: z.number().int(), steps: z.array(AllowedStepView) }),
  },
  deviceStep: {
    method: 'POST',
    path: '/v1/devices/{id}/steps',
    summary: 'Take a step of the lifecycle. Each step asks for an authority of its own',
    tag: 'lifecycle',
    authority: stepAuthorities,
    fourEyes: ({ body }) => lastingStepAuthority((body as { event?: unknown } | undefined)?.event),
    params: DevicePath,
    body: z.strictObject({
      event: LifecycleEventName,
      actor: LifecycleActorName.optional().describe('In whose place; the first that the table names when absent'),
      facts: SaidFacts.default({}),
      reason: Reason,
      version: z.number().int().min(1).optional().describe('Refused when the device has moved on since this version'),
    }),
    reply: DeviceView,
  },
  deviceWiped: {
    method: 'POST',
    path: '/v1/devices/{id}/wipe',
    summary: 'Record that a decommissioned device was seen reset to its birth credential',
    tag: 'lifecycle',
    authority: ['device.decommission'],
    fourEyes: true,
    params: DevicePath,
    body: z.strictObject({ reason: Reason }),
    reply: DeviceView,
  },
  deviceHandOver: {
    method: 'POST',
    path: '/v1/devices/{id}/hand-over',
    summary: 'Hand a device over to another owner, or go on with it: decommission, wipe, transfer, repurpose',
    tag: 'lifecycle',
    authority: ['device.repurpose', 'ownership.transfer'],
    fourEyes: true,
    params: DevicePath,
    body: z.strictObject({ to: Owner.optional(), facts: SaidFacts.default({}), reason: Reason }),
    reply: HandOverView,
  },
  deviceHandOverShow: {
    method: 'GET',
    path: '/v1/devices/{id}/hand-over',
    summary: 'How far the handing over of a device has come',
    tag: 'lifecycle',
    authority: ['view.device'],
    params: DevicePath,
    reply: HandOverView,
  },
  deviceHandOverCancel: {
    method: 'DELETE',
    path: '/v1/devices/{id}/hand-over',
    summary: 'End the handing over of a device where it stands, before its ownership has passed',
    tag: 'lifecycle',
    authority: ['device.repurpose', 'ownership.transfer'],
    params: DevicePath,
    reply: HandOverView,
  },
} as const satisfies Contract
