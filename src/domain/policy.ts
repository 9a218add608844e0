import { hash } from 'node:crypto'
import type { IntentVerdict } from './intent.ts'
import type { HistoryVerdict } from './masa-log.ts'

/**
 * What policies speak about: may this device come in, may it stay, and on what terms (white paper section 6.4.14 to
 * 6.4.19). The words are those of docs/policy.md; the engine that reads policies is behind a port.
 */
export const policyActions = [
  'admit',
  'wait',
  'stay',
  'issueCredential',
  'assignSegment',
  'useService',
  'maintain',
] as const

export type PolicyAction = (typeof policyActions)[number]

/** What is asked: both answer with the terms as well. */
export type PolicyQuestion = 'admit' | 'stay'

/** What somebody has found, or said, about the state that a device is in. */
export const postures = ['unknown', 'good', 'suspect'] as const

export type Posture = (typeof postures)[number]

/** Work that follows a change of what policies rest on, as posture or state of life: `{ device }`, to be enqueued with it. */
export const changedTopic = 'policy-changed'

/** Everything that a decision rests on; kept in the record beside it. Plain JSON. */
export type PolicyFacts = {
  /** Id of the device at this site. */
  readonly device: string
  readonly serial: string
  readonly manufacturer: string
  readonly model: string
  /** `expected`, `approved` or `waiting`: who was denied or withdrawn is never asked about. */
  readonly standing: string
  /** Empty where no declaration is known. */
  readonly owner: string
  readonly lifecycle: string
  readonly posture: Posture
  /** Of its MUD URL; `none` when absent. */
  readonly intent?: IntentVerdict
  /** Of the log of its MASA; `unasked` when absent. */
  readonly history?: HistoryVerdict
  readonly network: string
  readonly site: string
  readonly protocol: string
  /** Seconds since 1970. */
  readonly now: number
}

export interface PolicyDecision {
  readonly verdict: 'permit' | 'wait' | 'refuse'
  /** Ids of the policies that the verdict rests on; none when no policy permits. */
  readonly policies: readonly string[]
  /** What they say to people, in their order. */
  readonly advice: readonly string[]
  readonly segment?: string
  /** Of the network credential; absent where no policy says: that of the site. */
  readonly lifetimeDays?: number
  readonly services: readonly string[]
  readonly maintain: boolean
  /** It may have a credential, the next one in place of its own among them. */
  readonly issue: boolean
  /** With a refused stay: the credential ends, too. */
  readonly revoke: boolean
  /** A policy could not be evaluated: nothing else here counts, the verdict is `refuse`. */
  readonly failure?: { readonly policy: string; readonly message: string }
}

/** What is wrong with the text of policies. Line and column count from 1. */
export interface PolicyFinding {
  readonly severity: 'error' | 'warning'
  readonly line: number
  readonly column: number
  readonly policy?: string
  readonly message: string
  readonly help?: string
}

export interface PolicySummary {
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  readonly advice?: string
  /** It ends credentials, too. */
  readonly revoke?: boolean
  readonly line: number
}

/** Policies that were read and found good. */
export interface PolicySet {
  readonly policies: readonly PolicySummary[]
  /** Is there a policy that this fact decides about? Facts that cost something are asked for then alone. */
  asks(question: PolicyQuestion, fact: 'history'): boolean
  /** Never throws: what cannot be evaluated is a refusal with `failure`. */
  decide(question: PolicyQuestion, facts: PolicyFacts): PolicyDecision
}

/** The reader of policies; src/adapter/policy has the one over Cedar. */
export interface PolicyEngine {
  check(source: string): readonly PolicyFinding[]
  /** Throws OnboardingError `policy-invalid`, `policy-too-large`. */
  load(source: string): PolicySet
}

/** `source` is UTF-8 of so many octets at most; a decision takes time for each policy. */
export const policyLimits = { bytes: 0x2_0000, policies: 500, policyBytes: 8192, depth: 32 } as const

/** What one satisfied policy says, for each thing that it is about. */
export interface SatisfiedPolicy {
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  readonly grounds: readonly Ground[]
  readonly advice?: string
  readonly lifetimeDays?: number
  readonly revoke?: boolean
}

/** An action with the segment or service that it is about; `''` where it is the network. */
export interface Ground {
  readonly action: PolicyAction
  readonly resource: string
}

/** Where a site says nothing else, a forbid wins over every permit, and what nobody permits is refused. */
export function composeDecision(question: PolicyQuestion, satisfied: readonly SatisfiedPolicy[]): PolicyDecision {
  const { verdict, deciding } = verdictOf(question, satisfied)
  const segment = namesOf(satisfied, 'assignSegment').find(name => allowed(satisfied, 'assignSegment', name))
  const services = namesOf(satisfied, 'useService').filter(name => allowed(satisfied, 'useService', name))
  const lifetimes = rulings(satisfied, 'issueCredential', 'permit').flatMap(({ lifetimeDays: days }) => days ?? [])
  return {
    verdict,
    policies: deciding.map(({ id }) => id),
    advice: deciding.flatMap(({ advice }) => advice ?? []),
    ...(segment === undefined ? {} : { segment }),
    ...(lifetimes.length === 0 ? {} : { lifetimeDays: Math.min(...lifetimes) }),
    services: services.toSorted(),
    maintain: allowed(satisfied, 'maintain'),
    issue: allowed(satisfied, 'issueCredential'),
    revoke: question === 'stay' && verdict === 'refuse' && deciding.some(({ revoke }) => revoke === true),
  }
}

export function failedDecision(failure: NonNullable<PolicyDecision['failure']>): PolicyDecision {
  const nothing = { policies: [], advice: [], services: [], maintain: false, issue: false, revoke: false } as const
  return { verdict: 'refuse', ...nothing, failure }
}

function verdictOf(
  question: PolicyQuestion,
  satisfied: readonly SatisfiedPolicy[],
): { readonly verdict: PolicyDecision['verdict']; readonly deciding: readonly SatisfiedPolicy[] } {
  // Who gets no credential does not get in.
  const needed: readonly PolicyAction[] = question === 'admit' ? ['admit', 'issueCredential'] : ['stay']
  // Nor does who may not stay: a device that was sent away would onboard once more, and be in until the next look.
  const banned = rulings(satisfied, 'stay', 'forbid').length > 0
  if (!banned && needed.every(action => allowed(satisfied, action))) {
    return { verdict: 'permit', deciding: rulings(satisfied, question, 'permit') }
  }
  const against = satisfied.filter(
    ({ effect, grounds }) =>
      effect === 'forbid' && grounds.some(({ action }) => action === 'stay' || needed.includes(action)),
  )
  if (banned || question === 'stay' || !allowed(satisfied, 'wait')) return { verdict: 'refuse', deciding: against }
  const waiting = rulings(satisfied, 'wait', 'permit')
  return { verdict: 'wait', deciding: [...against, ...waiting.filter(each => !against.includes(each))] }
}

function allowed(satisfied: readonly SatisfiedPolicy[], action: PolicyAction, resource = ''): boolean {
  const has = (effect: SatisfiedPolicy['effect']) => rulings(satisfied, action, effect, resource).length > 0
  return has('permit') && !has('forbid')
}

function rulings(
  satisfied: readonly SatisfiedPolicy[],
  action: PolicyAction,
  effect: SatisfiedPolicy['effect'],
  resource = '',
): readonly SatisfiedPolicy[] {
  return satisfied.filter(
    policy =>
      policy.effect === effect &&
      policy.grounds.some(ground => ground.action === action && ground.resource === resource),
  )
}

/** In the order of the policies: of two segments the one that stands first is taken. */
function namesOf(satisfied: readonly SatisfiedPolicy[], action: PolicyAction): string[] {
  const names = satisfied.flatMap(({ effect, grounds }) =>
    effect === 'permit' ? grounds.filter(ground => ground.action === action).map(({ resource }) => resource) : [],
  )
  return [...new Set(names)]
}

/** SHA-256 of the facts in the order of their names, hex: what a decision of the record is held against. */
export function factsHash(facts: PolicyFacts): string {
  return hash('sha256', JSON.stringify(facts, Object.keys(facts).sort()), 'hex')
}

/** One version of a site's policies. */
export interface PolicyVersion {
  /** Its number, six digits, so that the order of keys is that of the numbers. */
  readonly id: string
  readonly name: string
  readonly source: string
  /** SHA-256 of `source`, hex. */
  readonly sourceHash: string
  readonly createdAt: number
  readonly createdBy: string
  readonly activatedAt?: number
}

/** Which version counts; the fold of the stream `policy/set`. */
export interface PolicyState {
  /** Always `set`. */
  readonly name: string
  /** Version of the stream. */
  readonly version: number
  /** How many versions there are. */
  readonly drafts: number
  readonly active?: string
  /** SHA-256 of its text: whoever has read it knows that it is still the same. */
  readonly activeHash?: string
  /** The one that counted before. */
  readonly previous?: string
}

/** What a decision of the record rests on. */
export type PolicyBasis = {
  /** Version of the site's policies. */
  readonly version: string
  readonly policies: readonly string[]
  readonly facts: PolicyFacts
  readonly factsHash: string
}

/** What a device was granted beside the network itself. */
export type DeviceTerms = {
  readonly segment?: string
  readonly lifetimeDays?: number
  readonly services: readonly string[]
  readonly maintain: boolean
}

/** The newest answer to whether a device may stay. */
export type Stay = {
  readonly verdict: 'permit' | 'refuse'
  readonly version: string
  readonly policies: readonly string[]
  readonly at: number
  /** The policy ends the credential as well. */
  readonly revoke: boolean
}

export function termsOf({ segment, lifetimeDays, services, maintain }: PolicyDecision): DeviceTerms {
  return {
    ...(segment === undefined ? {} : { segment }),
    ...(lifetimeDays === undefined ? {} : { lifetimeDays }),
    services,
    maintain,
  }
}
