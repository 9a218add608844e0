import { isDeepStrictEqual } from 'node:util'
import { type CredentialRecord, revokeCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { changedTopic, type Posture, termsOf } from '../../domain/policy.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import { type DeviceSweep, sweepGroup } from '../onboarding/device-sweep.ts'
import type { Revocation } from '../onboarding/revocation.ts'
import { type Assessment, assess, isIn, type Place, recallsOn } from './assessment.ts'
import type { LoadedPolicies, PolicyFailure, PolicyPoint } from './policy-point.ts'

/** Why devices that are in are asked about again. */
export type ReconfirmationCause = 'activation' | 'asked' | 'period'

/** How far a sweep has come; a setting, so that after a crash it goes on there. */
export type Reconfirmation = {
  readonly state: 'under-way' | 'done'
  readonly cause: ReconfirmationCause
  readonly startedAt: number
  readonly finishedAt?: number
  /** Id of the last device looked at. */
  readonly after: string
  readonly checked: number
  readonly of: number
  /** Of those that are in: whose answer or terms are another than before. */
  readonly changed: number
  readonly refused: number
  readonly revoked: number
  /** A policy failed on them: they are left as they were. */
  readonly failed: number
}

export const reconfirmationSetting = 'policy-reconfirmation'

export interface Reconfirmations {
  /** To be called in the unit of work that changes what decisions rest on; a sweep under way begins again. */
  begin(tx: Tx, cause: ReconfirmationCause): Promise<void>
  start(cause: ReconfirmationCause): Promise<Reconfirmation>
  /** Does what is due: a sweep that was begun, here or by another process, and one in each period. */
  run(): Promise<void>
  progress(): Promise<Reconfirmation | undefined>
  /** Writes down in what state a device is, and decides at once whether it may stay. */
  statePosture(
    device: string,
    statement: { readonly posture: Posture; readonly by: string; readonly reason?: string },
  ): Promise<Device>
}

export interface ReconfirmationOptions {
  readonly store: Store
  readonly clock: Clock
  readonly point: Pick<PolicyPoint, 'active' | 'failed'>
  readonly place: Place
  readonly revocation: Pick<Revocation, 'publishWith'>
  /** Every device that is in is asked about at least so often, milliseconds. */
  readonly period: number
  readonly onProgress?: (progress: Reconfirmation) => void
}

/** Statements followed at once. */
const claimed = 100

/** SP 1800-36 scenario 4, periodic device reauthorization: the right to stay is confirmed again, or it ends. */
export function createReconfirmations(options: ReconfirmationOptions): Reconfirmations {
  const { store, clock, period, onProgress } = options
  const sweep = staySweep(options)

  async function begin(tx: Tx, cause: ReconfirmationCause): Promise<Reconfirmation> {
    const none = { after: '', checked: 0, changed: 0, refused: 0, revoked: 0, failed: 0 }
    const begun = { state: 'under-way', cause, startedAt: clock(), of: await tx.device.count(), ...none } as const
    await tx.setting.put({ name: reconfirmationSetting, value: begun })
    return begun
  }

  const reconfirmations: Reconfirmations = {
    async begin(tx, cause) {
      await begin(tx, cause)
    },
    start: cause => store.transaction(tx => begin(tx, cause)),
    async run() {
      await followPostures(options)
      const last = await reconfirmations.progress()
      const age = clock() - (last?.finishedAt ?? 0)
      // A clock that was years ahead must not put it off for years.
      if (last?.state !== 'under-way' && (age >= period || age < 0)) await reconfirmations.start('period')
      for (;;) {
        const next = await sweepGroup(options, sweep)
        if (next.step !== 'taken') return
        onProgress?.(next.subject)
      }
    },
    async progress() {
      const setting = await store.read(tables => tables.setting.get(reconfirmationSetting))
      return setting?.value as Reconfirmation | undefined
    },
    async statePosture(id, { posture, by, reason }) {
      const body = reason === undefined || reason === '' ? { posture, by } : { posture, by, reason }
      const stated = await store.transaction(async tx => {
        let news = false
        const device = await recordOnDevice(tx, id, ({ posture: before = 'unknown' }) => {
          news = before !== posture
          return news ? [{ kind: 'posture-stated', body }] : []
        })
        // Should this process die before it has decided.
        if (news) await tx.enqueue(changedTopic, { device: id })
        return device
      })
      if (!isIn(stated)) return stated
      await publishing(options, [stated], async (tx, policies, record) => {
        // On other facts than before, so it is on record even when the answer is the same.
        await reconfirm(tx, stated.id, { ...options, policies, always: true }, record)
      })
      return (await store.read(tables => tables.device.get(id))) ?? stated
    },
  }
  return reconfirmations
}

/** Devices that something was stated about, by whomever. */
async function followPostures(options: ReconfirmationOptions): Promise<void> {
  const { store } = options
  for (;;) {
    const items = await store.claim(changedTopic, claimed)
    for (const { id, body } of items) {
      const { device } = body as { readonly device: string }
      const known = await store.read(tables => tables.device.get(device))
      if (known !== undefined && isIn(known)) {
        await publishing(options, [known], (tx, policies, record) =>
          reconfirm(tx, device, { ...options, policies }, record),
        )
      }
      await store.settle(id, 'done')
    }
    if (items.length < claimed) return
  }
}

/** What one group adds. */
interface Count {
  changed: number
  refused: number
  revoked: number
  failed: number
  failure?: PolicyFailure
}

/** Of all devices those that are in. */
function staySweep(options: ReconfirmationOptions): DeviceSweep<Reconfirmation, Reconfirmation> {
  const { point } = options
  return {
    find: async tables => (await tables.setting.get(reconfirmationSetting))?.value as Reconfirmation | undefined,
    place: state => state,
    isSame: (before, now) => before.startedAt === now.startedAt,
    devices: () => ({}),
    async look(tables, _, devices) {
      const concerned = devices.filter(isIn)
      return { concerned, revokes: await willRevoke(tables, options, concerned) }
    },
    async settle(tx, { changed, refused, revoked, failed, cause, startedAt }, concerned) {
      const count: Count = { changed, refused, revoked, failed }
      await asking(tx, point, count, async policies => {
        for (const { id } of concerned) await reconfirm(tx, id, { ...options, policies }, count)
      })
      const { failure: _, ...counts } = count
      return { ...counts, cause, startedAt }
    },
    async keep(tx, _, next) {
      await tx.setting.put({ name: reconfirmationSetting, value: next })
      return next
    },
  }
}

/** By the version that counts in this unit of work; that a policy failed is written down with it. */
async function asking(
  tx: Tx,
  point: ReconfirmationOptions['point'],
  count: Count,
  work: (policies: LoadedPolicies) => Promise<void>,
): Promise<void> {
  await work(await point.active(tx))
  if (count.failure !== undefined) await point.failed(tx, count.failure)
}

/** With a new list of what is revoked only where something will be: a number of it would be wasted. */
async function publishing(
  options: ReconfirmationOptions,
  devices: readonly Device[],
  work: (tx: Tx, policies: LoadedPolicies, record: Count) => Promise<void>,
): Promise<void> {
  const { store, point, revocation } = options
  const occasion = (tx: Tx) => {
    const count: Count = { changed: 0, refused: 0, revoked: 0, failed: 0 }
    return asking(tx, point, count, policies => work(tx, policies, count))
  }
  if (await store.read(tables => willRevoke(tables, options, devices))) await revocation.publishWith(occasion)
  else await store.transaction(occasion)
}

async function willRevoke(
  tables: Tables,
  options: ReconfirmationOptions,
  devices: readonly Device[],
): Promise<boolean> {
  const policies = await options.point.active(tables)
  if (policies.set?.policies.some(({ revoke }) => revoke === true) !== true) return false
  for (const device of devices) {
    const recalls = await recallsOn(tables, device)
    const { decision } = assess(device, 'stay', { ...options, policies, recalls, at: options.clock() })
    if (decision?.revoke === true) return true
  }
  return false
}

async function reconfirm(
  tx: Tx,
  id: string,
  {
    clock,
    place,
    policies,
    always = false,
  }: ReconfirmationOptions & { readonly policies: LoadedPolicies; readonly always?: boolean },
  count: Count,
): Promise<void> {
  const at = clock()
  let ended: readonly CredentialRecord[] = []
  await recordOnDevice(tx, id, async device => {
    ended = []
    if (!isIn(device)) return []
    const assessed = assess(device, 'stay', { policies, place, recalls: await recallsOn(tx, device), at })
    const { decision, basis } = assessed
    // What no policy decides has its own way out.
    if (decision === undefined || basis === undefined) return []
    if (decision.failure !== undefined) {
      count.failed++
      count.failure = { ...decision.failure, version: policies.version, device: id, question: 'stay', at }
      return []
    }
    if (decision.verdict === 'refuse') count.refused++
    // A credential that came after the answer ends with it, too.
    if (!always && !decision.revoke && isKnown(device, assessed)) return []
    count.changed++
    if (decision.revoke) ended = await credentialsInForce(tx, id)
    count.revoked += ended.length
    const verdict = decision.verdict === 'permit' ? 'permit' : 'refuse'
    const terms = termsOf(decision)
    const enforcement = enforcementOf(device, assessed)
    const body = { verdict, basis, terms, revoke: decision.revoke, at } as const
    return [
      { kind: 'stay-decided', body: enforcement === undefined ? body : { ...body, enforcement } },
      ...ended.map(
        (credential): DeviceEvent => ({
          kind: 'credential-revoked',
          body: { credential: credential.id, reason: 'privilegeWithdrawn', by: `policy ${basis.policies.join(', ')}` },
        }),
      ),
    ]
  })
  for (const record of ended) await tx.credential.put(revokeCredential(record, { at, reason: 'privilegeWithdrawn' }))
}

/** The same answer on the same policies is no news. */
function isKnown({ stay, terms }: Device, { decision, basis }: Assessment): boolean {
  if (decision === undefined || stay?.version !== basis?.version) return false
  if (stay?.verdict !== decision.verdict || stay.revoke !== decision.revoke) return false
  return decision.verdict === 'refuse' || isDeepStrictEqual(terms, termsOf(decision))
}

async function credentialsInForce(tx: Tx, device: string): Promise<readonly CredentialRecord[]> {
  const pages = await Promise.all(
    (['issued', 'held'] as const).map(status => tx.credential.find({ device, status }, { limit: 1000 })),
  )
  return pages.flat().filter(({ kind }) => kind !== 'birth')
}

/** What has to happen in the network, and does not yet: said with the decision, where people look. */
function enforcementOf(device: Device, { decision }: Assessment): string | undefined {
  if (decision?.verdict === 'refuse') {
    return 'connecting and renewal are refused here; closing its port waits for network access'
  }
  const segment = decision?.segment
  if (segment === device.terms?.segment) return undefined
  return `moving it to ${segment === undefined ? 'no segment' : `segment ${segment}`} waits for network access`
}
