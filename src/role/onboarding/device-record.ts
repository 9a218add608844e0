import { type Device, type DeviceEvent, evolveDevice } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Tx } from '../../domain/port.ts'

/**
 * Decides on the current record of a device and writes events and projection together. What else the decision rests on -
 * vouchers, credentials - is read in `decide`, after the device, and written when this has resolved: of two processes
 * with the same decision before them, one then waits at the append and comes again, and finds what the other wrote.
 * @param ask what can be asked of the record without knowing the device; behind it on the same way to a database
 */
export async function recordOnDevice<T = undefined>(
  tx: Tx,
  id: string,
  decide: (device: Device, asked: T) => readonly DeviceEvent[] | Promise<readonly DeviceEvent[]>,
  ask?: () => Promise<T>,
): Promise<Device> {
  const [device, asked] =
    ask === undefined ? [await tx.device.get(id), undefined as T] : await Promise.all([tx.device.get(id), ask()])
  if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
  const events = await decide(device, asked)
  if (events.length === 0) return device
  const next = events.reduce(evolveDevice, device)
  await tx.append(streamName('device', id), device.version, events)
  await tx.device.put(next)
  return next
}
