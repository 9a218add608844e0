import { isDeepStrictEqual } from 'node:util'
import type { Device } from '../../domain/device.ts'
import type { ErrorCode } from '../../domain/error.ts'
import { type PolicyDecision, type PolicyQuestion, termsOf } from '../../domain/policy.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { type Assessment, assess, isIn, type Place, recallsOn } from './assessment.ts'
import type { LoadedPolicies, PolicyPoint } from './policy-point.ts'

/** What an activation would do to a device. */
export const policyEffects = [
  /** It is in, and would not be permitted to stay. */
  'drop',
  /** It is in and not permitted to stay, and would be. */
  'restore',
  /** It would be let in when it asks. */
  'admit',
  /** It would not be let in any more. */
  'shut-out',
  /** It would wait for a person. */
  'wait',
  /** It would belong to another segment. */
  'move',
  /** Lifetime, services or maintenance would be others. */
  'change-terms',
  /** A policy would fail on it: it stays where it is in, and is refused where it asks. */
  'fail',
] as const

export type PolicyEffect = (typeof policyEffects)[number]

export interface PolicyImpact {
  readonly device: string
  readonly manufacturer: string
  readonly serial: string
  readonly question: PolicyQuestion
  readonly effect: PolicyEffect
  readonly before: PolicyDecision['verdict']
  readonly after: PolicyDecision['verdict']
  readonly code?: ErrorCode
  /** Of the policies looked at: those that decide. */
  readonly policies: readonly string[]
  readonly segment?: string
  /** Its credential would end. */
  readonly revoke: boolean
}

export interface PreviewPage {
  /** Devices looked at. */
  readonly checked: number
  readonly impacts: readonly PolicyImpact[]
  /** Where the next page begins; absent after the last device. */
  readonly next?: string
}

/** Devices read and decided on at once; between groups others have their turn. */
const groupSize = 100

/** What would change if `candidate` counted from now on, a page of devices at a time. Nothing is written. */
export async function previewPolicies(
  options: {
    readonly store: Store
    readonly clock: Clock
    readonly point: Pick<PolicyPoint, 'active'>
    readonly place: Place
  },
  candidate: LoadedPolicies,
  page: { readonly after?: string; readonly limit: number },
): Promise<PreviewPage> {
  const { store, clock, point, place } = options
  const impacts: PolicyImpact[] = []
  let { after = '' } = page
  let checked = 0
  while (checked < page.limit) {
    const limit = Math.min(groupSize, page.limit - checked)
    const at = clock()
    const devices = await store.read(async tables => {
      const policies = await point.active(tables)
      const group = await tables.device.find({}, { after, limit })
      for (const device of group) {
        const question = isIn(device) ? 'stay' : 'admit'
        const terms = { place, recalls: await recallsOn(tables, device), at }
        const before = assess(device, question, { ...terms, policies })
        const impact = impactOn(device, before, assess(device, question, { ...terms, policies: candidate }))
        if (impact !== undefined) impacts.push(impact)
      }
      return group
    })
    checked += devices.length
    const last = devices.at(-1)
    if (last === undefined || devices.length < limit) return { checked, impacts }
    after = last.id
    await new Promise(resolve => setImmediate(resolve))
  }
  return { checked, impacts, next: after }
}

function impactOn(device: Device, before: Assessment, after: Assessment): PolicyImpact | undefined {
  const effect = effectOf(before, after)
  if (effect === undefined) return undefined
  const { id, manufacturer, serial } = device
  const { question, decision, code } = after
  return {
    device: id,
    manufacturer,
    serial,
    question,
    effect,
    before: before.verdict,
    after: after.verdict,
    policies: decision?.policies ?? [],
    revoke: decision?.revoke ?? false,
    ...(code === undefined ? {} : { code }),
    ...(decision?.segment === undefined ? {} : { segment: decision.segment }),
  }
}

function effectOf(before: Assessment, after: Assessment): PolicyEffect | undefined {
  // What no policy decides stays as it is.
  if (after.decision === undefined || before.decision === undefined) return undefined
  if (after.decision.failure !== undefined) return before.decision.failure === undefined ? 'fail' : undefined
  if (before.verdict !== after.verdict) {
    if (after.question === 'stay') return after.verdict === 'permit' ? 'restore' : 'drop'
    return ({ permit: 'admit', wait: 'wait', refuse: 'shut-out' } as const)[after.verdict]
  }
  if (after.verdict !== 'permit') return undefined
  const [now, then] = [termsOf(before.decision), termsOf(after.decision)]
  if (now.segment !== then.segment) return 'move'
  // How long a credential may live is asked when there is one to issue.
  const comparable = (terms: typeof now) => ({ ...terms, lifetimeDays: undefined })
  const same =
    after.question === 'stay' ? isDeepStrictEqual(comparable(now), comparable(then)) : isDeepStrictEqual(now, then)
  return same ? undefined : 'change-terms'
}
