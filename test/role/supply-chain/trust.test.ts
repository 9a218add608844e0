import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decodePemBlock } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { caExtensions, issueCertificate } from '../../../src/crypto/issue.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import {
  distrustManufacturer,
  listManufacturers,
  previewTrust,
  statementAnchors,
  type TrustDecision,
  trustManufacturer,
} from '../../../src/role/supply-chain/trust.ts'
import { openTestStore, type TestStore } from '../../store.ts'

const now = Date.parse('2026-11-20T08:00:00Z')
const clock = () => now

async function root(commonName: string, notAfter = '2046-01-01'): Promise<Buffer> {
  const signer = keySigner(generateKey('P-256'))
  return issueCertificate({
    subject: encodeName({ commonName }),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore: new Date('2020-01-01'),
    notAfter: new Date(notAfter),
    extensions: caExtensions(),
  })
}

function vector(path: string): Buffer {
  const file = new URL(`../../vector/brski/${path}.cert.pem`, import.meta.url)
  return decodePemBlock('CERTIFICATE', readFileSync(file, 'utf8'))
}

async function withStore(work: (opened: TestStore) => Promise<void>): Promise<void> {
  const opened = await openTestStore({ clock })
  try {
    await work(opened)
  } finally {
    await opened.close()
  }
}

async function refuses(store: TestStore['store'], decision: TrustDecision, code: string, rule?: string | RegExp) {
  await assert.rejects(trustManufacturer({ store, clock }, decision, 'root'), (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code)
    if (typeof rule === 'string') assert.equal(error.detail['rule'] ?? error.detail['field'], rule)
    return true
  })
  assert.equal(
    (await listManufacturers(store)).some(({ name }) => name === decision.name),
    false,
  )
}

const above = keySigner(generateKey('P-256'))

/** A CA below a root, with any key. */
async function intermediate(commonName: string, spkiDer: Uint8Array): Promise<Buffer> {
  const terms = { notBefore: new Date('2020-01-01'), notAfter: new Date('2046-01-01') }
  const issuer = await issueCertificate({
    ...terms,
    subject: encodeName({ commonName: 'Root' }),
    spkiDer: above.spkiDer,
    issuer: { certificate: 'self', signer: above },
    extensions: caExtensions(),
  })
  return issueCertificate({
    ...terms,
    subject: encodeName({ commonName }),
    spkiDer,
    issuer: { certificate: decodeCertificate(issuer), signer: above },
    extensions: caExtensions(0),
  })
}

describe('trust in a manufacturer', () => {
  test('is on record, with who decided', () =>
    withStore(async ({ store }) => {
      const [device, masa] = [await root('Device root'), await root('MASA root')]
      const decision = {
        name: 'acme',
        anchors: [device],
        masaAnchors: [masa],
        masaUrl: 'masa.acme.example:9443',
        quirks: ['serial-pid-sn', 'nonce-over-32', 'serial-pid-sn'],
      }
      const { manufacturer, warnings } = await trustManufacturer({ store, clock }, decision, 'root')
      assert.deepEqual(warnings, [])
      assert.deepEqual(manufacturer, {
        name: 'acme',
        anchors: [device.toString('base64')],
        masaUrl: 'masa.acme.example:9443',
        masaAnchors: [masa.toString('base64')],
        masaPrivateAddress: false,
        ignoreIdevidLifetime: false,
        quirks: ['nonce-over-32', 'serial-pid-sn'],
        addedAt: now,
      })
      assert.deepEqual(await listManufacturers(store), [manufacturer])
      const [event] = await store.history('manufacturer/acme')
      assert.deepEqual([event?.kind, event?.body['by'], event?.body['name']], ['manufacturer-trusted', 'root', 'acme'])
      const [anchor] = statementAnchors([manufacturer])
      assert.deepEqual(Buffer.from(anchor!.certificate.der), masa)
    }))

  test('said twice is written once; changed, it keeps its date', () =>
    withStore(async ({ store }) => {
      const decision = { name: 'acme', anchors: [await root('R')] }
      await trustManufacturer({ store, clock }, decision, 'root')
      await trustManufacturer({ store, clock: () => now + 1 }, decision, 'root')
      assert.equal((await store.history('manufacturer/acme')).length, 1)
      const changed = { ...decision, masaPrivateAddress: true }
      const { manufacturer } = await trustManufacturer({ store, clock: () => now + 2 }, changed, 'root')
      assert.deepEqual([manufacturer.masaPrivateAddress, manufacturer.addedAt], [true, now])
      assert.equal((await store.history('manufacturer/acme')).length, 2)
    }))

  test('ends, and may begin again', () =>
    withStore(async ({ store }) => {
      const decision = { name: 'acme', anchors: [await root('R')] }
      await trustManufacturer({ store, clock }, decision, 'root')
      await distrustManufacturer(store, 'acme', 'root')
      assert.deepEqual(await listManufacturers(store), [])
      await assert.rejects(distrustManufacturer(store, 'acme', 'root'), { code: 'not-found' })
      await trustManufacturer({ store, clock }, decision, 'root')
      const kinds = (await store.history('manufacturer/acme')).map(({ kind }) => kind)
      assert.deepEqual(kinds, ['manufacturer-trusted', 'manufacturer-distrusted', 'manufacturer-trusted'])
    }))

  test('of two decisions at once none is lost', () =>
    withStore(async ({ store }) => {
      const anchors = [await root('R')]
      const decide = (masaUrl: string) =>
        trustManufacturer({ store, clock }, { name: 'acme', anchors, masaUrl }, 'root')
      await Promise.all(['a.example', 'b.example', 'c.example'].map(decide))
      assert.equal((await store.history('manufacturer/acme')).length, 3)
      assert.equal((await store.verify()).integrity, 'pass')
    }))

  test('more than a page of manufacturers', () =>
    withStore(async ({ store }) => {
      const anchor = (await root('R')).toString('base64')
      const row = {
        anchors: [anchor],
        masaAnchors: [],
        masaPrivateAddress: false,
        ignoreIdevidLifetime: false,
        quirks: [],
      }
      await store.transaction(async tx => {
        for (let i = 0; i < 1003; i++) await tx.manufacturer.insert({ ...row, name: `m${1000 + i}`, addedAt: now })
      })
      assert.equal((await listManufacturers(store)).length, 1003)
    }))
})

describe('anchors', () => {
  test('that are no CA are refused for devices, and pinned for a MASA', () =>
    withStore(async ({ store }) => {
      const signer = vector('rfc8995-appendix-c/certs/masa-voucher-signer')
      await refuses(store, { name: 'acme', anchors: [signer] }, 'anchor-invalid', 'not-a-ca')
      const decision = { name: 'acme', anchors: [await root('R')], masaAnchors: [signer] }
      const { warnings } = await trustManufacturer({ store, clock }, decision, 'root')
      assert.deepEqual(
        warnings.map(({ rule }) => rule),
        ['pinned-end-entity', 'expired'],
      )
    }))

  test('that have ended, or are no root, are trusted with a warning', () =>
    withStore(async ({ store }) => {
      const old = vector('rfc8995-appendix-c/certs/manufacturer-idevid-ca')
      const ended = await trustManufacturer({ store, clock }, { name: 'old', anchors: [old] }, 'root')
      assert.deepEqual(
        ended.warnings.map(({ rule }) => rule),
        ['expired', 'devices-can-vouch'],
      )
      assert.match(ended.warnings[0]!.message, /2023-04-13/)
      const middle = await intermediate('Intermediate', keySigner(generateKey('P-256')).spkiDer)
      const result = await trustManufacturer({ store, clock }, { name: 'acme', anchors: [middle] }, 'root')
      assert.deepEqual(
        result.warnings.map(({ rule, subject }) => [rule, subject]),
        [
          ['not-a-root', 'CN=Intermediate'],
          ['devices-can-vouch', 'CN=Intermediate'],
        ],
      )
    }))

  test('with a weak key, or that cannot be read, are refused', () =>
    withStore(async ({ store }) => {
      const device = vector('rfc8366bis/certs/idevid-with-authority-key-identifier')
      await refuses(store, { name: 'acme', anchors: [device] }, 'anchor-invalid', 'not-a-ca')
      await refuses(store, { name: 'acme', anchors: [Buffer.from('3000', 'hex')] }, 'anchor-invalid')
      await refuses(store, { name: 'acme', anchors: [Buffer.alloc(0)] }, 'anchor-invalid')
      const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey
      const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
      for (const [key, rule] of [
        [odd, 'unsupported-key'],
        [short, 'weak-key'],
      ] as const) {
        const anchor = await intermediate('CA', key.export({ type: 'spki', format: 'der' }))
        await refuses(store, { name: 'acme', anchors: [anchor] }, 'anchor-invalid', rule)
      }
    }))

  test('that are trusted under another name are refused, by key and not by name', () =>
    withStore(async ({ store }) => {
      const [one, sameName] = [await root('Same name'), await root('Same name')]
      await trustManufacturer({ store, clock }, { name: 'one', anchors: [one] }, 'root')
      await refuses(store, { name: 'two', anchors: [one] }, 'anchor-invalid', 'trusted-under-another-name')
      await trustManufacturer({ store, clock }, { name: 'two', anchors: [sameName] }, 'root')
    }))
})

describe('what a decision must say', () => {
  for (const [field, change] of [
    ['name', { name: '' }],
    ['name', { name: 'a/b' }],
    ['name', { name: 'x'.repeat(65) }],
    ['anchors', { anchors: [] }],
    ['anchors', { anchors: new Array<Uint8Array>(17).fill(Buffer.alloc(1)) }],
    ['masaAnchors', { masaAnchors: new Array<Uint8Array>(17).fill(Buffer.alloc(1)) }],
    ['masaUrl', { masaUrl: 'http://masa.example/' }],
    ['masaUrl', { masaUrl: 'https://user@masa.example/' }],
    ['quirks', { quirks: ['trust-everybody'] }],
    ['quirks', { quirks: ['__proto__'] }],
  ] as const) {
    test(`${field}: ${JSON.stringify(change).slice(0, 60)}`, () =>
      withStore(async ({ store }) => {
        await assert.rejects(
          trustManufacturer({ store, clock }, { name: 'acme', anchors: [await root('R')], ...change }, 'root'),
          (error: unknown) => {
            assert.ok(error instanceof OnboardingError)
            assert.deepEqual([error.code, error.detail['field']], ['input-invalid', field])
            return true
          },
        )
      }))
  }

  test('is tried before it is changed: which roots come and go, and whom that concerns', () =>
    withStore(async ({ store }) => {
      const [first, second, masa] = [await root('Acme root'), await root('Acme root 2'), await root('Acme MASA root')]
      const before = { name: 'acme', anchors: [first], masaAnchors: [masa] }
      const unknown = await previewTrust({ store, clock }, before)
      assert.deepEqual([unknown.known, unknown.anchors.added, unknown.devices], [false, ['CN=Acme root'], 0])
      assert.deepEqual(await listManufacturers(store), [], 'nothing is written')
      await trustManufacturer({ store, clock }, before, 'root')
      for (const serial of ['A1', 'A2']) await expectDevice(store, { manufacturer: 'acme', serial }, 'anna')
      const id = deviceId('acme', 'A1')
      await store.transaction(tx =>
        recordOnDevice(tx, id, () => [{ kind: 'credential-issued', body: { credential: 'c', certificateHash: 'h' } }]),
      )
      const rolled = await previewTrust({ store, clock }, { ...before, anchors: [first, second] })
      assert.deepEqual(rolled.anchors, { added: ['CN=Acme root 2'], removed: [], kept: ['CN=Acme root'] })
      assert.deepEqual([rolled.devices, rolled.onboarded, rolled.mayBeShutOut], [2, 1, 0])
      const alone = await previewTrust({ store, clock }, { name: 'acme', anchors: [second] })
      assert.deepEqual([alone.anchors.removed, alone.masaAnchors.removed], [['CN=Acme root'], ['CN=Acme MASA root']])
      assert.equal(alone.mayBeShutOut, 1, 'one has yet to come in')
      assert.ok(alone.warnings.some(({ rule }) => rule === 'devices-can-vouch'))
      assert.equal((await listManufacturers(store))[0]?.anchors.length, 1)
      await assert.rejects(previewTrust({ store, clock }, { name: 'bolt', anchors: [first] }), {
        code: 'anchor-invalid',
      })
    }))
})
