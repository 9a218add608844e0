import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test from 'node:test'
import { encode } from '../../../src/codec/der/codec.ts'
import { ecdsaWithSHA384, signatureAlgorithm } from '../../../src/codec/x509/algorithm.ts'
import { decodeCertificate, encodeCertificate, encodeTbsCertificate } from '../../../src/codec/x509/certificate.ts'
import {
  Extensions,
  extensionKinds,
  extnValue,
  findExtension,
  makeExtension,
} from '../../../src/codec/x509/extension.ts'
import { attributeValues, formatName } from '../../../src/codec/x509/name.ts'
import { refused } from '../refused.ts'
import { makeCertificate, party, publishedCertificates } from './make.ts'

const published = publishedCertificates()
const certificate = (path: string) => decodeCertificate(published.get(path)!)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

for (const [path, der] of published) {
  test(`${path} is read as node reads it, and written again byte for byte`, () => {
    const ours = decodeCertificate(der)
    const theirs = new X509Certificate(der)
    assert.equal(ours.serialHex, theirs.serialNumber.toLowerCase())
    assert.equal(ours.validity.notBefore.getTime(), Date.parse(theirs.validFrom))
    assert.equal(ours.validity.notAfter.getTime(), Date.parse(theirs.validTo))
    assert.equal(hex(ours.spkiDer), hex(theirs.publicKey.export({ type: 'spki', format: 'der' })))
    assert.deepEqual(ours.extendedKeyUsage, theirs.keyUsage)
    assert.equal(ours.basicConstraints?.cA ?? false, theirs.ca)
    // node prints one attribute a line in the order of the encoding.
    const commonNames = theirs.subject.split('\n').filter(line => line.startsWith('CN='))
    assert.deepEqual(
      attributeValues(ours.subject, 'commonName').map(value => `CN=${value}`),
      commonNames.map(line => line.replaceAll('\\', '')),
    )
    assert.equal(hex(encodeCertificate(ours.tbsDer, ours.signatureAlgorithm, ours.signature)), hex(der))
    const again = encodeTbsCertificate({
      ...ours,
      signature: ours.signatureAlgorithm,
      issuer: ours.issuer.der,
      subject: ours.subject.der,
    })
    assert.equal(hex(again), hex(ours.tbsDer))
    assert.doesNotThrow(() => signatureAlgorithm(ours.signatureAlgorithm))
    assert.ok(Object.isFrozen(ours))
  })
}

test('an IDevID says who made it, where its MASA is, and what its serial number is', () => {
  const idevid = certificate('rfc8995-appendix-c/certs/pledge-idevid-embedded-in-pvr.cert.pem')
  assert.equal(idevid.masaUrl, 'highway-test.example.com:9443')
  assert.deepEqual(attributeValues(idevid.subject, 'serialNumber'), ['00-D0-E5-F2-00-02'])
  assert.equal(formatName(idevid.issuer), 'CN=highway-test.example.com CA')
  assert.equal(idevid.validity.notAfter.toISOString(), '2999-12-31T00:00:00.000Z')
  assert.equal(idevid.authorityKeyIdentifier, undefined)
  assert.equal(idevid.mudUrl, undefined)
})

test('the whole extnValue of an AuthorityKeyIdentifier is at hand for idevid-issuer', () => {
  const idevid = certificate('rfc8366bis/certs/idevid-with-authority-key-identifier.cert.pem')
  const extension = findExtension(idevid.extensions, extensionKinds.authorityKeyIdentifier)!
  assert.equal(hex(extnValue(extension)), '041830168014ea6ba3b9c113977e1bfb3a8d686007395f8748fa')
  assert.equal(hex(idevid.authorityKeyIdentifier!.keyIdentifier!), 'ea6ba3b9c113977e1bfb3a8d686007395f8748fa')
  assert.deepEqual(attributeValues(idevid.subject, 'serialNumber'), ['PID:CHIMAY-U-AC SN:FDO27361XTF'])
  const [name] = idevid.subjectAltName!
  assert.ok(name?.type === 'otherName' && name.value.typeId === '1.3.6.1.4.1.9.21.2.3')
})

test('a registrar certificate carries cmcRA, critical', () => {
  const registrar = certificate('rfc8995-appendix-c/certs/registrar.cert.pem')
  assert.deepEqual(registrar.extendedKeyUsage, ['1.3.6.1.5.5.7.3.28'])
  assert.equal(findExtension(registrar.extensions, extensionKinds.extendedKeyUsage)?.critical, true)
})

test('the input is copied: what comes after in the same memory changes nothing', () => {
  const input = Buffer.from(published.get('rfc8995-appendix-c/certs/registrar.cert.pem')!)
  const before = decodeCertificate(input)
  const tbs = hex(before.tbsDer)
  input.fill(0)
  assert.equal(hex(before.tbsDer), tbs)
  assert.notEqual(hex(before.der), hex(input))
})

const issuer = party('Issuer')
const subject = party('Subject')

test('unknown extensions are kept as they are, with their critical flag', () => {
  const unknown = { id: '1.3.6.1.4.1.99999.1', critical: true, value: Buffer.from('not even DER') }
  const read = decodeCertificate(makeCertificate(issuer, subject, { extensions: [unknown] }))
  assert.equal(read.extensions[0]?.critical, true)
  assert.equal(Buffer.from(read.extensions[0].value).toString(), 'not even DER')
})

test('a CA cannot write nonsense', () => {
  const make = (fields: Parameters<typeof makeCertificate>[2]) => () => makeCertificate(issuer, subject, fields)
  refused('bad-value', make({ serialNumber: new Uint8Array() }))
  refused('bad-value', make({ serialNumber: new Uint8Array(8) }))
  refused('bad-value', make({ serialNumber: new Uint8Array(21).fill(1) }))
  refused('bad-value', make({ serialNumber: new Uint8Array(20).fill(0x80) }))
  refused('bad-value', make({ issuer: Buffer.from('x') }))
  refused('bad-value', make({ subject: Buffer.concat([subject.name, Buffer.from([0])]) }))
  refused('bad-value', make({ validity: { notBefore: new Date(Number.NaN), notAfter: new Date() } }))
  const usage = makeExtension(extensionKinds.keyUsage, ['digitalSignature'])
  refused('duplicate', make({ extensions: [usage, { ...usage, critical: false }] }))
  const largest = Buffer.concat([Buffer.from([0x7f]), Buffer.alloc(19, 0xff)])
  assert.equal(decodeCertificate(make({ serialNumber: largest })()).serialHex, hex(largest))
})

/** A certificate with one piece of its DER replaced, lengths set right. */
function altered(
  path: readonly number[],
  replacement: (old: Buffer) => Buffer,
  der = makeCertificate(issuer, subject),
) {
  const [at, ...deeper] = path
  if (at === undefined) return replacement(der)
  const parts = children(der)
  parts[at] = altered(deeper, replacement, parts[at])
  return tlv(der[0]!, Buffer.concat(parts))
}

function children(der: Buffer): Buffer[] {
  const content = (bytes: Buffer) => {
    const long = bytes[1]! & 0x80 ? bytes[1]! & 0x7f : 0
    const length = long === 0 ? bytes[1]! : bytes.readUIntBE(2, long)
    return [2 + long, 2 + long + length] as const
  }
  const [start, end] = content(der)
  const parts: Buffer[] = []
  for (let pos = start; pos < end; ) {
    const [, next] = content(der.subarray(pos))
    parts.push(der.subarray(pos, pos + next))
    pos += next
  }
  return parts
}

function tlv(tag: number, content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.from(content.length.toString(16).padStart(content.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

const raw = (text: string) => () => Buffer.from(text, 'hex')
const VERSION = [0, 0]
const SERIAL = [0, 1]
const EXTENSIONS = [0, 7]
const bare = (...extensions: string[]) =>
  tlv(0xa3, tlv(0x30, Buffer.concat(extensions.map(text => Buffer.from(text, 'hex')))))

test('certificates that are wrong in one place', () => {
  const usage = '300e0603551d0f0101ff040403020780'
  const withExtensions = (...list: string[]) => {
    const der = makeCertificate(issuer, subject, { extensions: [makeExtension(extensionKinds.keyUsage, [])] })
    return altered(EXTENSIONS, () => bare(...list), der)
  }
  assert.deepEqual(decodeCertificate(withExtensions(usage)).keyUsage, ['digitalSignature'])
  const cases: [name: string, code: Parameters<typeof refused>[0], der: Buffer][] = [
    ['version 4', 'unsupported', altered(VERSION, raw('a003020103'))],
    ['version 1, encoded though it is the default', 'not-minimal', altered(VERSION, raw('a003020100'))],
    ['a negative serial number', 'bad-value', altered(SERIAL, raw('020181'))],
    ['a padded serial number', 'not-minimal', altered(SERIAL, raw('02020001'))],
    ['no serial number', 'bad-tag', altered(SERIAL, raw(''))],
    ['another algorithm outside', 'bad-value', altered([1], raw('300a06082a8648ce3d040303'))],
    ['parameters outside only', 'bad-value', altered([1], raw('300c06082a8648ce3d0403020500'))],
    ['unused bits in the signature', 'bad-value', altered([2], raw('03020100'))],
    ['something after the signature', 'trailing-bytes', altered([2], old => Buffer.concat([old, Buffer.from([5, 0])]))],
    ['no extensions, encoded', 'bad-value', withExtensions()],
    ['the same extension twice', 'duplicate', withExtensions(usage, usage)],
    ['an unknown extension twice', 'duplicate', withExtensions('300606022a030400', '300606022a030400')],
    ['critical FALSE, encoded', 'not-minimal', withExtensions('300906022a030101000400')],
    ['critical 01', 'bad-value', withExtensions('300906022a030101010400')],
    ['keyUsage with a byte after it', 'trailing-bytes', withExtensions('300f0603551d0f0101ff04050302078000')],
    ['keyUsage that is a SEQUENCE', 'bad-tag', withExtensions('300c0603551d0f0101ff04023000')],
    ['cA FALSE, encoded', 'not-minimal', withExtensions('300c0603551d1304053003010100')],
    ['no extended key usage in the extension', 'bad-value', withExtensions('30090603551d2504023000')],
    ['no name in subjectAltName', 'bad-value', withExtensions('30090603551d1104023000')],
    ['a name of no kind', 'bad-tag', withExtensions('300b0603551d11040430028900')],
    ['MASA URL as UTF8String', 'bad-tag', withExtensions('300e06082b0601050507012004020c00')],
    ['a path length below zero', 'bad-value', withExtensions('300f0603551d13040830060101ff0201ff')],
  ]
  for (const [name, code, der] of cases) {
    assert.doesNotThrow(() => refused(code, () => decodeCertificate(der)), name)
  }
  refused('too-large', () => decodeCertificate(Buffer.alloc(0x1_0001)))
  refused('truncated', () => decodeCertificate(Buffer.alloc(0)))
})

test('the offset of an error inside an extension counts from the start of the certificate', () => {
  const der = makeCertificate(issuer, subject, {
    extensions: [{ id: extensionKinds.keyUsage.id, critical: true, value: Buffer.from('0302ff80', 'hex') }],
  })
  assert.throws(() => decodeCertificate(der), { code: 'bad-value', offset: der.indexOf('0302ff80', 0, 'hex') })
})

test('extensions before version 3 and unique identifiers before version 2 are refused', () => {
  const extensions = encode(Extensions, [makeExtension(extensionKinds.keyUsage, ['digitalSignature'])])
  const der = makeCertificate(issuer, subject)
  const insert = (piece: Buffer, version: string) =>
    altered(
      VERSION,
      raw(version),
      altered([0, 6], old => Buffer.concat([old, piece]), der),
    )
  refused('bad-value', () => decodeCertificate(insert(tlv(0xa3, extensions), '')))
  refused('bad-value', () => decodeCertificate(insert(Buffer.from('81020780', 'hex'), '')))
  assert.equal(decodeCertificate(insert(Buffer.from('81020780', 'hex'), 'a003020101')).version, 2)
  assert.equal(decodeCertificate(insert(Buffer.alloc(0), '')).version, 1)
})

test('an algorithm is known with the parameters it may have', () => {
  assert.equal(signatureAlgorithm(ecdsaWithSHA384.identifier).hash, 'sha384')
  const rsa = '1.2.840.113549.1.1.11'
  assert.equal(signatureAlgorithm({ algorithm: rsa }).key, 'rsa')
  assert.equal(signatureAlgorithm({ algorithm: rsa, parameters: Buffer.from([5, 0]) }).hash, 'sha256')
  refused('bad-value', () => signatureAlgorithm({ algorithm: rsa, parameters: Buffer.from([0x30, 0]) }))
  refused('bad-value', () => signatureAlgorithm({ ...ecdsaWithSHA384.identifier, parameters: Buffer.from([5, 0]) }))
  refused('unsupported', () => signatureAlgorithm({ algorithm: '1.2.840.113549.1.1.4' }))
})
