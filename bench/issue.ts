/**
 * What it costs to issue a certificate beyond the signature in it: name, TBSCertificate and certificate are encoded for
 * each. The floor is crypto.sign alone over the same bytes with the same KeyObject, in the same run.
 *
 * node bench/issue.ts -> JSON lines { bench, metric, value, unit, floor, ratio }
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { ecdsaWithSHA256 } from '../src/codec/x509/algorithm.ts'
import { decodeCertificate, encodeCertificate, encodeTbsCertificate } from '../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../src/codec/x509/extension.ts'
import { encodeName } from '../src/codec/x509/name.ts'

const ROUNDS = 41
const PER_ROUND = 500

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

/** Microseconds of one call, and the same for each further one, in rounds that take turns so that noise hits all alike. */
function compare(...calls: ((unit: number) => unknown)[]): number[] {
  const times: number[][] = calls.map(() => [])
  for (let round = -5; round < ROUNDS; round++) {
    calls.forEach((call, which) => {
      const start = process.hrtime.bigint()
      for (let unit = 0; unit < PER_ROUND; unit++) call(unit)
      const microseconds = Number(process.hrtime.bigint() - start) / 1000 / PER_ROUND
      if (round >= 0) times[which]!.push(microseconds)
    })
  }
  return times.map(list => list.sort((a, b) => a - b)[list.length >> 1]!)
}

function report(metric: string, value: number, floor: number): void {
  const line = { bench: 'issue', metric, value, unit: 'us', floor, ratio: value / floor }
  console.log(JSON.stringify(line, (_, field) => (typeof field === 'number' ? Number(field.toFixed(3)) : field)))
}

const [signature, issued, encoded, decoded] = compare(
  () => sign('sha256', same, ca.privateKey),
  issue,
  tbs,
  () => decodeCertificate(certificate),
) as [number, number, number, number]
report('certificate issue', issued, signature)
report('tbs encode', encoded, signature)
report('certificate decode', decoded, signature)
