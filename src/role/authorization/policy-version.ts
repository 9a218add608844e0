import { hash } from 'node:crypto'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { PolicyState, PolicyVersion } from '../../domain/policy.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import { failureSetting, type PolicyPoint, stateName } from './policy-point.ts'
import { type ProfileName, profiles } from './profile/profile.ts'

/** The versions of a site's policies: written down, looked at, made to count, and gone back from. */
export interface PolicyVersions {
  /**
   * Writes down a new version; the same text is the same version. It counts for nothing yet.
   * Throws OnboardingError `policy-invalid`, `policy-too-large`.
   */
  draft(text: { readonly name: string; readonly source: string; readonly by: string }): Promise<PolicyVersion>
  /** From now on this one decides, in every process. Throws OnboardingError `policy-not-found`. */
  activate(id: string, by: string): Promise<PolicyVersion>
  /**
   * Activates the one that counted before, one step at most. Throws OnboardingError `policy-not-found`, and `policy-changed`
   * when another version than `from` counts: what somebody asked for yesterday may mean something else today.
   */
  rollback(by: string, from?: string): Promise<PolicyVersion>
  /** Gives a site that has no policies yet its first ones. @returns whether it did */
  establish(profile: ProfileName): Promise<boolean>
}

const stream = streamName('policy', stateName)

export function createPolicyVersions(options: {
  readonly store: Store
  readonly clock: Clock
  readonly point: Pick<PolicyPoint, 'engine' | 'open'>
  /** What else an activation writes: that it has devices to be looked at again. */
  readonly onActivation?: (tx: Tx, version: PolicyVersion) => Promise<void>
}): PolicyVersions {
  const { store, clock, point, onActivation = async () => {} } = options

  async function record(tx: Tx, { name, source, by }: { name: string; source: string; by: string }) {
    const state = await policyState(tx)
    const sourceHash = hash('sha256', source)
    const [known] = await tx.policy.find({ sourceHash }, { limit: 1 })
    if (known !== undefined) return { version: known, state }
    const drafts = state.drafts + 1
    const createdAt = clock()
    const version = { id: policyVersionId(drafts), name, source, sourceHash, createdAt, createdBy: by }
    const body = { policy: version.id, name, sha256: sourceHash, drafts, by, at: createdAt }
    const next = {
      ...state,
      drafts,
      version: await tx.append(stream, state.version, [{ kind: 'policy-drafted', body }]),
    }
    await tx.policy.insert(version)
    await tx.policyState.put(next)
    return { version, state: next }
  }

  async function makeCount(
    tx: Tx,
    state: PolicyState,
    version: PolicyVersion,
    { by, back = false }: { readonly by: string; readonly back?: boolean },
  ): Promise<PolicyVersion> {
    if (state.active === version.id) return version
    const at = clock()
    // From there is no way back again: the same request twice must not undo itself.
    const previous = back ? undefined : state.active
    const body = { policy: version.id, sha256: version.sourceHash, by, at }
    const event = { kind: 'policy-activated', body: previous === undefined ? body : { ...body, previous } }
    const { previous: _, ...rest } = state
    const activated = { ...version, activatedAt: at }
    const next = { ...rest, active: version.id, activeHash: version.sourceHash }
    const streamVersion = await tx.append(stream, state.version, [event])
    await tx.policyState.put({ ...next, version: streamVersion, ...(previous === undefined ? {} : { previous }) })
    await tx.policy.put(activated)
    // A failure of other policies says nothing about these.
    await tx.setting.remove(failureSetting)
    await onActivation(tx, activated)
    return activated
  }

  return {
    async draft(text) {
      point.engine.load(text.source)
      return store.transaction(async tx => (await record(tx, text)).version)
    },
    activate: (id, by) =>
      store.transaction(async tx => {
        const state = await policyState(tx)
        const version = await policyVersion(tx, id)
        // Read again by the program that runs now: it may be another one than the one that took it down.
        point.engine.load(version.source)
        return makeCount(tx, state, version, { by })
      }),
    rollback: (by, from) =>
      store.transaction(async tx => {
        const state = await policyState(tx)
        if (from !== undefined && state.active !== from) {
          throw new OnboardingError('policy-changed', { from, active: state.active ?? 'none' })
        }
        if (state.previous === undefined) throw new OnboardingError('policy-not-found', { previous: 'none' })
        return makeCount(tx, state, await policyVersion(tx, state.previous), { by, back: true })
      }),
    async establish(profile) {
      const known = await store.read(tables => tables.policyState.get(stateName))
      if (known?.active !== undefined) return false
      return store.transaction(async tx => {
        const state = await policyState(tx)
        if (state.active !== undefined) return false
        const source = profiles[profile]
        const made = await record(tx, { name: profile, source, by: 'first start' })
        await makeCount(tx, made.state, made.version, { by: 'first start' })
        return true
      })
    },
  }
}

export function policyVersionId(number: number): string {
  return String(number).padStart(6, '0')
}

/** Throws OnboardingError `policy-not-found`. */
export async function policyVersion(tables: Pick<Tables, 'policy'>, id: string): Promise<PolicyVersion> {
  const version = await tables.policy.get(id)
  if (version === undefined) throw new OnboardingError('policy-not-found', { version: id })
  return version
}

export async function policyState(tables: Pick<Tables, 'policyState'>): Promise<PolicyState> {
  return (await tables.policyState.get(stateName)) ?? { name: stateName, version: 0, drafts: 0 }
}
