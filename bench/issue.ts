/**
 * What it costs to issue a certificate beyond the signature in it: name, TBSCertificate and certificate are encoded for
 * each. The floor is crypto.sign alone over the same bytes with the same KeyObject, in the same run.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { ecdsaWithSHA256 } from '../src/codec/x509/algorithm.ts'
import { decodeCertificate, encodeCertificate, encodeTbsCertificate } from '../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../src/codec/x509/extension.ts'
import { encodeName } from '../src/codec/x509/name.ts'
import { type Line, line, takeTurns } from './measure.ts'

const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const device = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spkiDer = device.publicKey.export({ type: 'spki', format: 'der' })
const keyIdentifier = (spki: Buffer) => createHash('sha1').update(spki.subarray(-65)).digest()
const subjectKeyIdentifier = keyIdentifier(spkiDer)
const serialNumber = randomBytes(16)
serialNumber[0]! &= 0x7f

// What stays the same for all certificates of one CA profile is made once, as an issuing CA does.
const issuer = encodeName({ organizationName: 'Example Site', commonName: 'Issuing CA 1' })
const profile = [
  makeExtension(extensionKinds.basicConstraints, { cA: false }),
  makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
  makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.clientAuth]),
  makeExtension(extensionKinds.authorityKeyIdentifier, {
    keyIdentifier: keyIdentifier(ca.publicKey.export({ type: 'spki', format: 'der' })),
  }),
]
const validity = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') }

function tbs(unit: number): Buffer {
  return encodeTbsCertificate({
    serialNumber,
    signature: ecdsaWithSHA256.identifier,
    issuer,
    validity,
    subject: encodeName({ organizationName: 'Example Site', serialNumber: `JADA-${unit}` }),
    spkiDer,
    extensions: [
      ...profile,
      makeExtension(extensionKinds.subjectKeyIdentifier, subjectKeyIdentifier),
      makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: `jada-${unit}.site.example` }]),
    ],
  })
}

function issue(unit: number): Buffer {
  const der = tbs(unit)
  return encodeCertificate(der, ecdsaWithSHA256.identifier, sign('sha256', der, ca.privateKey))
}

const same = tbs(0)
const certificate = issue(0)

export async function* issueSuite(): AsyncGenerator<Line, void, void> {
  const times = await takeTurns([
    () => sign('sha256', same, ca.privateKey),
    issue,
    tbs,
    () => decodeCertificate(certificate),
  ])
  const [floor, issued, encoded, decoded] = times as [number, number, number, number]
  const unit = 'us'
  yield line('issue', 'certificate issue', { value: issued, unit, floor, bar: { most: 1.7 } })
  yield line('issue', 'TBSCertificate encode', { value: encoded, unit, floor })
  yield line('issue', 'certificate decode', { value: decoded, unit, floor })
}
