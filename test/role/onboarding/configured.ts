import { hash, randomBytes } from 'node:crypto'
import type { CredentialRecord } from '../../../src/domain/credential.ts'
import { type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { Store } from '../../../src/domain/port.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import {
  activeNetworks,
  type ConfigurationNeed,
  configurationFor,
} from '../../../src/role/onboarding/network-definition.ts'
import { accessGranted, grantAccess, type SecretBox } from '../../../src/role/onboarding/network-secret.ts'

/** A device that was let in and configured, as far as the record goes. @returns what only it knows */
export async function configured(
  { store, box, now }: { readonly store: Store; readonly box: SecretBox; readonly now: number },
  serial: string,
  need: Partial<ConfigurationNeed> = {},
): Promise<{ readonly device: string; readonly credential: string; readonly secret: string | undefined }> {
  const device = deviceId('fjord', serial)
  const networks = await store.read(activeNetworks)
  const plan = { segment: 'devices', lifetimeDays: 30 }
  const configuration = configurationFor(networks, { netRole: 'sta', plan, version: 2, curve: 'P-256', ...need }, now)
  const { access, secret } = grantAccess({ box, random: randomBytes }, device, configuration)
  const { network, expiry: notAfter } = configuration
  const tbs = Buffer.concat([Buffer.from(`Connector of ${serial}`), randomBytes(8)])
  const id = hash('sha256', tbs)
  const serialHex = id.slice(0, 16)
  const record: CredentialRecord = {
    ...{ id, device, kind: 'network', status: 'issued', serialHex, requestHash: id, keyHash: id, issuer: 'dpp' },
    ...{ notBefore: now, notAfter, tbs: tbs.toString('base64'), certificate: tbs.toString('base64'), network, access },
  }
  const expected: DeviceEvent = {
    kind: 'device-expected',
    body: { manufacturer: 'fjord', serial, model: 'Lamp', source: 'test', owner: '', declarationVersion: 0 },
  }
  await store.transaction(async tx => {
    if ((await tx.device.get(device)) === undefined) {
      await tx.append(streamName('device', device), 0, [expected])
      await tx.device.put(evolveDevice(undefined, expected))
    }
    await recordOnDevice(tx, device, () => [
      { kind: 'credential-planned', body: { credential: id, serialHex, notAfter } },
      accessGranted(id, network, access),
      { kind: 'credential-issued', body: { credential: id, certificateHash: id, notAfter } },
    ])
    await tx.credential.insert(record)
  })
  return { device, credential: id, secret: secret?.revealText() }
}
