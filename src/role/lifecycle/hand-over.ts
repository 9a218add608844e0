import type { Device, DeviceEvent } from '../../domain/device.ts'
import type { HandOver } from '../../domain/device-life.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { LifecycleEvent, LifecycleFacts, LifecycleState } from '../../domain/lifecycle.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { isOwnedHere } from '../../domain/right.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Whoever keeps the declarations of owners. May be asked again for the same device and owner, and then changes nothing. */
export interface OwnershipTransfer {
  /** Throws OnboardingError when the transfer is refused. */
  transfer(request: { readonly device: Device; readonly to: string; readonly by: string }): Promise<TransferAnswer>
}

export type TransferAnswer =
  | { readonly state: 'done' }
  /** `words`: what it waits for, for a person. */
  | { readonly state: 'waiting'; readonly words: string }

export interface HandOverRequest {
  /** Id of the new owner; may be left out of a hand-over that has begun. */
  readonly to?: string
  readonly by: string
  /** What the one who asks vouches for; `wiped` and `ownershipTransferred` among it bring those steps on. */
  readonly facts?: LifecycleFacts
  readonly reason?: string
  /**
   * What the one who asks may bring on: a device manager hands over, and the owner alone transfers (white paper section 5).
   * Everything when absent; what somebody else has to do is waited for.
   */
  readonly may?: { readonly manage: boolean; readonly transfer: boolean }
}

export type HandOverStepName = 'decommission' | 'wipe' | 'transfer' | 'repurpose'

export interface HandOverStep {
  readonly step: HandOverStepName
  readonly state: 'done' | 'waiting' | 'later'
  /** What was done, or what it waits for. */
  readonly words: string
}

export interface HandOverStatus {
  readonly device: Device
  /** `none`: nothing was begun, or it was cancelled. */
  readonly state: 'none' | 'under-way' | 'completed'
  readonly to?: string
  readonly begunAt?: number
  readonly by?: string
  readonly steps: readonly HandOverStep[]
}

export interface HandOverService {
  /**
   * Begins to hand a device over, or goes on with it as far as it can be done now. What was done is on record: asked again,
   * also after a crash, it goes on from there. Throws OnboardingError `device-not-found`, `owner-mismatch`,
   * `hand-over-under-way`, `lifecycle-…`, and what the ownership service throws.
   */
  advance(device: string, request: HandOverRequest): Promise<HandOverStatus>
  status(device: string): Promise<HandOverStatus>
  /** Ends it where it stands; a device that was decommissioned stays so. Not after the ownership has passed. */
  cancel(device: string, by: string): Promise<HandOverStatus>
}

export interface HandOverOptions {
  readonly store: Store
  readonly clock: Clock
  readonly lifecycle: Pick<Lifecycle, 'step' | 'wiped'>
  readonly owners: readonly string[]
  /** Absent: people transfer the device elsewhere, and the step waits until the record shows it. */
  readonly ownership?: OwnershipTransfer
}

/** The way of a device in use to its decommissioning, as far as a person can take it. */
const wayOut: Readonly<Partial<Record<LifecycleState, LifecycleEvent>>> = {
  'US.COM': 'execute',
  'US.ALO': 'execute',
  'US.MTC': 'maintenance-done',
  'US.OPR': 'disconnect-for-decommission',
  'US.UNS': 'disconnect',
}

export function createHandOver(options: HandOverOptions): HandOverService {
  const { store, clock, lifecycle, owners, ownership } = options

  const look = async (id: string): Promise<Device> => {
    const device = await store.read(tables => tables.device.get(id))
    if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
    return device
  }

  const note = (id: string, decide: (device: Device) => readonly DeviceEvent[]) =>
    store.transaction(tx => recordOnDevice(tx, id, decide))

  function begin(id: string, { to, by, reason = '' }: HandOverRequest): Promise<Device> {
    return note(id, device => {
      if (device.handOver !== undefined) {
        requireSame(device, device.handOver, to)
        return []
      }
      if (to === undefined || to === '')
        throw new OnboardingError('input-invalid', { field: 'to', rule: 'the new owner' })
      requireOurs(device, owners)
      if (owners.includes(to))
        throw new OnboardingError('input-invalid', { field: 'to', rule: 'another owner than now' })
      if (device.lifecycle !== 'US.DEC' && wayOut[device.lifecycle] === undefined) {
        throw new OnboardingError('lifecycle-transition-refused', { state: device.lifecycle, event: 'hand-over' })
      }
      if (device.broken) throw new OnboardingError('lifecycle-guard-unmet', { device: id, unmet: 'functional' })
      const said = { by, at: clock(), to }
      return [{ kind: 'hand-over-begun', body: reason === '' ? said : { ...said, reason } }]
    })
  }

  /** One step more. @returns what it waits for; undefined when something was done */
  async function proceed(device: Device, request: HandOverRequest): Promise<string | undefined> {
    const { handOver, lifecycle: state, wiped } = device
    if (handOver === undefined) return undefined
    const { manage, transfer: mayTransfer } = request.may ?? { manage: true, transfer: true }
    const transferred = isTransferred(device, handOver)
    const isTransfer = state === 'US.DEC' && wiped !== undefined && !transferred
    if (isTransfer && !mayTransfer) return 'The owner alone transfers a device: the owner has to go on with this.'
    if (!isTransfer && !manage) return 'This is for the manager of the device to go on with.'
    if (state !== 'US.DEC') return decommission(device, handOver, request)
    if (wiped === undefined) return wipe(device, request)
    if (!transferred) return transfer(device, handOver, request)
    // Whoever saw it go through its reset saw that it works.
    await lifecycle.step(device.id, { event: 'repurpose-new-owner', by: request.by, facts: { functional: true } })
    return undefined
  }

  async function decommission({ id, lifecycle: state }: Device, { to }: HandOver, { by, facts = {} }: HandOverRequest) {
    const event = wayOut[state]
    if (event === undefined) return `It is in ${state}: bring it back into operation first.`
    try {
      const { wiped: _, ownershipTransferred: __, ...more } = facts
      await lifecycle.step(id, { event, by, facts: more, reason: `handed over to ${to}` })
      return undefined
    } catch (error) {
      if (!(error instanceof OnboardingError) || error.code !== 'lifecycle-guard-unmet') throw error
      return `It is in ${state}; for \`${event}\` somebody has to say: ${error.detail['unmet']}.`
    }
  }

  async function wipe({ id }: Device, { by, facts = {} }: HandOverRequest): Promise<string | undefined> {
    if (facts.wiped !== true) {
      return 'The device forgets its network by its own factory reset. Reset it, see that it works, then say so.'
    }
    await lifecycle.wiped(id, { by })
    return undefined
  }

  async function transfer(device: Device, { to }: HandOver, { by, facts = {} }: HandOverRequest) {
    const transferred = (by: string) =>
      note(device.id, ({ handOver }) =>
        handOver === undefined || handOver.transferred !== undefined
          ? []
          : [{ kind: 'hand-over-transferred', body: { by, at: clock() } }],
      )
    if (device.owner === '') {
      if (facts.ownershipTransferred !== true) {
        return 'No declaration names its owner. Say that the ownership has passed, when it has.'
      }
      await transferred(by)
      return undefined
    }
    if (!isOwnedHere(device, owners)) return `Its declaration names ${device.owner}, and not ${to}.`
    if (ownership === undefined) {
      return `Its declaration names ${device.owner}, and no ownership service is wired here: transfer it to ${to} with its manufacturer, and import the new declaration.`
    }
    const answer = await ownership.transfer({ device, to, by })
    if (answer.state === 'waiting') return answer.words
    await transferred('ownership service')
    return undefined
  }

  return {
    async advance(id, request) {
      let device = await begin(id, request)
      // A wipe before it left the network says nothing of what the network has told it since.
      const { wiped: _, ...others } = request.facts ?? {}
      const timely = device.lifecycle === 'US.DEC' ? request : { ...request, facts: others }
      for (;;) {
        const waiting = await proceed(device, timely)
        if (waiting !== undefined) return statusOf(device, waiting)
        const next = await look(id)
        if (next.handOver === undefined) {
          return next.entered?.transition === 'T36' ? completed(next, device.handOver) : statusOf(next)
        }
        device = next
      }
    },
    async status(id) {
      return statusOf(await look(id))
    },
    async cancel(id, by) {
      const device = await note(id, ({ handOver }) => {
        if (handOver === undefined) return []
        if (handOver.transferred !== undefined) {
          throw new OnboardingError('lifecycle-guard-unmet', { device: id, unmet: 'ownershipTransferred' })
        }
        return [{ kind: 'hand-over-ended', body: { outcome: 'cancelled', by, at: clock() } }]
      })
      return statusOf(device)
    },
  }
}

function requireSame({ id }: Device, { to }: HandOver, asked: string | undefined): void {
  if (asked !== undefined && asked !== to) throw new OnboardingError('hand-over-under-way', { device: id, to })
}

function requireOurs(device: Device, owners: readonly string[]): void {
  const { id, owner } = device
  if (!isOwnedHere(device, owners)) throw new OnboardingError('owner-mismatch', { device: id, owner })
}

/** By the declaration where there is one, and by who vouched for it otherwise. */
function isTransferred({ owner }: Device, { transferred, to }: HandOver): boolean {
  return transferred !== undefined || owner === to
}

const names: readonly HandOverStepName[] = ['decommission', 'wipe', 'transfer', 'repurpose']

function statusOf(device: Device, waiting?: string): HandOverStatus {
  const { handOver } = device
  if (handOver === undefined) return { device, state: 'none', steps: [] }
  const done = [
    device.lifecycle === 'US.DEC' ? 'It is off the network, and its credentials are revoked.' : undefined,
    device.wiped === undefined ? undefined : `Reset, says ${device.wiped.by}.`,
    isTransferred(device, handOver) ? `It belongs to ${handOver.to}.` : undefined,
    undefined,
  ]
  const open = done.indexOf(undefined)
  const steps = names.map((step, n): HandOverStep => {
    const words = done[n]
    if (n < open && words !== undefined) return { step, state: 'done', words }
    return n === open
      ? { step, state: 'waiting', words: waiting ?? 'Go on with it to see what it waits for.' }
      : { step, state: 'later', words: '' }
  })
  const { to, by, begunAt } = handOver
  return { device, state: 'under-way', to, by, begunAt, steps }
}

function completed(device: Device, handOver: HandOver | undefined): HandOverStatus {
  const steps = names.map((step): HandOverStep => ({ step, state: 'done', words: '' }))
  if (handOver === undefined) return { device, state: 'completed', steps }
  const { to, by, begunAt } = handOver
  return { device, state: 'completed', to, by, begunAt, steps }
}
