import type { Device } from '../../domain/device.ts'
import type { ErrorCode } from '../../domain/error.ts'
import { factsHash, type PolicyBasis, type PolicyDecision, type PolicyQuestion } from '../../domain/policy.ts'
import type { Tables } from '../../domain/port.ts'
import type { RecallRecord } from '../../domain/recall.ts'
import { recallsOf } from '../supply-chain/recall-check.ts'
import { deviceFacts } from './fact.ts'
import { type Violation, violated } from './invariant.ts'
import type { LoadedPolicies } from './policy-point.ts'

/** Where a site stands: what its decisions have in common. */
export interface Place {
  readonly network: string
  readonly owners: readonly string[]
}

/** What is decided about a device of the record, whether anybody acts on it or not. */
export interface Assessment {
  readonly question: PolicyQuestion
  readonly verdict: PolicyDecision['verdict']
  readonly code?: ErrorCode
  /** What no policy decides; then no policy was asked. */
  readonly violation?: Violation
  readonly decision?: PolicyDecision
  readonly basis?: PolicyBasis
}

/** A device is in while it has a network credential. */
export function isIn({ credential }: Device): boolean {
  return credential !== undefined
}

/** As `admit` and the sweep decide, and without a trace. `at`: milliseconds since 1970. */
export function assess(
  device: Device,
  question: PolicyQuestion,
  terms: {
    readonly policies: LoadedPolicies
    readonly place: Place
    readonly recalls: readonly RecallRecord[]
    readonly at: number
  },
): Assessment {
  const { policies, place, recalls, at } = terms
  const { network, owners } = place
  const violation = violated(device, { owners, recalls })
  if (violation !== undefined) return { question, verdict: 'refuse', code: violation.code, violation }
  const protocol = device.attempt?.protocol ?? 'brski'
  const facts = deviceFacts(device, { network, site: owners[0] ?? '', protocol, at })
  const decision = policies.decide(question, facts)
  const { version } = policies
  const basis = { version, policies: decision.policies, facts, factsHash: factsHash(facts) }
  const { verdict } = decision
  return { question, verdict, decision, basis, ...codeOf(decision, device) }
}

function codeOf({ verdict, failure }: PolicyDecision, { standing }: Device): { readonly code?: ErrorCode } {
  if (failure !== undefined) return { code: 'policy-failed' }
  if (verdict === 'refuse') return { code: 'policy-refused' }
  if (verdict === 'wait') return { code: standing === 'waiting' ? 'device-unexpected' : 'policy-waits' }
  return {}
}

/** The recalls in force that name the device. */
export function recallsOn(
  tables: Pick<Tables, 'recall'> & Tables,
  { manufacturer, serial, model }: Device,
): Promise<readonly RecallRecord[]> {
  return recallsOf(tables, { manufacturer, serial, model })
}
