import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs'
import { Recent } from '../../crypto/recent.ts'
import { OnboardingError } from '../../domain/error.ts'
import {
  composeDecision,
  failedDecision,
  type PolicyDecision,
  type PolicyEngine,
  type PolicyFacts,
  type PolicyQuestion,
  type PolicySet,
  type PolicySummary,
} from '../../domain/policy.ts'
import { type CompiledPolicy, type CompiledQuestion, compile, excessOf, questionOf, shortly } from './compile.ts'
import { type Cedar, freshCedar } from './instance.ts'

/** Policies in Cedar (https://docs.cedarpolicy.com): read once for each version, asked once for each decision. */
export const cedarEngine: PolicyEngine = {
  check: source => compile(source).findings,
  load(source) {
    const excess = excessOf(source)
    if (excess !== undefined) {
      throw new OnboardingError('policy-too-large', { problem: excess.message, line: excess.line })
    }
    const { findings, policies } = compile(source)
    if (policies !== undefined) return openSet(policies)
    const errors = findings.filter(({ severity }) => severity === 'error')
    const { line = 1, column = 1, message: problem = '' } = errors[0] ?? {}
    throw new OnboardingError('policy-invalid', { line, column, problem, errors: errors.length })
  },
}

function openSet(policies: readonly CompiledPolicy[]): PolicySet {
  const questions = { admit: questionOf('admit', policies), stay: questionOf('stay', policies) }
  const answers = { admit: new Recent<PolicyDecision>(answersKept), stay: new Recent<PolicyDecision>(answersKept) }
  let cedar: Cedar | undefined
  const open = (): Cedar => {
    const fresh = freshCedar()
    for (const [question, { evaluable }] of Object.entries(questions)) {
      const answer = fresh.preparsePolicySet(question, { staticPolicies: evaluable })
      if (answer.type === 'failure') throw new Error(answer.errors[0]?.message ?? 'not read')
    }
    return fresh
  }
  return {
    policies: policies.map(summaryOf),
    asks: (question, fact) => questions[question].named.has(fact),
    decide(question, facts) {
      const compiled = questions[question]
      const key = keyOf(facts, compiled)
      const known = key === undefined ? undefined : answers[question].get(key)
      if (known !== undefined) return known
      try {
        cedar ??= open()
        const decision = evaluate(cedar, question, { compiled, facts })
        if (key !== undefined && decision.failure === undefined) answers[question].set(key, decision)
        return decision
      } catch (error) {
        // Out of its stack, and of no use any more.
        cedar = undefined
        return failedDecision({ policy: '', message: shortly(error) })
      }
    },
  }
}

/** Twice as many answers are kept at most, for each question. */
const answersKept = 1000

/**
 * Everything that these policies can tell devices and moments apart by: where that is the same, so is the answer. Cedar takes
 * 0.03 ms when it is asked in a row, and several times that between the other work of an onboarding, when the processor has
 * to fetch it anew. Undefined where no two moments are alike.
 */
function keyOf(facts: PolicyFacts, { named }: CompiledQuestion): string | undefined {
  if (named.has('now')) return undefined
  const { device, network, site, owner, manufacturer, model, now, ...rest } = facts
  const { hour, weekday } = hourOf(now)
  const told: Readonly<Record<string, string | number | boolean>> = {
    ...{
      intent: 'none',
      history: 'unasked',
      ...rest,
      manufacturer,
      model,
      site,
      owner,
      hour,
      weekday,
      ownershipDeclared: owner !== '',
    },
    ...{ Device: device, Network: network, Manufacturer: manufacturer, Model: model },
  }
  const values: (string | number | boolean)[] = []
  for (const name of named) {
    const value = told[name]
    if (value === undefined) return undefined
    values.push(value)
  }
  return JSON.stringify(values)
}

function summaryOf({ id, effect, line, advice, revoke }: CompiledPolicy): PolicySummary {
  const told = advice === undefined ? { id, effect, line } : { id, effect, line, advice }
  return revoke === undefined ? told : { ...told, revoke }
}

function evaluate(
  cedar: Cedar,
  question: PolicyQuestion,
  { compiled, facts }: { readonly compiled: CompiledQuestion; readonly facts: PolicyFacts },
): PolicyDecision {
  const answer = cedar.statefulIsAuthorized({ ...callOf(facts, compiled), preparsedPolicySetId: question })
  if (answer.type === 'failure') return failedDecision({ policy: '', message: answer.errors[0]?.message ?? '' })
  const { reason, errors } = answer.response.diagnostics
  const [failed] = errors
  if (failed !== undefined) {
    const policy = compiled.policies[Number(failed.policyId)]?.id ?? ''
    return failedDecision({ policy, message: failed.error.message.slice(0, 300) })
  }
  const numbers = [...compiled.always, ...reason.map(Number)].sort((a, b) => a - b)
  return composeDecision(
    question,
    numbers.map(number => compiled.policies[number]!),
  )
}

/**
 * The facts as Cedar wants them; of those that no policy names, none. Names of strangers are values here, never text of a
 * policy.
 */
export function callOf(facts: PolicyFacts, { named }: Pick<CompiledQuestion, 'named'>) {
  const { device: id, network, site, protocol, now, owner, serial, manufacturer, model } = facts
  const { standing, lifecycle, posture, intent = 'none', history = 'unasked' } = facts
  const only = (values: Readonly<Record<string, CedarValueJson>>) => {
    const chosen: Record<string, CedarValueJson> = {}
    for (const name in values) if (named.has(name)) chosen[name] = values[name]!
    return chosen
  }
  const principal = { type: 'Device', id }
  const ownershipDeclared = owner !== ''
  const attrs = only({ serial, manufacturer, model, standing, lifecycle, posture, intent, history, ownershipDeclared })
  if (ownershipDeclared && named.has('owner')) attrs['owner'] = { __entity: { type: 'Owner', id: owner } }
  const parents: TypeAndId[] = []
  if (named.has('Manufacturer')) parents.push({ type: 'Manufacturer', id: manufacturer })
  if (named.has('Model')) parents.push({ type: 'Model', id: model })
  const entity: EntityJson = { uid: principal, attrs, parents }
  return {
    principal,
    action: { type: 'Action', id: 'admit' },
    resource: { type: 'Network', id: network },
    context: only({ site: { __entity: { type: 'Site', id: site } }, protocol, now, ...hourOf(now) }),
    entities: [entity],
  }
}

/** 1 January 1970 was a Thursday. */
function hourOf(seconds: number): { readonly hour: number; readonly weekday: number } {
  const hours = Math.floor(seconds / 3600)
  return { hour: hours % 24, weekday: ((Math.floor(hours / 24) + 3) % 7) + 1 }
}
