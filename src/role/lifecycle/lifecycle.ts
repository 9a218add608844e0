import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { LifecycleState } from '../../domain/lifecycle.ts'
import type { StepRequest } from '../../domain/lifecycle-step.ts'
import { changedTopic } from '../../domain/policy.ts'
import type { Clock, Store, Tables } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import type { Revocation } from '../onboarding/revocation.ts'
import { type AllowedStep, allowedSteps } from './allowed.ts'
import { decideStep, isolating } from './decision.ts'
import type { Ground } from './fact.ts'
import { createSweep, hasCredential, type SweepReport } from './time-out.ts'
import { deviceLife, readTimeline, type TimelinePage } from './timeline.ts'

export interface LifecycleOptions {
  readonly store: Store
  readonly clock: Clock
  readonly revocation: Pick<Revocation, 'revoke'>
  /** Ids of the owners on whose behalf this site keeps devices. */
  readonly owners: readonly string[]
  /** How long a device may be in onboarding without a credential, milliseconds. */
  readonly onboardingWindow: number
  /** Milliseconds between two looks at birth credentials; an hour when absent. */
  readonly shelfInterval?: number
}

/** A step for the record, with the version of the device that the one who asks has seen. */
export interface Step extends StepRequest {
  /** Refused with `device-changed` when the device has moved on since; whatever version when absent. */
  readonly version?: number
}

/** The life of the devices of a site, beyond what onboarding does by itself. */
export interface Lifecycle {
  /**
   * Takes one step. A device that leaves the network has its credentials revoked first: after a crash in between they are,
   * and the step is taken again. Throws OnboardingError `device-not-found`, `device-changed`, `lifecycle-…`,
   * `owner-mismatch`, `hand-over-under-way`.
   */
  step(device: string, step: Step): Promise<Device>
  /** Every step that the table knows from where the device is, and what stands between. */
  allowed(device: string): Promise<{ readonly device: Device; readonly steps: readonly AllowedStep[] }>
  timeline(device: string, page: { readonly after: number; readonly limit: number }): Promise<TimelinePage>
  /** Somebody saw the device reset to what its factory gave it. Only of a decommissioned device, once is enough. */
  wiped(device: string, said: { readonly by: string; readonly reason?: string }): Promise<Device>
  /** Records what time alone decides; may run at any moment, and again. */
  sweep(): Promise<SweepReport>
}

/** Times that a credential may come up while a device is being isolated, before it is left to the caller to try again. */
const attempts = 5

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const { store, clock, revocation, owners } = options

  async function ground(tables: Pick<Tables, 'credential'>, device: string): Promise<Ground> {
    const at = clock()
    return { owners, at, credentialInForce: await hasCredential(tables, device, at) }
  }

  async function step(id: string, { version, ...request }: Step): Promise<Device> {
    const seen = await store.read(async tables => {
      const device = await knownDevice(tables, id)
      if (version !== undefined) requireVersion(device, version)
      return { device, decision: decideStep(device, request, await ground(tables, id)) }
    })
    const isolates = isolating.includes(seen.decision.move.transition)
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (isolates) await revokeAll(id, request.by)
      const taken = await record(id, request, isolates ? seen.device : version)
      if (taken !== undefined) return taken
    }
    throw new OnboardingError('device-changed', { device: id })
  }

  /** Undefined when a credential was issued since they were revoked. */
  function record(id: string, request: StepRequest, seen: Device | number | undefined): Promise<Device | undefined> {
    const isolates = typeof seen === 'object'
    return store.transaction(async tx => {
      let left = 0
      const device = await recordOnDevice(tx, id, async current => {
        // Its credentials end on the way, and that is no change that anybody has to look at first.
        if (isolates) requireState(current, seen)
        else if (seen !== undefined) requireVersion(current, seen)
        left = isolates ? (await revocable(tx, id)).length : 0
        return left > 0 ? [] : decideStep(current, request, await ground(tx, id)).events
      })
      // What it may use depends on where it is in its life: the policies are asked again.
      if (left === 0 && device.credential !== undefined) await tx.enqueue(changedTopic, { device: id })
      return left > 0 ? undefined : device
    })
  }

  async function revokeAll(device: string, by: string): Promise<void> {
    for (const credential of await store.read(tables => revocable(tables, device))) {
      await revocation.revoke(credential, 'cessationOfOperation', by)
    }
  }

  return {
    step,
    allowed: id =>
      store.read(async tables => {
        const device = await knownDevice(tables, id)
        return { device, steps: allowedSteps(device, await ground(tables, id)) }
      }),
    async timeline(id, page) {
      await store.read(tables => knownDevice(tables, id))
      return readTimeline(store, deviceLife(id), page)
    },
    wiped: (id, { by, reason = '' }) =>
      store.transaction(tx =>
        recordOnDevice(tx, id, async device => {
          requireDecommissioned(device)
          if (device.wiped !== undefined) return []
          if (await hasCredential(tx, id, clock())) {
            throw new OnboardingError('lifecycle-fact-contradicted', { device: id, fact: 'wiped' })
          }
          return [{ kind: 'device-wiped', body: { by, at: clock(), ...(reason === '' ? {} : { reason }) } }]
        }),
      ),
    sweep: createSweep(options),
  }
}

/** Held ones, too: nobody releases a credential of a device that has left. */
async function revocable(tables: Pick<Tables, 'credential'>, device: string): Promise<string[]> {
  const found: string[] = []
  for (const status of ['issued', 'held'] as const) {
    const records = await tables.credential.find({ device, status }, { limit: 1000 })
    found.push(...records.filter(({ kind }) => kind !== 'birth').map(({ id }) => id))
  }
  return found
}

async function knownDevice(tables: Pick<Tables, 'device'>, id: string): Promise<Device> {
  const device = await tables.device.get(id)
  if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
  return device
}

function requireVersion({ id, version }: Device, asked: number): void {
  if (version !== asked) throw new OnboardingError('device-changed', { device: id, version, asked })
}

function requireState(device: Device, seen: Device): void {
  const mark = ({ lifecycle, entered }: Device) => `${lifecycle} ${entered?.transition} ${entered?.at}`
  if (mark(device) !== mark(seen)) throw new OnboardingError('device-changed', { device: device.id })
}

const decommissioned: LifecycleState = 'US.DEC'

/** Before that, something on it may be in use; the wipe that counts is the one that follows. */
function requireDecommissioned({ lifecycle }: Device): void {
  if (lifecycle === decommissioned) return
  throw new OnboardingError('lifecycle-transition-refused', { state: lifecycle, event: 'wipe' })
}
