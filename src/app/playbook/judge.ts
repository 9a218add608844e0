import {
  type BuildId,
  type Capability,
  type CapabilityId,
  inapplicability,
  type Verdict,
} from '../../domain/playbook.ts'
import type { DemonstrationResult } from './demonstration.ts'

/**
 * What is said of a capability on a build before anything runs. None of them is a verdict: `demonstrated` and `simulated`
 * have to be earned by every demonstration of the capability.
 */
export type Claim =
  | { readonly type: 'demonstrated'; readonly note: string }
  /** It runs, on something that stands in for the real thing. Cannot become a pass. */
  | { readonly type: 'simulated'; readonly note: string }
  /** Shown by the success of another one. */
  | { readonly type: 'implicit'; readonly by: CapabilityId; readonly note: string }
  | { readonly type: 'not-yet'; readonly note: string }

export interface CapabilityVerdict {
  readonly id: CapabilityId
  readonly build: BuildId
  readonly verdict: Verdict
  readonly reason: string
  readonly evidence: readonly DemonstrationResult[]
}

/**
 * The verdict. A failed demonstration fails its capability whatever was claimed. A pass takes a positive and a negative
 * demonstration at least, and that all of them ran and held.
 */
export function judge(
  capability: Capability & { readonly id: CapabilityId },
  build: BuildId,
  claim: Claim,
  results: readonly DemonstrationResult[],
): CapabilityVerdict {
  const evidence = results.filter(result => result.capability === capability.id)
  const say = (verdict: Verdict, reason: string): CapabilityVerdict => ({
    id: capability.id,
    build,
    verdict,
    reason,
    evidence,
  })
  const outside = inapplicability(capability, build)
  if (outside !== undefined) return say('not-applicable', outside)
  const failure = evidence.find(({ outcome }) => outcome === 'failed')
  if (failure !== undefined) return say('fail', `${failure.name}: ${reasonIn(failure)}`)
  if (claim.type === 'not-yet' || claim.type === 'implicit') return say(claim.type, claim.note)
  const lacking = whatIsLacking(evidence)
  if (lacking !== undefined) return say('fail', lacking)
  return say(claim.type === 'simulated' ? 'simulated' : 'pass', claim.note)
}

/** Why demonstrations, none of which failed, do not make a pass. */
function whatIsLacking(evidence: readonly DemonstrationResult[]): string | undefined {
  const skipped = evidence.find(({ outcome }) => outcome !== 'held')
  if (skipped !== undefined) return `${skipped.name} did not run: ${reasonIn(skipped)}`
  for (const polarity of ['positive', 'negative'] as const) {
    if (!evidence.some(result => result.polarity === polarity)) return `no ${polarity} demonstration`
  }
  return undefined
}

function reasonIn(result: DemonstrationResult): string {
  return result.outcome === 'held' ? result.seen : result.reason
}

/** An implicit verdict falls with the one that it rests on. */
export function settleImplicit(
  verdicts: readonly CapabilityVerdict[],
  claims: Readonly<Record<CapabilityId, Claim>>,
): CapabilityVerdict[] {
  return verdicts.map(verdict => {
    const claim = claims[verdict.id]
    if (verdict.verdict !== 'implicit' || claim.type !== 'implicit') return verdict
    const base = verdicts.find(({ id, build }) => id === claim.by && build === verdict.build)
    if (base?.verdict === 'pass') return verdict
    return { ...verdict, verdict: 'fail', reason: `rests on ${claim.by}, which is ${base?.verdict ?? 'not judged'}` }
  })
}
