import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { type Certificate, decodeCertificate, encodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { acpNodeName, hardwareModuleName, otherName } from '../../../src/codec/x509/general-name.ts'
import { decodeName, formatName, nameKey } from '../../../src/codec/x509/name.ts'
import { total } from '../refused.ts'
import { makeCertificate, party, publishedCertificates } from './make.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** One that has every extension we know. */
function full(): Buffer {
  const url = { type: 'uniformResourceIdentifier' as const, value: 'http://a.example/x' }
  const subject = party('Unit')
  return makeCertificate(party('CA'), subject, {
    extensions: [
      makeExtension(extensionKinds.basicConstraints, { cA: true, pathLenConstraint: 1 }),
      makeExtension(extensionKinds.keyUsage, ['keyCertSign', 'decipherOnly']),
      makeExtension(extensionKinds.extendedKeyUsage, ['1.3.6.1.5.5.7.3.28', '1.3.6.1.5.5.7.3.1']),
      makeExtension(extensionKinds.subjectKeyIdentifier, Buffer.alloc(20, 1)),
      makeExtension(extensionKinds.authorityKeyIdentifier, {
        keyIdentifier: Buffer.alloc(20, 2),
        authorityCertIssuer: [{ type: 'directoryName', value: decodeName(subject.name) }],
        authorityCertSerialNumber: Buffer.from([1]),
      }),
      makeExtension(extensionKinds.subjectAltName, [
        { type: 'dNSName', value: 'a.example' },
        { type: 'iPAddress', value: Buffer.from([192, 0, 2, 1]) },
        otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.99999', hwSerialNum: Buffer.from('s1') }),
        otherName(acpNodeName, 'rfc8994+@acp.example'),
      ]),
      makeExtension(extensionKinds.nameConstraints, { permittedSubtrees: [{ base: url, minimum: 0 }] }),
      makeExtension(extensionKinds.cRLDistributionPoints, [{ distributionPoint: { type: 'fullName', value: [url] } }]),
      makeExtension(extensionKinds.authorityInfoAccess, [{ accessMethod: '1.3.6.1.5.5.7.48.2', accessLocation: url }]),
      makeExtension(extensionKinds.certificatePolicies, [{ policyIdentifier: '2.5.29.32.0' }]),
      makeExtension(extensionKinds.masaUrl, 'masa.example'),
      makeExtension(extensionKinds.mudUrl, 'https://mud.example/x.json'),
    ],
  })
}

type Change = { at: number; octets: number[]; drop: number }

/** A few bytes overwritten, inserted or left out; octets that mean something to DER are drawn more often. */
function changes(size: number): fc.Arbitrary<Change[]> {
  const octet = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x31, 0xa0, 0xa3, 0x1f),
  )
  const change = fc.record({ at: fc.nat(size), octets: fc.array(octet, { maxLength: 3 }), drop: fc.nat(3) })
  return fc.array(change, { minLength: 1, maxLength: 3 })
}

function apply(seed: Buffer, list: readonly Change[]): Buffer {
  return list.reduce(
    (der, { at, octets, drop }) => Buffer.concat([der.subarray(0, at), Buffer.from(octets), der.subarray(at + drop)]),
    seed,
  )
}

/** What we accept is written again as it was; and where OpenSSL accepts it too, both read the same. */
function consistent(ours: Certificate, der: Buffer): void {
  assert.equal(hex(encodeCertificate(ours.tbsDer, ours.signatureAlgorithm, ours.signature)), hex(der))
  assert.doesNotMatch(formatName(ours.subject), /\p{Cc}/u)
  assert.equal(typeof nameKey(ours.issuer), 'string')
  let theirs: X509Certificate
  try {
    theirs = new X509Certificate(der)
  } catch {
    return
  }
  assert.equal(BigInt(`0x${ours.serialHex}`), BigInt(`0x${theirs.serialNumber}`))
  assert.equal(hex(theirs.raw), hex(der))
  assert.equal(ours.validity.notAfter.getTime(), Date.parse(theirs.validTo))
  if (ours.basicConstraints?.cA !== true) assert.equal(theirs.ca, false)
}

for (const [path, seed] of [...publishedCertificates(), ['one with every extension', full()] as const]) {
  test(`${path}, damaged: a consistent certificate or a CodecError`, () => {
    fc.assert(
      fc.property(changes(seed.length), list => {
        const der = apply(seed, list)
        if (total(() => decodeCertificate(der), der.length)) consistent(decodeCertificate(der), der)
      }),
      { numRuns: 500 },
    )
  })
}

test('cut off anywhere: a CodecError', () => {
  const seed = full()
  for (let end = 0; end < seed.length; end++) {
    assert.equal(
      total(() => decodeCertificate(seed.subarray(0, end)), end),
      false,
    )
  }
})
