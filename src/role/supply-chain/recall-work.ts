import { type CredentialRecord, holdCredential, releaseCredential, revokeCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Json } from '../../domain/event.ts'
import type { Clock, Log, Store, Tx } from '../../domain/port.ts'
import { type RecallRecord, type RecallWork, revocationReasonOf } from '../../domain/recall.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import { type DeviceSweep, sweepGroup } from '../onboarding/device-sweep.ts'
import type { Revocation } from '../onboarding/revocation.ts'
import { isRecalledBy } from './recall-check.ts'
import { recallTopic } from './recall-import.ts'

export interface RecallWorkOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly revocation: Pick<Revocation, 'publishWith'>
  /** Called after each group. */
  readonly onProgress?: (recall: RecallRecord) => void
}

/** What fails is tried again after so long, milliseconds. */
const pause = 30_000

/**
 * Goes through the devices of each manufacturer with news about a recall, until nothing is due. Where it stands is written
 * together with what it did, so that after a crash it goes on there; a device is recalled with all of its credentials, or
 * not yet.
 */
export async function runRecallWork(options: RecallWorkOptions): Promise<void> {
  const { store, clock, log } = options
  for (;;) {
    const [item] = await store.claim(recallTopic, 1)
    if (item === undefined) return
    try {
      await goThrough(options, item.body)
      await store.settle(item.id, 'done')
    } catch (error) {
      const code = error instanceof OnboardingError ? error.code : 'internal'
      log.error({ code, item: item.id, attempt: item.attempt, error }, 'work on a recall was broken off')
      await store.settle(item.id, { retryAt: clock() + pause })
      return
    }
  }
}

async function goThrough(options: RecallWorkOptions, body: Json): Promise<void> {
  const { recall: id, version } = body as { readonly recall: string; readonly version: number }
  const sweep = recallSweep(id, version, options.clock)
  for (;;) {
    const next = await sweepGroup(options, sweep)
    if (next.step === 'nothing-due') return
    if (next.step === 'taken') options.onProgress?.(next.subject)
  }
}

/** Of the devices of its manufacturer those that it names, and those that it has named before. */
function recallSweep(id: string, version: number, clock: Clock): DeviceSweep<RecallRecord, RecallWork> {
  return {
    async find(tables) {
      const recall = await tables.recall.get(id)
      // A newer notice brought work of its own.
      return recall?.version === version ? recall : undefined
    },
    place: ({ work }) => work,
    isSame: () => true,
    devices: ({ manufacturer }) => ({ manufacturer }),
    async look(tables, recall, devices) {
      const concerned: Device[] = []
      for (const device of devices) {
        const marked = device.recalls?.includes(id) === true
        if (marked || (await isRecalledBy(tables, device, recall))) concerned.push(device)
      }
      return { concerned, revokes: concerned.length > 0 }
    },
    async settle(tx, recall, concerned) {
      const { affected, revoked, held, released } = recall.work
      const done: Counts = { affected, revoked, held, released }
      for (const device of concerned) await settleDevice(tx, { id: device.id, recall, at: clock() }, done)
      return done
    },
    async keep(tx, recall, work) {
      const next = { ...recall, work }
      await tx.recall.put(next)
      return next
    },
  }
}

interface Counts {
  affected: number
  revoked: number
  held: number
  released: number
}

interface Case {
  readonly id: string
  readonly recall: RecallRecord
  readonly at: number
}

/** A device with all of its credentials. */
async function settleDevice(tx: Tx, { id, recall, at }: Case, done: Counts): Promise<void> {
  let changed: readonly CredentialRecord[] = []
  let affected = false
  await recordOnDevice(tx, id, async device => {
    const hit = await isRecalledBy(tx, device, recall)
    const marked = device.recalls?.includes(recall.id) === true
    affected = hit !== marked
    const { events, credentials } = hit
      ? await recalled(tx, device, { recall, at, marked })
      : await letGo(tx, device, { recall, at, marked })
    changed = credentials
    return events
  })
  for (const credential of changed) await tx.credential.put(credential)
  if (affected) done.affected++
  for (const { status } of changed) {
    if (status === 'revoked') done.revoked++
    else if (status === 'held') done.held++
    else done.released++
  }
}

interface Outcome {
  readonly events: readonly DeviceEvent[]
  readonly credentials: readonly CredentialRecord[]
}

type Facts = Omit<Case, 'id'> & { readonly marked: boolean }

async function recalled(tx: Tx, device: Device, { recall, at, marked }: Facts): Promise<Outcome> {
  const { id, reason, reference, treatment } = recall
  const by = `recall/${id}`
  const events: DeviceEvent[] = marked ? [] : [{ kind: 'device-recalled', body: { recall: id, reason, reference, at } }]
  const issued = await credentialsOf(tx, device, 'issued')
  if (treatment === 'hold') {
    for (const { id: credential } of issued) events.push({ kind: 'credential-held', body: { credential, by } })
    return { events, credentials: issued.map(record => holdCredential(record, at)) }
  }
  // Held by another recall, or by this one when the site chose so before.
  const ended = [...issued, ...(await credentialsOf(tx, device, 'held'))]
  const why = revocationReasonOf(reason)
  for (const { id: credential } of ended) {
    events.push({ kind: 'credential-revoked', body: { credential, reason: why, by } })
  }
  return { events, credentials: ended.map(record => revokeCredential(record, { at, reason: why })) }
}

/** What was revoked stays so: the device comes in anew. What was held is good again, unless another recall holds it. */
async function letGo(tx: Tx, device: Device, { recall, at, marked }: Facts): Promise<Outcome> {
  if (!marked) return { events: [], credentials: [] }
  const events: DeviceEvent[] = [{ kind: 'device-recall-lifted', body: { recall: recall.id, at } }]
  // Held for another reason, too.
  if (device.hold !== undefined) return { events, credentials: [] }
  if (device.recalls?.some(each => each !== recall.id)) return { events, credentials: [] }
  const held = await credentialsOf(tx, device, 'held')
  const by = `recall/${recall.id}`
  for (const { id: credential } of held) events.push({ kind: 'credential-released', body: { credential, by } })
  return { events, credentials: held.map(releaseCredential) }
}

async function credentialsOf(tx: Tx, { id }: Device, status: 'issued' | 'held'): Promise<readonly CredentialRecord[]> {
  const found = await tx.credential.find({ device: id, status }, { limit: 1000 })
  return found.filter(({ kind }) => kind !== 'birth')
}
