import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../src/adapter/store/open.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { type Device, type DeviceEvent, evolveDevice, foldDevice } from '../../src/domain/device.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import { streamName } from '../../src/domain/event.ts'
import type { LifecycleMove } from '../../src/domain/lifecycle.ts'
import type { Log, Store } from '../../src/domain/port.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import type { Choice, Fault } from './choice.ts'
import { bornEvent, decide, type Findings, movedEvent } from './finding.ts'
import type { Attempt, Oracle } from './oracle.ts'

export interface StoreCounts {
  readonly steps: number
  readonly lives: number
  /** Units of work that broke off between event and projection: nothing of them may be left. */
  readonly died: number
  /** Times that two took the same step of one device at once: one of them is refused. */
  readonly raced: number
  /** Times that the store was closed and opened again. */
  readonly reopened: number
  readonly integrity: string
}

export interface StoreWalk {
  step(fault: Fault): Promise<void>
  end(): Promise<StoreCounts>
  close(): Promise<void>
}

const devices = 8
const silent: Log = { info() {}, warn() {}, error() {} }

class Died extends Error {}

/** The same walk over a record on disk, through the same function that every change of a device goes through. */
export async function openStoreWalk(parts: {
  readonly oracle: Oracle
  readonly choice: Choice
  readonly findings: Findings
}): Promise<StoreWalk> {
  const { oracle, choice, findings } = parts
  const directory = await mkdtemp(join(tmpdir(), 'mooring-walk-'))
  const signer = keySigner(generateKey('P-256'))
  let now = Date.UTC(2026, 10, 20)
  const clock = () => ++now
  const open = () => openStore(`sqlite:${join(directory, 'walk.db')}`, { signer, clock, log: silent })
  let store = await open()
  const counts = { steps: 0, lives: 0, died: 0, raced: 0, reopened: 0 }
  const walkers: { id: string; due: string; last?: Attempt }[] = []
  for (let n = 0; n < devices; n++) walkers.push(await born())

  async function born() {
    const event = bornEvent(`S-${++counts.lives}`)
    const device = evolveDevice(undefined, event)
    await store.transaction(async tx => {
      await tx.append(streamName('device', device.id), 0, [event])
      await tx.device.insert(device)
    })
    return { id: device.id, due: device.lifecycle as string }
  }

  /** @throws Died when `dies`, behind the event and before the projection */
  async function take(id: string, attempt: Attempt, dies = false): Promise<LifecycleMove | string> {
    let outcome: LifecycleMove | string = ''
    await store.transaction(async tx => {
      if (dies) {
        const device = await tx.device.get(id)
        const moved = device === undefined ? '' : decide(attempt, device)
        if (device !== undefined && typeof moved !== 'string') {
          await tx.append(streamName('device', id), device.version, [movedEvent(moved, now)])
        }
        throw new Died()
      }
      await recordOnDevice(tx, id, device => {
        outcome = decide(attempt, device)
        return typeof outcome === 'string' ? [] : [movedEvent(outcome, now)]
      })
    })
    return outcome
  }

  async function die(walker: { readonly id: string }, attempt: Attempt): Promise<void> {
    const before = await stateOf(store, walker.id)
    try {
      await take(walker.id, attempt, true)
    } catch (error) {
      if (!(error instanceof Died) && !(error instanceof OnboardingError && error.cause instanceof Died)) throw error
    }
    counts.died++
    if ((await stateOf(store, walker.id)) !== before) findings.tell(`half a step of ${walker.id} was kept`)
    if (choice.next() < 0.05) {
      await store.close()
      store = await open()
      counts.reopened++
      if ((await stateOf(store, walker.id)) !== before) findings.tell(`${walker.id} is another one after reopening`)
    }
  }

  /** Two ask for one step at once. Where it leads somewhere else, the second one comes too late. */
  async function race(walker: { readonly id: string; due: string }, attempt: Attempt): Promise<void> {
    counts.raced++
    for (const outcome of await Promise.all([take(walker.id, attempt), take(walker.id, attempt)])) {
      const now = { ...attempt, state: walker.due }
      findings.judge(oracle, now, outcome)
      const row = oracle.judge(now)
      if (typeof row !== 'string') walker.due = row.to
    }
  }

  return {
    async step(fault) {
      counts.steps++
      let walker = choice.one(walkers)
      if (walker.due === 'US.EOL' && choice.next() < 0.2) {
        await compare(store, walker.id, findings)
        walkers[walkers.indexOf(walker)] = walker = await born()
      }
      const attempt = choice.attempt(walker.due, fault, walker.last, findings.wanted(walker.due))
      const chance = choice.next()
      if (chance < 0.2) await die(walker, attempt)
      if (chance > 0.85) return race(walker, attempt)
      const outcome = await take(walker.id, attempt)
      findings.judge(oracle, attempt, outcome)
      if (typeof outcome === 'string') return
      walker.last = attempt
      walker.due = outcome.to
    },
    async end() {
      for (const { id, due } of walkers) {
        const device = await compare(store, id, findings)
        if (device?.lifecycle !== due) findings.tell(`${id} is in ${device?.lifecycle}, due ${due}`)
      }
      await store.checkpoint()
      const { integrity, firstBad } = await store.verify()
      if (integrity !== 'pass') findings.tell(`the record does not verify: ${firstBad?.reason}`)
      return { ...counts, integrity }
    },
    async close() {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function stateOf(store: Store, id: string): Promise<string> {
  const device = await store.read(tables => tables.device.get(id))
  return JSON.stringify([device, (await store.history(streamName('device', id), 0, 1000)).length])
}

/** The projection against the events, all of them. */
async function compare(store: Store, id: string, findings: Findings): Promise<Device | undefined> {
  const device = await store.read(tables => tables.device.get(id))
  const events: DeviceEvent[] = []
  for (let page = await history(store, id, 0); page.length > 0; page = await history(store, id, events.length)) {
    events.push(...page)
  }
  if (JSON.stringify(foldDevice(events)) !== JSON.stringify(device))
    findings.tell(`${id} is not the fold of its events`)
  return device
}

async function history(store: Store, id: string, after: number): Promise<DeviceEvent[]> {
  const events = await store.history(streamName('device', id), after, 1000)
  return events.map(({ kind, body }) => ({ kind, body }) as DeviceEvent)
}
