import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import {
  type Ground,
  type PolicyFinding,
  type PolicyQuestion,
  policyActions,
  policyLimits,
  type SatisfiedPolicy,
} from '../../domain/policy.ts'
import { asksWhat, evaluable, groundsOf, isTooGreat, isUnconditional, namedResources } from './ground.ts'
import { type Cedar, freshCedar } from './instance.ts'
import { beginningOf, type Piece, placeOf, scanPolicies } from './scan.ts'
import { policySchema } from './schema.ts'

/** One policy, read. */
export interface CompiledPolicy extends Omit<SatisfiedPolicy, 'grounds'> {
  readonly line: number
  readonly json: PolicyJson
}

/** What is evaluated for one question: policies by the number that Cedar answers with. */
export interface CompiledQuestion {
  readonly policies: readonly SatisfiedPolicy[]
  /** Those that say the same of every device at any time: Cedar need not be asked. */
  readonly always: readonly number[]
  readonly evaluable: Readonly<Record<string, PolicyJson>>
  /** Members of the schema that these name: to hand over the others costs more than to evaluate. */
  readonly named: ReadonlySet<string>
}

export interface Compilation {
  readonly findings: readonly PolicyFinding[]
  /** Absent when a finding is an error. */
  readonly policies?: readonly CompiledPolicy[]
}

/** Reads and checks a text, in a memory that nothing else uses: whatever is in it, it harms itself alone. */
export function compile(source: string): Compilation {
  const excess = excessOf(source)
  if (excess !== undefined) return { findings: [excess] }
  const { pieces } = scanPolicies(source)
  try {
    const cedar = freshCedar()
    const read = pieces.map((piece, index) => readPolicy(cedar, source, piece, index))
    const policies = read.flatMap(({ policy }) => policy ?? [])
    const findings = [...read.flatMap(each => each.findings), ...repetitions(policies)]
    // Cedar judges types only where all can be read.
    if (findings.length === 0) findings.push(...typeFindings(cedar, source, pieces, policies))
    return findings.some(({ severity }) => severity === 'error') ? { findings } : { findings, policies }
  } catch (error) {
    // Out of stack, in Cedar or on the way there.
    return {
      findings: [{ severity: 'error', line: 1, column: 1, message: `too complex to be read (${shortly(error)})` }],
    }
  }
}

/** What is too much to be looked at, whatever it says. */
export function excessOf(source: string): PolicyFinding | undefined {
  const at = (offset: number, message: string): PolicyFinding => ({
    severity: 'error',
    ...placeOf(source, offset),
    message,
  })
  const bytes = Buffer.byteLength(source)
  if (bytes > policyLimits.bytes) return at(0, `${bytes} octets; at most ${policyLimits.bytes}`)
  const { pieces, depth, deepest } = scanPolicies(source)
  if (depth > policyLimits.depth) return at(deepest, `brackets ${depth} deep; at most ${policyLimits.depth}`)
  if (pieces.length > policyLimits.policies) {
    return at(pieces[policyLimits.policies]!.start, `${pieces.length} policies; at most ${policyLimits.policies}`)
  }
  const long = pieces.find(({ text }) => Buffer.byteLength(text) > policyLimits.policyBytes)
  return long === undefined
    ? undefined
    : at(beginningOf(long), `a policy of more than ${policyLimits.policyBytes} octets`)
}

function readPolicy(
  cedar: Cedar,
  source: string,
  piece: Piece,
  index: number,
): { readonly policy?: CompiledPolicy; readonly findings: PolicyFinding[] } {
  const answer = cedar.policyToJson(piece.text)
  if (answer.type === 'failure') return { findings: answer.errors.map(error => findingOf(source, piece, error)) }
  const { json } = answer
  const place = placeOf(source, beginningOf(piece))
  const { id = `policy-${index + 1}`, advice, lifetimeDays, credential } = json.annotations ?? {}
  const findings = headFindings(json).map(
    (message): PolicyFinding => ({ severity: 'error', ...place, policy: id, message }),
  )
  if (findings.length > 0) return { findings }
  return {
    findings,
    policy: {
      id,
      effect: json.effect,
      line: place.line,
      json,
      ...(advice === undefined ? {} : { advice }),
      ...(lifetimeDays === undefined ? {} : { lifetimeDays: Number(lifetimeDays) }),
      ...(credential === undefined ? {} : { revoke: true }),
    },
  }
}

/** Annotations are part of what a policy says here: one that is misspelt would say nothing, silently. */
function headFindings(json: PolicyJson): string[] {
  const { effect, annotations = {}, conditions } = json
  const { id, advice, lifetimeDays, credential } = annotations
  const found: string[] = []
  const unknown = Object.keys(annotations).find(name => !['id', 'advice', 'lifetimeDays', 'credential'].includes(name))
  if (unknown !== undefined) found.push(`no annotation @${unknown.slice(0, 64)} is known`)
  if (id !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) found.push('@id: 1 to 64 of A-Z a-z 0-9 . _ -')
  if (advice !== undefined && (advice.length > 300 || /\p{Cc}/u.test(advice))) {
    found.push('@advice: one line of at most 300 characters')
  }
  const about = groundsOf(json, universe([json]))
  if (lifetimeDays !== undefined) {
    const days = /^[1-9]\d{0,3}$/.test(lifetimeDays) ? Number(lifetimeDays) : 0
    if (days < 1 || days > 3650) found.push('@lifetimeDays: a whole number from 1 to 3650')
    if (effect !== 'permit' || about.some(({ action }) => action !== 'issueCredential')) {
      found.push('@lifetimeDays stands with a permit of issueCredential alone')
    }
  }
  if (credential !== undefined) {
    if (credential !== 'revoke') found.push('@credential: "revoke"')
    if (effect !== 'forbid' || about.some(({ action }) => action !== 'stay')) {
      found.push('@credential stands with a forbid of stay alone')
    }
  }
  if (conditions.some(({ body }) => asksWhat(body))) {
    found.push('action and resource are named in the head of a policy, not in its conditions')
  }
  if (isTooGreat(conditions)) found.push('a number beyond 9007199254740991')
  if (effect === 'permit' && about.length === 0)
    found.push('permits nothing that there is: it names no segment or service')
  return found
}

function repetitions(policies: readonly CompiledPolicy[]): PolicyFinding[] {
  const seen = new Set<string>()
  return policies.flatMap(({ id, line }): PolicyFinding[] => {
    if (seen.has(id)) return [{ severity: 'error', line, column: 1, policy: id, message: `@id("${id}") stands twice` }]
    seen.add(id)
    return []
  })
}

function typeFindings(
  cedar: Cedar,
  source: string,
  pieces: readonly Piece[],
  policies: readonly CompiledPolicy[],
): PolicyFinding[] {
  const texts = Object.fromEntries(pieces.map(({ text }, index) => [String(index), text]))
  const answer = cedar.validate({ schema: policySchema, policies: { staticPolicies: texts } })
  if (answer.type === 'failure') return answer.errors.map(({ message }) => ({ ...nowhere, message }))
  const shown = (severity: PolicyFinding['severity']) => {
    return ({ policyId, error }: { readonly policyId: string; readonly error: DetailedError }): PolicyFinding => {
      const index = Number(policyId)
      // Cedar names the policy by our number for it.
      const { id } = policies[index]!
      return { ...findingOf(source, pieces[index]!, error), severity, policy: id }
    }
  }
  return [...answer.validationErrors.map(shown('error')), ...answer.validationWarnings.map(shown('warning'))]
}

const nowhere = { severity: 'error', line: 1, column: 1 } as const

/** Cedar counts octets of the one policy that it was given. */
function findingOf(source: string, piece: Piece, error: DetailedError): PolicyFinding {
  const [location] = error.sourceLocations ?? []
  const within =
    location === undefined ? 0 : Buffer.from(piece.text).subarray(0, location.start).toString('utf8').length
  const offset = location === undefined ? beginningOf(piece) : piece.start + within
  const help = error.help ?? location?.label ?? undefined
  const message = error.message.replace(/^for policy `[^`]*`, /, '').slice(0, 500)
  return {
    severity: 'error',
    ...placeOf(source, offset),
    message,
    ...(help === undefined ? {} : { help: help.slice(0, 500) }),
  }
}

/** Everything that can be asked about, with the segments and services that the policies name. */
function universe(policies: readonly PolicyJson[]): Ground[] {
  const of = (action: Ground['action'], names: readonly string[]) => names.map(resource => ({ action, resource }))
  return policyActions.flatMap(action => {
    if (action === 'assignSegment') return of(action, namedResources(policies, 'Segment'))
    if (action === 'useService') return of(action, namedResources(policies, 'Service'))
    return of(action, [''])
  })
}

const asked = {
  admit: ['admit', 'stay', 'wait', 'issueCredential', 'assignSegment', 'useService', 'maintain'],
  stay: ['stay', 'issueCredential', 'assignSegment', 'useService', 'maintain'],
} as const satisfies Record<PolicyQuestion, readonly Ground['action'][]>

/** One evaluation answers a question with all its terms: what Cedar is asked is only whose conditions hold. */
export function questionOf(question: PolicyQuestion, policies: readonly CompiledPolicy[]): CompiledQuestion {
  const actions: readonly string[] = asked[question]
  const all = universe(policies.map(({ json }) => json)).filter(({ action }) => actions.includes(action))
  const about = policies
    .map(policy => ({ json: policy.json, policy: { ...policy, grounds: groundsOf(policy.json, all) } }))
    .filter(({ policy }) => policy.grounds.length > 0)
  const numbered = about.map(({ json }, number) => ({ number, json: evaluable(json) }))
  const conditional = numbered.filter(({ json }) => !isUnconditional(json))
  const text = JSON.stringify(conditional)
  return {
    policies: about.map(({ policy }) => policy),
    always: numbered.filter(({ json }) => isUnconditional(json)).map(({ number }) => number),
    evaluable: Object.fromEntries(conditional.map(({ number, json }) => [String(number), json])),
    // Whatever a policy asks for stands in its text; what stands there for another reason does no harm.
    named: new Set(schemaNames.filter(name => text.includes(JSON.stringify(name)))),
  }
}

const schemaNames = [
  ...[
    'serial',
    'manufacturer',
    'model',
    'standing',
    'ownershipDeclared',
    'owner',
    'lifecycle',
    'posture',
    'intent',
    'history',
  ],
  ...['Manufacturer', 'Model', 'site', 'protocol', 'now', 'hour', 'weekday'],
  // Not handed over by name, but who can be told apart by them.
  ...['Device', 'Network'],
]

export function shortly(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200)
}
