import assert from 'node:assert/strict'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { type ErrorCode, OnboardingError } from '../../../src/domain/error.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { LifecycleState } from '../../../src/domain/lifecycle.ts'
import type { EndpointReply, Store } from '../../../src/domain/port.ts'
import { brskiPath } from '../../../src/protocol/brski/endpoint.ts'
import { createLifecycle, type Lifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { presencePath } from '../../../src/role/onboarding/presence.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from '../../../src/role/onboarding/revocation.ts'
import {
  buyer,
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../onboarding/neighbourhood.ts'

export const minute = 60_000

/** A site with real onboarding, and the lifecycle over its record. */
export interface LifeScene {
  readonly home: Neighbourhood
  readonly store: Store
  readonly revocation: Revocation
  readonly lifecycle: Lifecycle
  readonly device: (id: string) => Promise<Device>
  /** Onboards a unit to its end. @returns its id and its network certificate */
  readonly onboard: (
    serial: string,
    owner?: string,
  ) => Promise<{ readonly id: string; readonly certificate: Uint8Array }>
  /** Without showing its new credential to the network. */
  readonly enroll: (serial: string) => Promise<{ readonly id: string; readonly certificate: Uint8Array }>
  readonly show: (certificate: Uint8Array) => Promise<EndpointReply>
  /** Asks for a voucher with the birth credential. */
  readonly knock: (serial: string) => Promise<EndpointReply>
  /** A device that never onboarded, in some state. */
  readonly place: (serial: string, state: LifecycleState, owner?: string) => Promise<string>
  readonly record: (id: string, ...events: DeviceEvent[]) => Promise<Device>
  readonly close: () => Promise<void>
}

export async function openLifeScene(units = 3): Promise<LifeScene> {
  const home = await openNeighbourhood({ units })
  const { site: store, authority, now } = home
  const clock = () => now.value
  const revocation = createRevocation({
    store,
    clock,
    issuers: () => [authority.issuing],
    crlValidity: defaultCrlValidity,
  })
  const lifecycle = createLifecycle({ store, clock, revocation, owners: [buyer], onboardingWindow: 60 * minute })
  const device = async (id: string) => (await store.read(tables => tables.device.get(id)))!
  const show = (certificate: Uint8Array) => {
    const peer = testPeer([certificate], authority.registrar.certificate.der)
    return pledgeOf(home, home.unit('B1-000001'), { peer }).request('GET', presencePath, '', '')
  }
  const record = (id: string, ...events: DeviceEvent[]) =>
    store.transaction(async tx => {
      const known = await tx.device.get(id)
      const next = events.reduce<Device | undefined>(evolveDevice, known)!
      await tx.append(streamName('device', id), known?.version ?? 0, events)
      await tx.device.put(next)
      return next
    })
  async function enroll(serial: string) {
    const pledge = pledgeOf(home, home.unit(serial))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    await pledge.status(brskiPath.voucherStatus, true)
    const reply = await pledge.enroll(keySigner(generateKey('P-256')))
    const [der] = decodeCertsOnly(Buffer.from(String(reply.body), 'base64')).certificates
    return { id: deviceId('acme', serial), certificate: decodeCertificate(der ?? new Uint8Array()).der }
  }
  return {
    home,
    store,
    revocation,
    lifecycle,
    device,
    show,
    record,
    enroll,
    async onboard(serial, owner = buyer) {
      await expectUnit(home, serial, owner)
      const enrolled = await enroll(serial)
      assert.equal((await show(enrolled.certificate)).status, 200)
      return enrolled
    },
    async knock(serial) {
      const pledge = pledgeOf(home, home.unit(serial))
      return pledge.post(await pledge.voucherRequest())
    },
    async place(serial, lifecycle, owner = buyer) {
      const id = deviceId('acme', serial)
      const body = { manufacturer: 'acme', serial, model: '', source: 'test', owner, declarationVersion: 2, lifecycle }
      await record(id, { kind: 'device-expected', body })
      return id
    },
    close: () => home.close(),
  }
}

export function refusedWith(code: ErrorCode, detail: Readonly<Record<string, unknown>> = {}) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code)
    for (const [name, value] of Object.entries(detail)) assert.equal(error.detail[name], value, name)
    return true
  }
}
