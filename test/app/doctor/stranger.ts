import { type Device, type DeviceEvent, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { Store } from '../../../src/domain/port.ts'

/** A device that nobody expected, under whatever name it gives itself. */
export async function recordStranger(store: Store, serial: string, manufacturer = 'fjord', at = 0): Promise<string> {
  const body = { manufacturer, serial, attempt: 'a1', protocol: 'brski', address: '192.0.2.9', at }
  const events: DeviceEvent[] = [
    { kind: 'device-heard', body },
    { kind: 'admission-decided', body: { verdict: 'wait', code: 'device-unexpected', reasons: [], at } },
  ]
  const device = events.reduce<Device | undefined>(evolveDevice, undefined)!
  await store.transaction(async tx => {
    await tx.append(streamName('device', device.id), 0, events)
    await tx.device.put(device)
  })
  return device.id
}
