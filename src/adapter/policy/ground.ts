import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { Ground, PolicyAction } from '../../domain/policy.ts'

/** What each action is about, in the words of the schema. */
const resourceTypes = {
  admit: 'Network',
  wait: 'Network',
  stay: 'Network',
  issueCredential: 'Network',
  assignSegment: 'Segment',
  useService: 'Service',
  maintain: 'Network',
} as const satisfies Record<PolicyAction, string>

interface Uid {
  readonly type: string
  readonly id: string
}

/** The segments and services that policies name as their resource. */
export function namedResources(policies: readonly PolicyJson[], type: 'Segment' | 'Service'): string[] {
  const named = policies.flatMap(({ resource }) => uidsIn(resource)).filter(uid => uid.type === type)
  return [...new Set(named.map(({ id }) => id))]
}

/**
 * What a policy is about, of all that there is: one policy can be about several actions and resources. Whom it is about,
 * in which network, and when, stays with Cedar.
 */
export function groundsOf({ action, resource }: PolicyJson, all: readonly Ground[]): readonly Ground[] {
  return all.filter(
    ground =>
      (action.op === 'All' || uidsIn(action).some(({ id }) => id === ground.action)) && matches(resource, ground),
  )
}

function matches(constraint: PolicyJson['resource'], { action, resource }: Ground): boolean {
  const type = resourceTypes[action]
  if (constraint.op === 'is' && constraint.entity_type !== type) return false
  const uids = uidsIn(constraint)
  return uids.length === 0 || uids.some(uid => uid.type === type && (type === 'Network' || uid.id === resource))
}

/**
 * The policy as it is evaluated: for one device in one network, whatever is asked. That it is a permit tells only that its
 * conditions hold; what follows from that, `composeDecision` says.
 */
export function evaluable(policy: PolicyJson): PolicyJson {
  const { principal, resource, conditions } = policy
  const ofNetwork = uidsIn(resource).some(({ type }) => type === 'Network')
  return {
    effect: 'permit',
    principal,
    action: { op: 'All' },
    resource: ofNetwork ? resource : { op: 'All' },
    conditions,
  }
}

export function isUnconditional({ principal, resource, conditions }: PolicyJson): boolean {
  return principal.op === 'All' && resource.op === 'All' && conditions.length === 0
}

/** The entities that a head names. */
function uidsIn(constraint: PolicyJson['action' | 'resource']): readonly Uid[] {
  const found: Uid[] = []
  const take = (uid: unknown) => {
    const { __entity, ...plain } = uid as { __entity?: Uid } & Uid
    found.push(__entity ?? plain)
  }
  if ('entity' in constraint) take(constraint.entity)
  if ('entities' in constraint) for (const each of constraint.entities) take(each)
  if ('in' in constraint && constraint.in !== undefined && 'entity' in constraint.in) take(constraint.in.entity)
  return found
}

/** Numbers travel as those of JavaScript: a greater one would come out as another. */
export function isTooGreat(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(isTooGreat)
}

/** Does a condition ask what the action or the resource is? */
export function asksWhat(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { Var: variable } = value as { readonly Var?: unknown }
  if (variable === 'action' || variable === 'resource') return true
  return Object.values(value).some(asksWhat)
}
