import { credentialStatusAt } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { type LifecycleState, move } from '../../domain/lifecycle.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'

export interface TimeOutOptions {
  readonly store: Store
  readonly clock: Clock
  /** How long a device may be in onboarding without a credential, milliseconds. */
  readonly onboardingWindow: number
  /** Milliseconds between two looks at birth credentials, an hour when absent: these are years, and many devices. */
  readonly shelfInterval?: number
}

export interface SweepReport {
  /** Devices whose onboarding ended without a credential (T16). */
  readonly failed: number
  /** Devices whose birth credential was found to have run out. */
  readonly expired: number
}

/** Where a device without a birth credential in force cannot go on. */
const needBirth: readonly LifecycleState[] = ['SC.SHL', 'US.INS', 'US.NLO', 'US.MTD', 'US.DEC']

const hour = 3_600_000

/** A sweep that looks at onboardings each time, and through the shelves once in a while, at the first time among them. */
export function createSweep(options: TimeOutOptions): () => Promise<SweepReport> {
  const { clock, shelfInterval = hour } = options
  let shelves: number | undefined
  return async () => {
    const at = clock()
    const due = shelves === undefined || Math.abs(at - shelves) >= shelfInterval
    const report = await sweep(options, due ? needBirth : ['US.NLO'])
    if (due) shelves = at
    return report
  }
}

/**
 * Records what time alone decides. It rests on the record and the clock, so that it may run again at any moment, after a
 * crash, and in several processes: what is on record is not recorded again.
 */
async function sweep(options: TimeOutOptions, states: readonly LifecycleState[]): Promise<SweepReport> {
  const { store } = options
  let [failed, expired] = [0, 0]
  for (const lifecycle of states) {
    for (let after = ''; ; ) {
      const page = await store.read(tables => tables.device.find({ lifecycle }, { after, limit: 500 }))
      for (const device of page) {
        if (!mayBeDue(device, options)) continue
        const kinds = await store.transaction(tx => recordDue(tx, device.id, options))
        failed += kinds.filter(kind => kind === 'lifecycle-moved').length
        expired += kinds.filter(kind => kind === 'birth-credential-expired').length
      }
      const last = page.at(-1)
      if (last === undefined || page.length < 500) break
      after = last.id
    }
  }
  return { failed, expired }
}

/** By the device's own row; the credentials are looked at once this says yes. */
function mayBeDue(device: Device, { clock, onboardingWindow }: TimeOutOptions): boolean {
  return isShelfTimeOver(device, clock()) || isWindowOver(device, clock(), onboardingWindow)
}

async function recordDue(tx: Tx, id: string, { clock, onboardingWindow }: TimeOutOptions): Promise<string[]> {
  let due: DeviceEvent[] = []
  await recordOnDevice(tx, id, async device => {
    const at = clock()
    due = []
    if (isShelfTimeOver(device, at)) {
      due.push({ kind: 'birth-credential-expired', body: { until: device.birthUntil ?? 0, at } })
    }
    if (isWindowOver(device, at, onboardingWindow) && !(await hasCredential(tx, id, at))) {
      due.push(attemptFailed(device, at))
    }
    return due
  })
  return due.map(({ kind }) => kind)
}

function isShelfTimeOver({ birthUntil, shelfTimeOver, lifecycle }: Device, at: number): boolean {
  return needBirth.includes(lifecycle) && shelfTimeOver !== true && birthUntil !== undefined && at > birthUntil
}

/** Once for each attempt: a device that was given up and is not heard again is not given up again. */
function isWindowOver({ lifecycle, entered, attempt }: Device, at: number, window: number): boolean {
  if (lifecycle !== 'US.NLO') return false
  const [since, heard] = [entered?.at ?? 0, attempt?.at ?? 0]
  if (entered?.transition === 'T16' && heard <= since) return false
  return at - Math.max(since, heard) >= window
}

function attemptFailed({ lifecycle }: Device, at: number): DeviceEvent {
  const proven = { attemptEnded: true, networkCredentialValid: false }
  const { transition, from, to, actor } = move(lifecycle, 'onboarding-failed', 'network-onboarding-component', proven)
  const reason = 'no credential within the onboarding window'
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor, at, proven, reason } }
}

export async function hasCredential(tx: Pick<Tx, 'credential'>, device: string, at: number): Promise<boolean> {
  const issued = await tx.credential.find({ device, status: 'issued' }, { limit: 1000 })
  return issued.some(record => record.kind === 'network' && credentialStatusAt(record, at) === 'valid')
}
