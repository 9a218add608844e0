import { type Device, type DeviceEvent, evolveDevice } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Store } from '../../domain/port.ts'

/** What people decide about a device. Each answer is the device after it; repeating a decision changes nothing. */
export interface Approval {
  /** Lets a device in that nobody expected, or that was denied. */
  grant(device: string, by: string): Promise<Device>
  /** Turns a device away for good, until granted. */
  deny(device: string, by: string): Promise<Device>
  /** No onboarding from now on. Revoking its credential is the caller's next step. `reason`: in words, for the record. */
  withdraw(device: string, by: string, reason?: string): Promise<Device>
}

export function createApproval(store: Store): Approval {
  const decide = (id: string, decision: (device: Device) => DeviceEvent | undefined) =>
    store.transaction(async tx => {
      const device = await tx.device.get(id)
      if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
      const event = decision(device)
      if (event === undefined) return device
      const next = evolveDevice(device, event)
      await tx.append(streamName('device', id), device.version, [event])
      await tx.device.put(next)
      return next
    })
  return {
    grant: (id, by) =>
      decide(id, device => {
        // Only whoever withdrew a device may bring it back, and that is no approval.
        if (device.standing === 'withdrawn') throw new OnboardingError('device-withdrawn', { device: id })
        const already =
          device.standing === 'approved' || (device.standing === 'expected' && device.awaits === undefined)
        return already ? undefined : { kind: 'admission-granted', body: { by } }
      }),
    deny: (id, by) =>
      decide(id, device => {
        if (device.standing === 'withdrawn') throw new OnboardingError('device-withdrawn', { device: id })
        return device.standing === 'denied' ? undefined : { kind: 'admission-denied', body: { by } }
      }),
    withdraw: (id, by, reason = '') =>
      decide(id, device =>
        device.standing === 'withdrawn'
          ? undefined
          : { kind: 'device-withdrawn', body: reason === '' ? { by } : { by, reason } },
      ),
  }
}
