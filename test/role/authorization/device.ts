import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import type { Store } from '../../../src/domain/port.ts'

/** Puts a device on record that was heard once. @returns its id */
export async function recordStranger(store: Store, serial: string, at: number): Promise<string> {
  const id = deviceId('acme', serial)
  const heard: DeviceEvent = {
    kind: 'device-heard',
    body: { manufacturer: 'acme', serial, attempt: 'a', protocol: 'test', address: 'test', at },
  }
  const device = [heard].reduce<Device | undefined>(evolveDevice, undefined)!
  await store.transaction(async tx => {
    await tx.append(`device/${id}`, 0, [heard])
    await tx.device.put(device)
  })
  return id
}
