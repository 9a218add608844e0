import { hash } from 'node:crypto'
import type { CredentialRecord } from '../../../src/domain/credential.ts'
import { type Device, type DeviceEvent, foldDevice } from '../../../src/domain/device.ts'
import type { NewEvent } from '../../../src/domain/event.ts'
import type { UnitRecord } from '../../../src/domain/manufacture.ts'

/** Records for tests of the store, as small as their types allow. */

export function happened(n: number): NewEvent {
  return { kind: 'happened', body: { n } }
}

export function expected(serial: string): DeviceEvent {
  const body = { manufacturer: 'acme', serial, model: 'M', source: 'manifest', owner: 'us', declarationVersion: 1 }
  return { kind: 'device-expected', body }
}

export function heard(serial: string, attempt: string): DeviceEvent {
  const body = { manufacturer: 'acme', serial, attempt, protocol: 'brski', address: '192.0.2.1', at: 1 }
  return { kind: 'device-heard', body }
}

export function aDevice(serial: string): { device: Device; events: DeviceEvent[] } {
  const events = [expected(serial), heard(serial, 'first')]
  return { device: foldDevice(events)!, events }
}

export function aCredential(id: string, device: string): CredentialRecord {
  return {
    id,
    device,
    kind: 'network',
    status: 'planned',
    serialHex: `serial ${id}`,
    requestHash: `request ${id}`,
    keyHash: `key ${id}`,
    issuer: 'issuing-1',
    notBefore: 0,
    notAfter: 1,
    tbs: '',
  }
}

/** A device with a plan for a credential, each record as the events say. */
export function aPlan(serial: string) {
  const tbs = Buffer.from(`tbs of ${serial}`)
  const id = hash('sha256', tbs)
  const { device: before, events } = aDevice(serial)
  const credential = { ...aCredential(id, before.id), tbs: tbs.toString('base64') }
  const { serialHex, notAfter } = credential
  const planned: DeviceEvent = { kind: 'credential-planned', body: { credential: id, serialHex, notAfter } }
  const all = [...events, planned]
  return { device: foldDevice(all)!, events: all, credential }
}

/** The event that a unit's record follows from. */
export function unitMade({ batch, owner, declaration, declarationVersion, domains, keyHash, keyOrigin }: UnitRecord) {
  const declarationHash = hash('sha256', declaration)
  const body = { batch, owner, declarationVersion, declarationHash, domains, keyHash, keyOrigin }
  return { kind: 'unit-made', body } satisfies NewEvent
}

export function aUnit(serial: string): UnitRecord {
  return {
    serial,
    model: 'M',
    batch: 'b1',
    idevid: '',
    chain: [],
    domains: [],
    keyHash: `key ${serial}`,
    keyOrigin: 'simulated',
    owner: 'us',
    declaration: '',
    declarationVersion: 1,
    madeAt: 0,
    version: 1,
  }
}
