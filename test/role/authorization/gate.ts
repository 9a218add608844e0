import assert from 'node:assert/strict'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { cedarEngine } from '../../../src/adapter/policy/cedar.ts'
import type { AdmissionRequest } from '../../../src/domain/admission.ts'
import type { CredentialRecord } from '../../../src/domain/credential.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import type { Store } from '../../../src/domain/port.ts'
import { createAdmission } from '../../../src/role/authorization/admission.ts'
import { createApproval } from '../../../src/role/authorization/approval.ts'
import { createPolicyPoint } from '../../../src/role/authorization/policy-point.ts'
import { createPolicyVersions } from '../../../src/role/authorization/policy-version.ts'
import { createReconfirmations } from '../../../src/role/authorization/reconfirmation.ts'
import { setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { createRevocation, defaultCrlValidity } from '../../../src/role/onboarding/revocation.ts'
import { recordingLog } from '../../app/api/world.ts'
import { openTestStore } from '../../store.ts'

export const start = Date.parse('2026-11-20T09:30:00Z')

export const everything = 'permit(principal, action, resource);\n'

/** A site without sockets, that trusts one manufacturer. */
export async function openGate() {
  let now = start
  const clock = () => now
  const opened = await openTestStore({ clock })
  const { store } = opened
  const log = recordingLog()
  const trust = { masaAnchors: [], masaPrivateAddress: false, ignoreIdevidLifetime: false, quirks: [], addedAt: start }
  const fjord = { name: 'fjord', anchors: [], ...trust }
  await store.transaction(async tx => {
    await tx.append('manufacturer/fjord', 0, [{ kind: 'manufacturer-trusted', body: { ...fjord, by: 'test' } }])
    await tx.manufacturer.put(fjord)
  })
  const authority = await setUpAuthority({
    store,
    keys: memoryKeyStore(),
    clock,
    network: 'harbour-iot',
    hosts: ['registrar.harbour.example'],
    curve: 'P-256',
  })
  const issuers = () => [authority.issuing]
  const revocation = createRevocation({ store, clock, issuers, crlValidity: defaultCrlValidity })
  const terms = { network: 'harbour-iot', owners: ['harbour'], credentialLifetimeDays: 365, retryAfterSeconds: 10 }
  const place = { network: 'harbour-iot', owners: ['harbour'] }
  const process = () => {
    // Each with a memory of its own, as another process has it.
    const point = createPolicyPoint({ engine: cedarEngine, log })
    const reconfirmations = createReconfirmations({ store, clock, point, place, revocation, period: 3_600_000 })
    const onActivation = (tx: Parameters<typeof reconfirmations.begin>[0]) => reconfirmations.begin(tx, 'activation')
    const versions = createPolicyVersions({ store, clock, point, onActivation })
    return { point, reconfirmations, versions, admission: createAdmission(store, clock, terms, point) }
  }
  const first = process()
  let attempts = 0
  const gate = {
    ...first,
    process,
    store,
    clock,
    log,
    opened,
    place,
    authority,
    revocation,
    approval: createApproval(store),
    pass(time: number) {
      now += time
    },
    activate: async (source: string) => {
      const { id } = await first.versions.draft({ name: 'test', source, by: 'test' })
      return first.versions.activate(id, 'test')
    },
    ask(serial: string, over: Partial<AdmissionRequest['identity']> = {}, { admission } = first) {
      const id = String(++attempts)
      const certificateHash = 'c'.repeat(64)
      return admission.admit({
        identity: { manufacturer: 'fjord', serial, certificateHash, keyHash: 'a'.repeat(64), ...over },
        network: { id: 'harbour-iot', protocol: 'brski' },
        evidence: { attempt: id, transcript: id, address: '192.0.2.7:1' },
      })
    },
    device: (id: string): Promise<Device | undefined> => store.read(tables => tables.device.get(id)),
    async events(id: string, kind: string) {
      const events = await store.history(`device/${id}`)
      return events.filter(event => event.kind === kind)
    },
    async close() {
      await opened.close()
    },
  }
  return gate
}

export type Gate = Awaited<ReturnType<typeof openGate>>

export async function withGate(work: (gate: Gate) => Promise<void>): Promise<void> {
  const gate = await openGate()
  try {
    await work(gate)
    const { integrity, firstBad } = await gate.store.verify()
    assert.equal(integrity, 'pass', JSON.stringify(firstBad))
  } finally {
    await gate.close()
  }
}

/** On a manifest. @returns its id */
export async function expected(store: Store, serial: string, owner = '', model = 'Climate 2'): Promise<string> {
  const id = deviceId('fjord', serial)
  await append(store, id, [
    {
      kind: 'device-expected',
      body: { manufacturer: 'fjord', serial, model, source: 'test', owner, declarationVersion: 1 },
    },
  ])
  return id
}

/** With a network credential of which nobody has the key. */
export async function inside(store: Store, serial: string, owner = 'harbour', model = 'Climate 2'): Promise<string> {
  const id = await expected(store, serial, owner, model)
  const tbs = Buffer.from(`tbs of ${serial}`)
  const [certificate, sha] = [Buffer.from(`certificate of ${serial}`), await sha256(tbs)]
  const serialHex = sha.slice(0, 16)
  const record: CredentialRecord = {
    id: sha,
    device: id,
    kind: 'network',
    status: 'issued',
    serialHex,
    requestHash: sha,
    keyHash: sha,
    issuer: 'issuing-1',
    notBefore: start,
    notAfter: start + 86_400_000,
    tbs: tbs.toString('base64'),
    certificate: certificate.toString('base64'),
  }
  await append(
    store,
    id,
    [
      { kind: 'credential-planned', body: { credential: sha, serialHex, notAfter: record.notAfter } },
      { kind: 'credential-issued', body: { credential: sha, certificateHash: await sha256(certificate) } },
    ],
    record,
  )
  return id
}

async function append(store: Store, id: string, events: readonly DeviceEvent[], credential?: CredentialRecord) {
  await store.transaction(async tx => {
    const known = await tx.device.get(id)
    await tx.append(`device/${id}`, known?.version ?? 0, events)
    await tx.device.put(events.reduce<Device | undefined>(evolveDevice, known)!)
    if (credential !== undefined) await tx.credential.put(credential)
  })
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).toString('hex')
}
