import type { Device, DeviceEvent } from '../../domain/device.ts'
import type { Store } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'

type Provisioning = NonNullable<Device['provisioning']>

/** What an asset system calls a device, and whether it still lists it. The same again changes nothing. */
export function provision(store: Store, device: string, provisioning: Provisioning, by: string): Promise<Device> {
  return store.transaction(tx =>
    recordOnDevice(tx, device, (known): DeviceEvent[] => {
      const { displayName, externalId, removed } = known.provisioning ?? {}
      const same =
        displayName === provisioning.displayName &&
        externalId === provisioning.externalId &&
        removed === provisioning.removed
      return same ? [] : [{ kind: 'device-provisioned', body: { ...provisioning, by } }]
    }),
  )
}
