import { deviceId } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { ApiClient } from '../api/client.ts'
import type { DeviceView } from '../api/contract/device.ts'

/** By id, or by serial number where only one manufacturer has it. Throws OnboardingError `device-not-found`, `input-invalid`. */
export async function deviceNamed(client: ApiClient, name: string): Promise<DeviceView> {
  const byId = /^[0-9a-f]{24}$/.test(name) ? await deviceWithId(client, name) : undefined
  if (byId !== undefined) return byId
  if (name === '' || name.length > 64) throw new OnboardingError('device-not-found', { device: name.slice(0, 100) })
  const { items } = await client.deviceList({ query: { serial: name, limit: 10 } })
  const [only, other] = items
  if (only === undefined) throw new OnboardingError('device-not-found', { device: name })
  if (other === undefined) return only
  const ids = items.map(({ manufacturer, serial }) => `${deviceId(manufacturer, serial)} (${manufacturer})`)
  throw new OnboardingError('input-invalid', { field: 'device', rule: `one of the ids ${ids.join(', ')}` })
}

/** Undefined when there is none: what looks like an id may be a serial number. */
async function deviceWithId(client: ApiClient, id: string): Promise<DeviceView | undefined> {
  try {
    return await client.deviceShow({ params: { id } })
  } catch (error) {
    if (error instanceof OnboardingError && error.code === 'device-not-found') return undefined
    throw error
  }
}
