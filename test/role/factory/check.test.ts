import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../../src/codec/der/codec.ts'
import { ia5String } from '../../../src/codec/der/string.ts'
import { any, sequenceOf } from '../../../src/codec/der/structure.ts'
import { NO_EXPIRY } from '../../../src/codec/der/time.ts'
import { decodePemBlock } from '../../../src/codec/pem.ts'
import { signatureAlgorithms } from '../../../src/codec/x509/algorithm.ts'
import {
  type Certificate,
  decodeCertificate,
  encodeCertificate,
  encodeTbsCertificate,
  type TbsCertificateFields,
} from '../../../src/codec/x509/certificate.ts'
import {
  type Extension,
  extendedKeyUsageOid,
  extensionKinds,
  makeExtension,
} from '../../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherName } from '../../../src/codec/x509/general-name.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { caExtensions, issueCertificate } from '../../../src/crypto/issue.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../../src/crypto/signer.ts'
import type { CheckOptions } from '../../../src/role/factory/check.ts'
import { checkIdevid } from '../../../src/role/factory/check.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { now, withFactory } from './factory.ts'

const vectors = new URL('../../vector/brski/', import.meta.url)

function vector(path: string): Buffer {
  return decodePemBlock('CERTIFICATE', readFileSync(new URL(`${path}.cert.pem`, vectors), 'utf8'))
}

function anchors(...ders: Uint8Array[]): CheckOptions {
  return { anchors: ders.map(der => ({ name: 'anchor', certificate: decodeCertificate(der) })) }
}

function findings(der: Uint8Array, options: CheckOptions = {}): string[] {
  return checkIdevid(der, options).map(({ rule, severity }) => `${severity} ${rule}`)
}

describe('published birth certificates and what is odd about them', () => {
  const highway = 'rfc8995-appendix-c/certs/manufacturer-idevid-ca'
  const at = new Date('2021-04-13T21:43:30Z')
  const pledges = ['embedded-in-pvr', 'printed', 'repository'].map(
    name => `rfc8995-appendix-c/certs/pledge-idevid-${name}`,
  )

  test('RFC 8995 C.2.1: no AKI, ends in 2999, one of three for a key, under a CA of two years', () => {
    const others = pledges.map(path => decodeCertificate(vector(path)))
    assert.deepEqual(findings(vector(pledges[0]!), { ...anchors(vector(highway)), at, others }), [
      'warning key-usage-missing',
      'warning aki-missing',
      'warning certificate-repeated',
      'warning chain-ends-early',
      'note expiry-finite',
      'note serial-form',
      'note mud-url-missing',
    ])
  })

  test('RFC 8995 C.1.5: signed by another CA of the same name', () => {
    const found = checkIdevid(vector(pledges[1]!), { ...anchors(vector(highway)), at })
    assert.deepEqual(
      found
        .filter(({ severity }) => severity === 'error')
        .map(({ rule, message }) => [rule, /names alone/.test(message)]),
      [['chain-refused', true]],
    )
    assert.ok(found.some(({ rule }) => rule === 'signature-mixed'))
    assert.ok(found.some(({ rule }) => rule === 'not-yet-valid'))
  })

  test('RFC 8366bis: an anchor with the right name and the wrong key', () => {
    const found = findings(vector('rfc8366bis/certs/pledge-idevid'), {
      ...anchors(vector('rfc8366bis/certs/manufacturer-rsa-ca')),
      at: new Date('2022-07-10'),
    })
    assert.equal(found[0], 'error chain-refused')
  })

  test('a fielded IDevID: PID and SN in one attribute, RSA, no MASA URL', () => {
    const der = vector('rfc8366bis/certs/idevid-with-authority-key-identifier')
    assert.deepEqual(findings(der, { at: new Date('2025-10-15') }), [
      'warning serial-pid-sn',
      'warning masa-url-missing',
      'note expiry-finite',
      'note mud-url-missing',
      'note key-rsa',
      'note chain-absent',
    ])
  })

  test('JWS voucher draft: clientAuth only, no SKI', () => {
    const options = { ...anchors(vector('jws-voucher-16/certs/manufacturer-ca')), at: new Date('2024-11-29T09:35:00Z') }
    assert.deepEqual(findings(vector('jws-voucher-16/certs/pledge-idevid'), options), [
      'warning chain-ends-early',
      'note extended-key-usage',
      'note mud-url-missing',
      'note ski-missing',
    ])
  })

  test('cBRSKI draft: an end in 9999 that is not the one that means none', () => {
    const options = { ...anchors(vector('constrained-voucher-31/certs/masa-ca')), at: new Date('2022-12-10') }
    assert.ok(findings(vector('constrained-voucher-31/certs/pledge'), options).includes('note expiry-finite'))
  })

  test('a registrar certificate is no birth certificate', () => {
    const found = findings(vector('rfc8995-appendix-c/certs/registrar'), { at })
    assert.ok(found.includes('error serial-missing'))
    assert.ok(found.includes('error extended-key-usage-blocks-client'))
  })
})

test('what our own line makes has no findings', () =>
  withFactory(async factory => {
    await makeUnits(factory.order({ count: 2 }))
    const units = await factory.store.read(tables => tables.unit.find({}))
    const ders = units.map(({ idevid }) => Buffer.from(idevid, 'base64'))
    const { deviceAnchors, idevid } = factory.manufacturer
    const others = ders.map(decodeCertificate)
    const options = { anchors: deviceAnchors, chain: idevid.chain, others, at: new Date(now) }
    for (const der of ders) assert.deepEqual(checkIdevid(der, options), [])
    // Without the intermediate a site with the root alone is lost.
    assert.deepEqual(findings(ders[0]!, { anchors: deviceAnchors, at: new Date(now) }), ['error chain-incomplete'])
  }))

describe('birth certificates with one fault', () => {
  const root = keySigner(generateKey('P-256'))
  const device = keySigner(generateKey('P-256'))
  const at = new Date(now)
  let ca: Certificate

  before(async () => {
    const subject = encodeName({ commonName: 'CA' })
    const template = { subject, spkiDer: root.spkiDer, notBefore: at, notAfter: NO_EXPIRY, extensions: caExtensions() }
    ca = decodeCertificate(await issueCertificate({ ...template, issuer: { certificate: 'self', signer: root } }))
  })

  const keyIdentifiers = () => [
    makeExtension(extensionKinds.subjectKeyIdentifier, Buffer.alloc(20, 1)),
    makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: ca.subjectKeyIdentifier! }),
  ]
  const profile = [
    makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
    makeExtension(extensionKinds.masaUrl, 'masa.example.com'),
    makeExtension(extensionKinds.mudUrl, 'https://mud.example.com/x'),
  ]

  interface Fault extends Partial<Omit<TbsCertificateFields, 'extensions'>> {
    readonly add?: readonly Extension[]
    readonly without?: readonly { readonly id: string }[]
    readonly signer?: Signer
  }

  async function make({ add = [], without = [], signer = root, ...fields }: Fault): Promise<Buffer> {
    const ids = [...add, ...without].map(({ id }) => id)
    const kept = [...profile, ...keyIdentifiers()].filter(({ id }) => !ids.includes(id))
    const [ecdsa] = signatureAlgorithms
    const tbs = encodeTbsCertificate({
      serialNumber: Buffer.from([1]),
      signature: ecdsa!.identifier,
      issuer: ca.subject.der,
      validity: { notBefore: at, notAfter: NO_EXPIRY },
      subject: encodeName({ commonName: 'm', serialNumber: 'S1' }),
      spkiDer: device.spkiDer,
      extensions: [...kept, ...add],
      ...fields,
    })
    return encodeCertificate(tbs, fields.signature ?? ecdsa!.identifier, await signer.sign(tbs))
  }

  const url = (kind: { readonly id: string }, text: string, critical = false): Fault => ({
    add: [{ id: kind.id, critical, value: encode(ia5String, text) }],
  })
  const { masaUrl, mudUrl, keyUsage, extendedKeyUsage } = extensionKinds
  const rsa = (bits: number) =>
    generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ type: 'spki', format: 'der' })
  const [, , , , sha1] = signatureAlgorithms
  const hardware = otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.1', hwSerialNum: Buffer.from('S1') })

  const faults: readonly (readonly [string, Fault | (() => Fault), readonly string[]])[] = [
    ['none', {}, []],
    ['ended', { validity: { notBefore: new Date(0), notAfter: new Date(now - 1000) } }, ['error expired']],
    ['ends in ten years', { validity: { notBefore: at, notAfter: new Date('2036-11-20') } }, ['warning expiry-finite']],
    [
      'begins tomorrow',
      { validity: { notBefore: new Date(now + 86_400_000), notAfter: NO_EXPIRY } },
      ['warning not-yet-valid'],
    ],
    ['no serial number', { subject: encodeName({ commonName: 'm' }) }, ['error serial-missing']],
    [
      'serial number elsewhere',
      { subject: encodeName({ commonName: 'm' }), add: [makeExtension(extensionKinds.subjectAltName, [hardware])] },
      ['warning serial-hwmodule'],
    ],
    ['two serial numbers', { subject: encodeName({ serialNumber: ['S1', 'S2'] }) }, ['error serial-repeated']],
    ['PID and SN', { subject: encodeName({ serialNumber: 'PID:X SN:S1' }) }, ['warning serial-pid-sn']],
    ['spaces around it', { subject: encodeName({ serialNumber: ' S1' }) }, ['error serial-form']],
    ['empty subject', { subject: encodeName({}) }, ['error serial-missing', 'error subject-empty']],
    ['no MASA URL', { without: [masaUrl] }, ['warning masa-url-missing']],
    ['MASA URL critical', url(masaUrl, 'masa.example.com', true), ['error masa-url-critical']],
    ['MASA URL http', url(masaUrl, 'http://masa.example.com'), ['error masa-url-not-https']],
    ['MASA URL with path', url(masaUrl, 'https://masa.example.com/brski/v1'), ['warning masa-url-path']],
    ['MASA URL with the usual path', url(masaUrl, 'https://masa.example.com/.well-known/brski'), []],
    ['MASA URL with user', url(masaUrl, 'https://u@masa.example.com/'), ['error masa-url-form']],
    ['MASA URL with a line end', url(masaUrl, 'masa.exam\nple.com'), ['error masa-url-form']],
    ['MASA at an address', url(masaUrl, '10.0.0.1:8443'), ['warning masa-url-address']],
    ['MASA at IPv6', url(masaUrl, '[::1]'), ['warning masa-url-address']],
    ['MASA at a local name', url(masaUrl, 'masa'), ['warning masa-url-address']],
    ['no MUD URL', { without: [mudUrl] }, ['note mud-url-missing']],
    ['MUD URL critical', url(mudUrl, 'https://mud.example.com/x', true), ['error mud-url-critical']],
    ['MUD URL http', url(mudUrl, 'http://mud.example.com/x'), ['error mud-url-not-https']],
    ['MUD URL is none', url(mudUrl, 'mud file'), ['error mud-url-form']],
    ['no keyUsage', { without: [keyUsage] }, ['warning key-usage-missing']],
    [
      'keyUsage without signature',
      { add: [makeExtension(keyUsage, ['keyAgreement'])] },
      ['error key-usage-no-signature'],
    ],
    [
      'server only',
      { add: [makeExtension(extendedKeyUsage, [extendedKeyUsageOid.serverAuth])] },
      ['error extended-key-usage-blocks-client'],
    ],
    [
      'client only',
      { add: [makeExtension(extendedKeyUsage, [extendedKeyUsageOid.clientAuth])] },
      ['note extended-key-usage'],
    ],
    [
      'a CA',
      {
        add: [
          makeExtension(extensionKinds.basicConstraints, { cA: true }),
          makeExtension(keyUsage, ['digitalSignature', 'keyCertSign']),
        ],
      },
      ['error is-ca'],
    ],
    [
      'unknown critical extension',
      { add: [{ id: '1.3.6.1.4.1.99999.7', critical: true, value: Buffer.from([5, 0]) }] },
      ['error critical-unknown', 'error chain-refused'],
    ],
    [
      'large',
      { add: [{ id: '1.3.6.1.4.1.99999.8', critical: false, value: encode(ia5String, 'x'.repeat(1500)) }] },
      ['warning size'],
    ],
    [
      'very large',
      { add: [{ id: '1.3.6.1.4.1.99999.8', critical: false, value: encode(ia5String, 'x'.repeat(5000)) }] },
      ['warning size', 'warning chain-size'],
    ],
    ['no AKI', { without: [extensionKinds.authorityKeyIdentifier] }, ['warning aki-missing']],
    ['no SKI', { without: [extensionKinds.subjectKeyIdentifier] }, ['note ski-missing']],
    ['RSA 1024', () => ({ spkiDer: rsa(1024) }), ['error key-weak', 'error chain-refused']],
    ['RSA 2048', () => ({ spkiDer: rsa(2048) }), ['note key-rsa']],
    [
      'Ed25519',
      () => ({ spkiDer: generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }) }),
      ['warning key-ed25519'],
    ],
    ['P-521', () => ({ spkiDer: keySigner(generateKey('P-521')).spkiDer }), ['note key-curve']],
    [
      'secp256k1',
      () => ({
        spkiDer: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({
          type: 'spki',
          format: 'der',
        }),
      }),
      ['error key-curve', 'error chain-refused'],
    ],
    [
      'X25519',
      () => ({ spkiDer: generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }) }),
      ['error key-unknown', 'error chain-refused'],
    ],
    ['SHA-1', { signature: sha1!.identifier }, ['error signature-sha1', 'error chain-refused']],
    [
      'unknown signature algorithm',
      { signature: { algorithm: '1.2.3.4' } },
      ['error signature-unknown', 'error chain-refused'],
    ],
    [
      'self-issued',
      () => ({ issuer: encodeName({ serialNumber: 'S1' }), subject: encodeName({ serialNumber: 'S1' }) }),
      ['error self-issued'],
    ],
    ['another signer', { signer: device }, ['error chain-refused']],
    ['another issuer', { issuer: encodeName({ commonName: 'Other' }) }, ['error chain-incomplete']],
  ]

  for (const [name, fault, expected] of faults) {
    test(name, async () => {
      const der = await make(typeof fault === 'function' ? fault() : fault)
      const options = { anchors: [{ name: 'ca', certificate: ca }], at }
      assert.deepEqual(findings(der, options).sort(), [...expected].sort())
    })
  }

  test('the same key in another unit', async () => {
    const options = { anchors: [{ name: 'ca', certificate: ca }], at }
    const own = await make({})
    const other = decodeCertificate(await make({ subject: encodeName({ serialNumber: 'S2' }) }))
    const [found] = checkIdevid(own, { ...options, others: [decodeCertificate(own), other] })
    assert.equal(found?.rule, 'key-shared')
    assert.match(found.message, /unit S2/)
  })

  test('an AKI that is not the SKI of the issuer', async () => {
    const wrong = makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: Buffer.alloc(20, 9) })
    const der = await make({ add: [wrong] })
    assert.ok(
      findings(der, { anchors: [{ name: 'ca', certificate: ca }], chain: [ca], at }).includes('error aki-mismatch'),
    )
  })

  test('a chain without roots is checked as far as it goes', async () => {
    assert.deepEqual(findings(await make({}), { chain: [ca], at }), [])
    assert.deepEqual(findings(await make({ signer: device }), { chain: [ca], at }), ['error chain-refused'])
    assert.deepEqual(findings(await make({}), { at }), ['note chain-absent'])
  })

  test('a certificate number that is negative or too long', async () => {
    // The encoder writes neither, so the number is put in afterwards.
    const list = sequenceOf(any)
    const [tbs, ...rest] = decode(list, await make({}))
    const numbered = (octets: number[]) => {
      const [version, , ...more] = decode(list, tbs!)
      const number = Buffer.from([2, octets.length, ...octets])
      return encode(list, [encode(list, [version!, number, ...more]), ...rest])
    }
    const [negative] = checkIdevid(numbered([0xc1]))
    assert.equal(negative?.rule, 'unreadable')
    assert.match(negative.message, /negative/)
    assert.deepEqual(findings(numbered(new Array<number>(20).fill(0x41)), { at }), ['note chain-absent'])
    for (const number of [[0], new Array<number>(21).fill(0x41), [0, ...new Array<number>(20).fill(0xff)]]) {
      assert.deepEqual(findings(numbered(number), { at }), ['error certificate-number', 'note chain-absent'])
    }
  })

  test('nothing that can be read or not read makes it throw', async () => {
    const good = await make({})
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), changes => {
        const der = Buffer.from(good)
        for (const [index, octet] of changes) der[index] = octet
        for (const finding of checkIdevid(der, { chain: [ca], at })) {
          assert.ok(finding.rule !== '' && finding.message !== '' && finding.section !== '')
        }
      }),
      { numRuns: 2000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => checkIdevid(bytes)[0]?.rule === 'unreadable'))
  })
})

test('SHA-1 is told from the signature too', () => {
  // A real signature, so that the finding rests on the algorithm and not on a failure to verify.
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [, , , , sha1] = signatureAlgorithms
  const tbs = encodeTbsCertificate({
    serialNumber: Buffer.from([7]),
    signature: sha1!.identifier,
    issuer: encodeName({ commonName: 'CA' }),
    validity: { notBefore: new Date(now), notAfter: NO_EXPIRY },
    subject: encodeName({ serialNumber: 'S1' }),
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
    extensions: [],
  })
  const der = encodeCertificate(tbs, sha1!.identifier, sign('sha1', tbs, privateKey))
  assert.ok(findings(der, { at: new Date(now) }).includes('error signature-sha1'))
})
