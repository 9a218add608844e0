import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import type { CodecErrorCode } from '../../../src/codec/error.ts'
import { type Quirk, quirkNames, Tolerance } from '../../../src/protocol/brski/quirk.ts'
import type { ArtifactKind, Voucher, VoucherRequest, VoucherVersion } from '../../../src/protocol/brski/voucher.ts'
import {
  decodeCborContent,
  decodeJsonContent,
  encodeCborContent,
  encodeJsonContent,
} from '../../../src/protocol/brski/voucher-content.ts'
import { refused, total } from '../../codec/refused.ts'

interface Case {
  readonly name: string
  readonly version?: VoucherVersion
  readonly allow?: readonly Quirk[]
  readonly members?: Readonly<Record<string, unknown>>
  readonly document?: unknown
  readonly hex?: string
  readonly code?: CodecErrorCode
  readonly ok?: { readonly quirks?: readonly Quirk[]; readonly ignored?: readonly string[] }
}

const vectors = (name: string): Record<ArtifactKind, Case[]> =>
  JSON.parse(readFileSync(new URL(`../../vector/voucher/${name}.json`, import.meta.url), 'utf8'))

const kinds = ['voucher', 'request'] as const
const bases = {
  request: { 'serial-number': 'JADA123456789' },
  voucher: {
    'serial-number': 'JADA123456789',
    'created-on': '2026-11-20T12:00:00Z',
    assertion: 'logged',
    'pinned-domain-cert': 'MAoECAABAgMEBQYH',
  },
}
const roots = { request: 'ietf-voucher-request:voucher', voucher: 'ietf-voucher:voucher' }

function documentOf(kind: ArtifactKind, { members, document }: Case): Buffer {
  const all = Object.entries({ ...bases[kind], ...members }).filter(([, value]) => value !== null)
  return Buffer.from(JSON.stringify(document ?? { [roots[kind]]: Object.fromEntries(all) }))
}

function judge(row: Case, read: (tolerance: Tolerance) => { readonly ignoredMembers: readonly string[] }): void {
  const tolerance = new Tolerance(row.allow)
  if (row.code !== undefined) {
    refused(row.code, () => read(tolerance))
    return
  }
  const { ignoredMembers } = read(tolerance)
  assert.deepEqual([tolerance.used, ignoredMembers], [row.ok?.quirks ?? [], row.ok?.ignored ?? []])
}

test('JSON', async t => {
  for (const kind of kinds) {
    for (const row of vectors('json')[kind]) {
      await t.test(`${kind}: ${row.name}`, () =>
        judge(row, tolerance => decodeJsonContent(documentOf(kind, row), kind, row.version ?? 'rfc8366', tolerance)),
      )
    }
  }
})

test('CBOR', async t => {
  for (const kind of kinds) {
    for (const row of vectors('cbor')[kind]) {
      await t.test(`${kind}: ${row.name}`, () =>
        judge(row, tolerance => decodeCborContent(Buffer.from(row.hex!, 'hex'), kind, tolerance)),
      )
    }
  }
})

const certificate = Buffer.from('MAoECAABAgMEBQYH', 'base64')
const voucher: Voucher = {
  assertion: 'proximity',
  'created-on': new Date('2026-11-20T12:00:00.250Z'),
  'domain-cert-revocation-checks': false,
  'expires-on': new Date('2027-11-20T12:00:00Z'),
  'idevid-issuer': Buffer.of(1, 2, 3),
  'last-renewal-date': new Date('2030-01-01T00:00:00Z'),
  'pinned-domain-cert': certificate,
  'serial-number': 'JADA123456789',
}
const request: VoucherRequest = {
  assertion: 'proximity',
  'created-on': new Date('2026-11-20T12:00:00Z'),
  'idevid-issuer': Buffer.of(1, 2, 3),
  nonce: Buffer.from('0123456789abcdef'),
  'prior-signed-voucher-request': Buffer.of(4, 5, 6),
  'proximity-registrar-cert': certificate,
  'serial-number': 'JADA123456789',
}

test('what is written is read as the same value', () => {
  const bis: Voucher = {
    ...voucher,
    'pinned-domain-pubk': certificate,
    'pinned-domain-pubk-sha256': Buffer.alloc(32, 7),
    'additional-configuration-url': 'https://a.example',
    'est-domain': 'https://est.example',
    'manufacturer-proprietary': Buffer.of(1),
    extensions: ['a', 'b'],
  }
  const read = (bytes: Buffer, version: VoucherVersion) =>
    decodeJsonContent(bytes, 'voucher', version, new Tolerance()).value
  assert.deepEqual(read(encodeJsonContent(voucher, 'voucher', 'rfc8366'), 'rfc8366'), voucher)
  assert.deepEqual(read(encodeJsonContent(bis, 'voucher', 'rfc8366bis'), 'rfc8366bis'), bis)
  assert.deepEqual(
    sorted(decodeCborContent(encodeCborContent(bis, 'voucher'), 'voucher', new Tolerance()).value),
    sorted(bis),
  )
  const json = encodeJsonContent(request, 'request', 'rfc8366')
  assert.deepEqual(decodeJsonContent(json, 'request', 'rfc8366', new Tolerance()).value, request)
  const cbor = encodeCborContent(request, 'request')
  assert.deepEqual(sorted(decodeCborContent(cbor, 'request', new Tolerance()).value), sorted(request))
})

/** Members by name, bytes in hexadecimal. */
function sorted(value: object): unknown {
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item,
  ])
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

test('JSON is written with padded base64 and dates in UTC', () => {
  const { 'ietf-voucher:voucher': members } = JSON.parse(encodeJsonContent(voucher, 'voucher', 'rfc8366').toString())
  assert.deepEqual(
    [members['created-on'], members['expires-on'], members['idevid-issuer'], members.assertion],
    ['2026-11-20T12:00:00.250Z', '2027-11-20T12:00:00Z', 'AQID', 'proximity'],
  )
})

test('CBOR is written by SIDs', () => {
  const small: VoucherRequest = { assertion: 'proximity', nonce: Buffer.alloc(8, 1), 'serial-number': '1' }
  assert.equal(
    encodeCborContent(small, 'request').toString('hex'),
    'a11909c5a301020748010101010101 01010d6131'.replace(' ', ''),
  )
})

test('what may not be written', () => {
  const write =
    (change: object, version: VoucherVersion = 'rfc8366') =>
    () =>
      encodeJsonContent({ ...voucher, ...change } as Voucher, 'voucher', version)
  refused('bad-value', write({ nonce: Buffer.alloc(8) }))
  refused('bad-value', write({ 'expires-on': undefined }))
  refused('bad-value', write({ 'created-on': undefined }))
  refused('bad-value', write({ 'created-on': new Date(Number.NaN) }))
  refused('bad-value', write({ 'serial-number': '' }))
  refused('bad-value', write({ 'idevid-issuer': Buffer.alloc(0) }))
  refused('bad-value', write({ 'prior-signed-voucher-request': Buffer.of(1) }))
  refused('bad-value', write({ toString: 1 }))
  refused('bad-value', write({ assertion: 'never' }))
  refused('unsupported', write({ 'est-domain': 'https://est.example' }))
  const ask = (change: object) => () =>
    encodeJsonContent({ ...request, ...change } as VoucherRequest, 'request', 'rfc8366')
  refused('bad-value', ask({ nonce: Buffer.alloc(7) }))
  refused('bad-value', ask({ nonce: Buffer.alloc(33) }))
  refused('bad-value', ask({ 'pinned-domain-cert': certificate }))
  refused('bad-tag', ask({ 'proximity-registrar-cert': Buffer.alloc(20) }))
})

test('any content whatever: a value or a CodecError', () => {
  const names = [...Object.keys(voucher), ...Object.keys(request), 'x', '__proto__', 'constructor']
  const anything = fc.oneof(fc.jsonValue(), fc.base64String(), fc.constantFrom('2026-11-20T12:00:00Z', 'proximity'))
  const allow = fc.subarray([...quirkNames])
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.dictionary(fc.constantFrom(...names), anything),
      allow,
      (kind, members, quirks) => {
        const bytes = Buffer.from(JSON.stringify({ [roots[kind]]: members }))
        total(() => decodeJsonContent(bytes, kind, 'rfc8366bis', new Tolerance(quirks)), bytes.length)
      },
    ),
    { numRuns: 1000 },
  )
  const seed = encodeCborContent(request, 'request')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      allow,
      (changes, quirks) => {
        const bytes = Buffer.from(seed)
        for (const [at, octet] of changes) bytes[at] = octet
        total(() => decodeCborContent(bytes, 'request', new Tolerance(quirks)), bytes.length)
      },
    ),
    { numRuns: 1000 },
  )
})
