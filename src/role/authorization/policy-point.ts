import { hash } from 'node:crypto'
import { Recent } from '../../crypto/recent.ts'
import { OnboardingError } from '../../domain/error.ts'
import {
  failedDecision,
  type PolicyDecision,
  type PolicyEngine,
  type PolicyFacts,
  type PolicyQuestion,
  type PolicySet,
  type PolicyVersion,
} from '../../domain/policy.ts'
import type { Log, Tables, Tx } from '../../domain/port.ts'
import { type ProfileName, profiles } from './profile/profile.ts'

/** Policies ready to be asked, with the number of their version. */
export interface LoadedPolicies {
  readonly version: string
  decide(question: PolicyQuestion, facts: PolicyFacts): PolicyDecision
  /** Absent where the text on record could not be read. */
  readonly set?: PolicySet
}

/** Where policies are asked. What it keeps in memory is read once for each version; which one counts, the record says. */
export interface PolicyPoint {
  readonly engine: PolicyEngine
  /** The version that counts in this unit of work. */
  active(tables: Pick<Tables, 'policy' | 'policyState'>): Promise<LoadedPolicies>
  open(version: PolicyVersion): LoadedPolicies
  /** Writes down that a policy failed, where `mooring doctor` and people see it; to be called in the unit of work. */
  failed(tx: Tx, failure: PolicyFailure): Promise<void>
}

export type PolicyFailure = {
  readonly version: string
  readonly policy: string
  readonly message: string
  readonly device: string
  readonly question: PolicyQuestion
  readonly at: number
}

/** Name of the setting that holds the newest `PolicyFailure` of the version that counts; gone with the next activation. */
export const failureSetting = 'policy-failure'

/** The row that says which version counts. */
export const stateName = 'set'

export function createPolicyPoint(options: {
  readonly engine: PolicyEngine
  readonly log: Log
  /** What counts as long as the record has no policies. */
  readonly profile?: ProfileName
}): PolicyPoint {
  const { engine, log, profile = 'home' } = options
  // What is tried, and what was before: each has some megabytes of its own.
  const loaded = new Recent<LoadedPolicies>(4)
  // What counts is not to be pushed out by what people try.
  let counting: { readonly name: string; readonly policies: LoadedPolicies } | undefined

  function open(version: PolicyVersion): LoadedPolicies {
    // The text is part of the name: what somebody put into the record is never taken for what was loaded before.
    const key = nameOf(version.id, version.sourceHash)
    const known = loaded.get(key)
    if (known !== undefined) return known
    const opened = load(engine, version)
    if (opened.set === undefined) log.error({ policy: version.id }, 'policies on record cannot be read: nobody gets in')
    loaded.set(key, opened)
    return opened
  }

  return {
    engine,
    open,
    async active(tables) {
      const state = await tables.policyState.get(stateName)
      const { active, activeHash = '' } = state ?? {}
      if (active === undefined) return open(profileVersion(profile))
      const name = nameOf(active, activeHash)
      if (counting?.name === name) return counting.policies
      const version = await tables.policy.get(active)
      if (version?.sourceHash !== activeHash) return unreadable(active, 'the version that counts is not on record')
      counting = { name, policies: open(version) }
      return counting.policies
    },
    async failed(tx, failure) {
      log.error({ ...failure }, 'a policy could not be evaluated')
      await tx.setting.put({ name: failureSetting, value: failure })
    },
  }
}

function nameOf(id: string, sourceHash: string): string {
  return `${id} ${sourceHash}`
}

function load(engine: PolicyEngine, { id, source, sourceHash }: PolicyVersion): LoadedPolicies {
  if (hash('sha256', source) !== sourceHash) return unreadable(id, 'the text is not what was written down')
  try {
    const set = engine.load(source)
    return { version: id, set, decide: (question, facts) => set.decide(question, facts) }
  } catch (error) {
    if (!(error instanceof OnboardingError)) throw error
    return unreadable(id, error.message)
  }
}

/** Fails closed: nobody gets in, and who is in is left alone. */
function unreadable(version: string, message: string): LoadedPolicies {
  return { version, decide: () => failedDecision({ policy: '', message: message.slice(0, 300) }) }
}

function profileVersion(name: ProfileName): PolicyVersion {
  const source = profiles[name]
  return { id: name, name, source, sourceHash: hash('sha256', source), createdAt: 0, createdBy: 'Mooring' }
}
