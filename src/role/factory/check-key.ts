import { decode } from '../../codec/der/codec.ts'
import { oid } from '../../codec/der/oid.ts'
import { integer } from '../../codec/der/primitive.ts'
import { sequence } from '../../codec/der/structure.ts'
import { CodecError } from '../../codec/error.ts'
import { keyOid, signatureAlgorithm } from '../../codec/x509/algorithm.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { attributeValues } from '../../codec/x509/name.ts'
import type { Finding, Inspection } from './finding.ts'

const RsaPublicKey = sequence({ modulus: integer, publicExponent: integer })

/** The key, the signature, the key identifiers, and whether another unit has the same key. */
export function keyFindings({ certificate, others }: Inspection): Finding[] {
  return [
    ...publicKeyFindings(certificate),
    ...signatureFindings(certificate),
    ...identifierFindings(certificate),
    ...sharedKeyFindings(certificate, others),
  ]
}

function publicKeyFindings(certificate: Certificate): Finding[] {
  const finding = (rule: string, severity: Finding['severity'], message: string): Finding => ({
    rule,
    severity,
    message,
    section: 'IEEE 802.1AR-2018 section 7',
  })
  const { algorithm, parameters } = certificate.publicKeyAlgorithm
  if (algorithm === keyOid.ecPublicKey) {
    const curve = namedCurve(parameters)
    if (curve === keyOid.secp256r1 || curve === keyOid.secp384r1) return []
    if (curve === keyOid.secp521r1)
      return [finding('key-curve', 'note', 'P-521: slow, and absent from small TLS stacks')]
    return [finding('key-curve', 'error', `curve ${curve}: not among those that TLS peers and MASAs accept`)]
  }
  if (algorithm === keyOid.rsaEncryption) {
    const bits = modulusBits(certificate.subjectPublicKey)
    return bits < 2048
      ? [finding('key-weak', 'error', `RSA key of ${bits} bits: refused everywhere`)]
      : [
          finding(
            'key-rsa',
            'note',
            `RSA key of ${bits} bits: works, with large messages; P-256 is what BRSKI profiles expect`,
          ),
        ]
  }
  if (algorithm === keyOid.ed25519) {
    return [finding('key-ed25519', 'warning', 'Ed25519: TLS 1.2 stacks and hardware tokens often cannot use it')]
  }
  return [finding('key-unknown', 'error', `key algorithm ${algorithm}: nobody can verify with it`)]
}

function namedCurve(parameters: Uint8Array | undefined): string {
  try {
    return parameters === undefined ? 'absent' : decode(oid, parameters)
  } catch {
    return 'not named'
  }
}

function modulusBits(key: Uint8Array): number {
  try {
    const { modulus } = decode(RsaPublicKey, key)
    return modulus.length * 8 - Math.clz32(modulus[0]!) + 24
  } catch {
    return 0
  }
}

function signatureFindings(certificate: Certificate): Finding[] {
  const section = 'RFC 9155'
  try {
    const { hash, name, key } = signatureAlgorithm(certificate.signatureAlgorithm)
    if (hash === 'sha1') {
      return [
        {
          rule: 'signature-sha1',
          severity: 'error',
          message: `signed with ${name}: refused by every TLS stack of today`,
          section,
        },
      ]
    }
    if (key === 'ec' || certificate.publicKeyAlgorithm.algorithm !== keyOid.ecPublicKey) return []
    return [
      {
        rule: 'signature-mixed',
        severity: 'note',
        message: `an EC key under a signature with ${name}: small devices and peers need two algorithms to verify the chain`,
        section: 'RFC 8446 section 4.4.2.2',
      },
    ]
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    const message = `signature algorithm ${certificate.signatureAlgorithm.algorithm} is not one that peers verify`
    return [{ rule: 'signature-unknown', severity: 'error', message, section: 'RFC 5280 section 4.1.1.2' }]
  }
}

function identifierFindings(certificate: Certificate): Finding[] {
  const findings: Finding[] = []
  if (certificate.authorityKeyIdentifier?.keyIdentifier === undefined) {
    findings.push({
      rule: 'aki-missing',
      severity: 'warning',
      message:
        'no AuthorityKeyIdentifier: the registrar has to make up idevid-issuer, and MASAs that match it literally refuse',
      section: 'RFC 5280 section 4.2.1.1, RFC 8366 section 5.3',
    })
  }
  if (certificate.subjectKeyIdentifier === undefined) {
    findings.push({
      rule: 'ski-missing',
      severity: 'note',
      message: 'no SubjectKeyIdentifier: peers that find certificates by key identifier compute their own',
      section: 'RFC 5280 section 4.2.1.2',
    })
  }
  return findings
}

function sharedKeyFindings(certificate: Certificate, others: readonly Certificate[]): Finding[] {
  const same = others.filter(
    other =>
      Buffer.compare(other.spkiDer, certificate.spkiDer) === 0 && Buffer.compare(other.der, certificate.der) !== 0,
  )
  const serial = deviceSerial(certificate)
  const stranger = same.find(other => deviceSerial(other) !== serial)
  if (stranger !== undefined) {
    return [
      {
        rule: 'key-shared',
        severity: 'error',
        message: `unit ${deviceSerial(stranger)} has the same key: whoever opens one can pose as the other`,
        section: 'IEEE 802.1AR-2018 section 6.2',
      },
    ]
  }
  if (same.length === 0) return []
  return [
    {
      rule: 'certificate-repeated',
      severity: 'warning',
      message: `${same.length} more certificates exist for this key and serial number: identify the device by anchor and serial number`,
      section: 'RFC 8995 section 2.3.1',
    },
  ]
}

function deviceSerial(certificate: Certificate): string {
  return attributeValues(certificate.subject, 'serialNumber').join(' ') || '(none)'
}
