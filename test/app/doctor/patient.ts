import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { type Examination, examine, type Result } from '../../../src/app/doctor/examine.ts'
import type { FileFacts, Host } from '../../../src/app/doctor/host.ts'
import type { ExaminationTerms, Patient, RecordView, Running } from '../../../src/app/doctor/patient.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr, verifyCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { StoreCondition } from '../../../src/domain/condition.ts'
import { type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { Endpoint, Store } from '../../../src/domain/port.ts'
import { type Access, createAccess } from '../../../src/role/authorization/access.ts'
import { type SiteAuthority, setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { createCredentialIssuer } from '../../../src/role/onboarding/network-credential.ts'
import { createOcsp, ocspPath } from '../../../src/role/onboarding/ocsp.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from '../../../src/role/onboarding/revocation.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { openMaker } from '../../attack/maker.ts'
import { openTestStore, type TestStore } from '../../store.ts'

export const start = Date.parse('2026-11-20T08:00:00Z')
export const data = '/var/lib/mooring'
const user = 1000

/** A machine on which nothing is wrong; tests change what they are about. */
export interface Machine {
  nodeVersion: string
  readonly files: Map<string, FileFacts & { readonly text?: string }>
  disk: { free: number; total: number }
  lockHolder: number | undefined
  masa: Host['masa']
  get: Host['get']
  reach: Host['reach']
  post: Host['post']
}

/** A sound site with everything that a test may break. */
export interface Ward {
  readonly opened: TestStore
  readonly store: Store
  readonly authority: SiteAuthority
  readonly access: Access
  readonly revocation: Revocation
  readonly machine: Machine
  /** Members that stand in place of the sound ones. */
  readonly changes: { record?: Patient['record']; running?: Running | undefined; terms?: Partial<ExaminationTerms> }
  pass(milliseconds: number): void
  /** A device whose life so far are these events, after it was expected. */
  device(serial: string, events?: readonly DeviceEvent[]): Promise<string>
  /** A network credential, as enrolment makes it. */
  credential(device: string, days?: number): Promise<string>
  /** A record that says something else of itself. */
  saying(changes: Partial<StoreCondition>): RecordView
  examine(): Promise<Examination>
  close(): Promise<void>
}

export function file(path: string, changes: Partial<FileFacts & { text: string }> = {}): FileFacts & { text?: string } {
  return { path, kind: 'file', mode: 0o600, owner: user, bytes: 100, modifiedAt: start, ...changes }
}

export function put(machine: Machine, changed: ReturnType<typeof file>): void {
  machine.files.set(changed.path, changed)
}

export async function openWard(): Promise<Ward> {
  let now = start
  const clock = () => now
  const opened = await openTestStore({ clock })
  const { store } = opened
  const setup = { store, keys: memoryKeyStore(), clock, network: 'harbour-iot', hosts: ['127.0.0.1'] }
  const authority = await setUpAuthority({ ...setup, curve: 'P-256' })
  const access = createAccess({ store, clock, random: randomBytes })
  await access.create({ name: 'chief', roles: ['administrator'], by: 'test' })
  const revocation = createRevocation({
    store,
    clock,
    issuers: () => [authority.issuing],
    crlValidity: defaultCrlValidity,
  })
  const maker = await openMaker('fjord')
  const masaUrl = 'https://masa.fjord.example'
  await trustManufacturer({ store, clock }, { name: 'fjord', anchors: [maker.root.certificate.der], masaUrl }, 'test')
  const ocsp = createOcsp({ ...setup, authority: () => authority })
  const machine = soundMachine({ authority, revocation, ocsp })
  const changes: Ward['changes'] = {}
  const saying: Ward['saying'] = said => ({
    read: work => store.read(work),
    history: (...place) => store.history(...place),
    verify: kept => store.verify(kept),
    // Test databases keep nothing for good, and would say so.
    condition: async () => ({
      ...(await store.condition()),
      kind: 'sqlite',
      settings: { journal_mode: 'wal' },
      ...said,
    }),
  })
  const anchor = await store.checkpoint()
  const issuer = createCredentialIssuer({ store, clock, issuing: authority.issuing })
  const { root, registrar, issuing } = authority
  const running: Running = {
    host: '127.0.0.1',
    port: 8443,
    dppPort: 8908,
    root,
    registrar: registrar.certificate,
    issuers: [issuing.name],
    issuing: issuing.certificate,
    statusUrl: 'http://gateway:8480',
  }
  return {
    opened,
    store,
    authority,
    access,
    revocation,
    machine,
    changes,
    pass(milliseconds) {
      now += milliseconds
    },
    device: (serial, events = []) => makeDevice(store, serial, events),
    async credential(device, days = 365) {
      const csr = verifyCsr(await createCsr({ subject: encodeName({}) }, keySigner(generateKey('P-256'))))
      const plan = { kind: 'network', lifetimeDays: days, network: 'harbour-iot' } as const
      await issuer.issue({ device, csr, plan, authorize: () => {} })
      const found = await store.read(tables => tables.device.get(device))
      return found?.credential ?? ''
    },
    saying,
    examine: () =>
      examine({
        party: 'site',
        clock,
        host: hostOf(machine),
        data,
        record: changes.record ?? saying({}),
        running: 'running' in changes ? changes.running : running,
        terms: { full: false, network: false, days: 30, anchor, ...changes.terms },
      }),
    close: () => opened.close(),
  }
}

function soundMachine({
  authority,
  revocation,
  ocsp,
}: Pick<Ward, 'authority' | 'revocation'> & { readonly ocsp: Endpoint }): Machine {
  const backup = { format: 'mooring-last-backup 1', at: start - 3_600_000, directory: '/mnt/safe/1' }
  const labels = ['root', 'issuing-1', 'registrar-1', 'ledger', 'ocsp-issuing-1-1']
  const all = [
    file(data, { kind: 'directory', mode: 0o700 }),
    file(`${data}/site.json`, { text: '{}' }),
    file(`${data}/access.json`, { text: '{}' }),
    file(`${data}/site.db`),
    file(`${data}/last-backup.json`, { text: JSON.stringify(backup) }),
    file(`${data}/keys`, { kind: 'directory', mode: 0o700 }),
    file(`${data}/keys/store.key`, { text: '{"protection": "passphrase"}' }),
    ...labels.map(label => file(`${data}/keys/${label}.sealed`)),
  ]
  return {
    nodeVersion: '24.21.0',
    files: new Map(all.map(each => [each.path, each])),
    disk: { free: 50e9, total: 100e9 },
    lockHolder: undefined,
    masa: async () => ({ status: 404, date: start }),
    reach: async () => undefined,
    async post(_, body) {
      const peer = { address: '127.0.0.1', certificates: [], localCertificate: body, connection: '' }
      const asked = {
        method: 'POST',
        path: ocspPath,
        headers: {},
        body,
        peer: { ...peer, channelBinding: () => undefined },
      }
      const reply = await ocsp.handle(asked)
      return { status: reply?.status ?? 404, body: Buffer.from(reply?.body ?? '') }
    },
    async get({ path }) {
      const { certificate } = authority.registrar
      const body = path.startsWith('/crl/') ? await revocation.crl() : Buffer.from('')
      return { status: 200, body, certificate: Buffer.from(certificate.der) }
    },
  }
}

function hostOf(machine: Machine): Host {
  const { files } = machine
  return {
    nodeVersion: machine.nodeVersion,
    user,
    file: async path => files.get(path),
    directory: async path => [...files.values()].filter(each => new RegExp(`^${path}/[^/]+$`).test(each.path)),
    text: async path => files.get(path)?.text,
    disk: async () => machine.disk,
    lockHolder: async () => machine.lockHolder,
    masa: (...asked) => machine.masa(...asked),
    get: place => machine.get(place),
    reach: (...place) => machine.reach(...place),
    post: (...asked) => machine.post(...asked),
  }
}

async function makeDevice(store: Store, serial: string, events: readonly DeviceEvent[]): Promise<string> {
  const id = deviceId('fjord', serial)
  const terms = { manufacturer: 'fjord', serial, model: '', source: 'test', owner: '', declarationVersion: 0 }
  const first: DeviceEvent = { kind: 'device-expected', body: terms }
  await store.transaction(async tx => {
    const device = evolveDevice(undefined, first)
    await tx.append(streamName('device', id), 0, [first])
    await tx.device.put(device)
  })
  if (events.length > 0) await store.transaction(tx => recordOnDevice(tx, id, () => events))
  return id
}

/** Breaks one thing of a sound site, and sees that one check, and no other, says so. */
export async function breaks(...given: Parameters<typeof breaking>): Promise<void> {
  await breaking(...given)
}

/** As `breaks`, for more to be seen. */
export async function breaking(
  id: string,
  work: (ward: Ward) => Promise<void> | void,
  expected: { readonly status: 'warn' | 'fail'; readonly finding: RegExp; readonly action: RegExp },
): Promise<Result> {
  const ward = await openWard()
  try {
    const before = statuses(await ward.examine())
    await work(ward)
    const examination = await ward.examine()
    const result = examination.checks.find(each => each.id === id)
    assert.ok(result !== undefined, id)
    assert.deepEqual([result.status, examination.status], [expected.status, expected.status], result.finding)
    assert.match(result.finding, expected.finding)
    assert.match(result.action ?? '', expected.action)
    assert.deepEqual(statuses(examination), { ...before, [id]: expected.status })
    return result
  } finally {
    await ward.close()
  }
}

export function statuses({ checks }: Examination): Record<string, string> {
  return Object.fromEntries(checks.map(({ id, status }) => [id, status]))
}
