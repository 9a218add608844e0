/**
 * What a decision by policy costs: the facts of a device put into the words of the schema, Cedar asked, and its answer made
 * a decision with segment, lifetime and services. The floor is Cedar alone: the bare call over the same policies, with the
 * same entities, made before. What the policies cannot tell apart is asked once, so that the profiles stay far below the
 * floor; policies that name single devices ask for each. Median over single decisions, each timed, because the bar is one
 * of waiting and not of CPU.
 */
import { callOf, cedarEngine } from '../src/adapter/policy/cedar.ts'
import { compile, questionOf } from '../src/adapter/policy/compile.ts'
import { freshCedar } from '../src/adapter/policy/instance.ts'
import type { PolicyFacts } from '../src/domain/policy.ts'
import { profileNames, profiles } from '../src/role/authorization/profile/profile.ts'
import { type Line, line, median } from './measure.ts'

const rounds = 4000
const warmUp = 2000

const nameOne = 'forbid (principal, action == Action::"admit", resource) when { principal.serial == "CL2-7" };'

/** A device of its own for each decision. */
function factsOf(n: number): PolicyFacts {
  return {
    device: n.toString(16).padStart(24, '0'),
    serial: `CL2-${n}`,
    manufacturer: 'fjord',
    model: 'Climate 2',
    standing: n % 5 === 0 ? 'approved' : 'expected',
    owner: 'harbour',
    lifecycle: 'US.INS',
    posture: 'unknown',
    network: 'harbour-iot',
    site: 'harbour',
    protocol: 'brski',
    now: 1_795_167_000 + n,
  }
}

const sources = [
  ...profileNames.map(profile => [`${profile} profile`, profiles[profile]] as const),
  // Each device is another case.
  ['enterprise profile and one that names a device', `${profiles.enterprise}${nameOne}`] as const,
]

export async function* policySuite(): AsyncGenerator<Line, void, void> {
  for (const [name, source] of sources) {
    const set = cedarEngine.load(source)
    const cedar = freshCedar()
    const question = questionOf('admit', compile(source).policies ?? [])
    cedar.preparsePolicySet('bare', { staticPolicies: question.evaluable })
    const bare = { ...callOf(factsOf(0), question), preparsedPolicySetId: 'bare' }
    const ours: number[] = []
    const floor: number[] = []
    for (let n = -warmUp; n < rounds; n++) {
      const decision = timed(() => set.decide('admit', factsOf(n + warmUp)))
      const call = timed(() => cedar.statefulIsAuthorized(bare))
      if (n < 0) continue
      ours.push(decision)
      floor.push(call)
    }
    const value = { value: median(ours), unit: 'us', floor: median(floor) }
    yield line('policy', `decision, ${name}, ${set.policies.length} policies (bar: 100 us)`, value)
  }
}

function timed(work: () => unknown): number {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start) / 1000
}
