import { hash, randomFillSync } from 'node:crypto'
import { type Certificate, encodeCertificate, encodeTbsCertificate } from '../codec/x509/certificate.ts'
import { type Extension, extensionKinds, extensionValue, makeExtension } from '../codec/x509/extension.ts'
import { CryptoError } from './error.ts'
import { keyIdentifier } from './key.ts'
import { algorithmIdentifier, type SignatureAlgorithm, type Signer } from './signer.ts'

/** A CA: its certificate and the key that belongs to it. */
export interface Issuer {
  readonly certificate: Certificate
  readonly signer: Signer
}

export interface CertificateTemplate {
  /** Name in DER, from `encodeName` or another certificate's `subject.der`. */
  readonly subject: Uint8Array
  /** The key to be certified, as SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array
  /** 'self' and the signer of `spkiDer` make a root. */
  readonly issuer: Issuer | { readonly certificate: 'self'; readonly signer: Signer }
  /** 1 to 20 octets; 126 random bits when absent. */
  readonly serialNumber?: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** All but the two key identifiers, which are always added. */
  readonly extensions: readonly Extension[]
}

/** What a CA is about to sign: to be put on record first (persist before sign). */
export interface PreparedSigning {
  readonly tbsDer: Buffer
  /** SHA-256 of `tbsDer`, lower-case hexadecimal. */
  readonly hash: string
  readonly algorithm: SignatureAlgorithm
  /** SubjectPublicKeyInfo of the only key that may sign it. */
  readonly issuerSpkiDer: Uint8Array
}

export interface PreparedCertificate extends PreparedSigning {
  /** As `Certificate.serialHex`. */
  readonly serialHex: string
}

/** basicConstraints and keyUsage of a certificate authority (RFC 5280 4.2.1.9, 4.2.1.3). */
export function caExtensions(pathLenConstraint?: number): Extension[] {
  const constraints = pathLenConstraint === undefined ? { cA: true } : { cA: true, pathLenConstraint }
  return [
    makeExtension(extensionKinds.basicConstraints, constraints),
    makeExtension(extensionKinds.keyUsage, ['keyCertSign', 'cRLSign']),
  ]
}

/**
 * All of the certificate but its signature. Throws CryptoError `malformed-template` for what no verifier would accept
 * (an issuer that is no CA, an end before the beginning, no name at all), `key-mismatch` when the signer is not the
 * issuer's, and CodecError for names, serial numbers or extensions that have no encoding.
 */
export function prepareCertificate(template: CertificateTemplate): PreparedCertificate {
  const { subject, spkiDer, issuer, notBefore, notAfter } = template
  checkTemplate(template)
  const self = issuer.certificate === 'self'
  const subjectKey = keyIdentifier(spkiDer)
  const extensions = [
    ...template.extensions,
    makeExtension(extensionKinds.subjectKeyIdentifier, subjectKey),
    self ? authorityKey(subjectKey) : authorityKeyOf(issuer.certificate),
  ]
  const serialNumber = template.serialNumber ?? randomSerialNumber()
  const tbsDer = encodeTbsCertificate({
    serialNumber,
    signature: algorithmIdentifier[issuer.signer.algorithm],
    issuer: self ? subject : issuer.certificate.subject.der,
    validity: { notBefore, notAfter },
    subject,
    spkiDer,
    extensions,
  })
  return { ...preparedSigning(tbsDer, issuer.signer), serialHex: hexOf(serialNumber) }
}

/** The certificate in DER. Throws CryptoError `key-mismatch` for the signer of another issuer. */
export async function signCertificate(prepared: PreparedCertificate, signer: Signer): Promise<Buffer> {
  checkSigner(prepared, signer)
  return encodeCertificate(prepared.tbsDer, algorithmIdentifier[signer.algorithm], await signer.sign(prepared.tbsDer))
}

/** Both steps at once, for certificates that nobody would miss: tests, demonstrations, roots made by hand. */
export function issueCertificate(template: CertificateTemplate): Promise<Buffer> {
  return signCertificate(prepareCertificate(template), template.issuer.signer)
}

export function preparedSigning(tbsDer: Buffer, signer: Signer): PreparedSigning {
  return { tbsDer, hash: hash('sha256', tbsDer), algorithm: signer.algorithm, issuerSpkiDer: signer.spkiDer }
}

export function checkSigner({ algorithm, issuerSpkiDer }: PreparedSigning, signer: Signer): void {
  if (signer.algorithm !== algorithm || !signer.spkiDer.equals(issuerSpkiDer)) {
    throw new CryptoError('key-mismatch', 'this was prepared for another key')
  }
}

/** The issuer, if it can sign at all: a CA whose signer holds its key. */
export function checkIssuer({ certificate, signer }: Issuer, usage: 'keyCertSign' | 'cRLSign'): void {
  if (!signer.spkiDer.equals(certificate.spkiDer)) {
    throw new CryptoError('key-mismatch', 'the signer does not hold the key of the issuer certificate')
  }
  const { basicConstraints, keyUsage } = certificate
  if (basicConstraints?.cA !== true || keyUsage?.includes(usage) === false) {
    throw new CryptoError('malformed-template', `the issuer certificate does not allow ${usage}`)
  }
}

function checkTemplate({ issuer, spkiDer, subject, notBefore, notAfter, extensions }: CertificateTemplate): void {
  const malformed = (why: string) => new CryptoError('malformed-template', why)
  if (!(notBefore.getTime() <= notAfter.getTime())) throw malformed('the validity ends before it begins')
  const own = extensionValue(extensions, extensionKinds.basicConstraints)
  // RFC 5280 4.1.2.6: an empty name (30 00) only with a critical subjectAltName, and never in a CA.
  if (subject.length <= 2) {
    const altName = extensions.find(({ id }) => id === extensionKinds.subjectAltName.id)
    if (altName?.critical !== true || own?.cA === true) throw malformed('the subject has no name')
  }
  if (issuer.certificate === 'self') {
    if (!issuer.signer.spkiDer.equals(spkiDer)) throw new CryptoError('key-mismatch', 'a root signs its own key')
    return
  }
  checkIssuer({ certificate: issuer.certificate, signer: issuer.signer }, 'keyCertSign')
  // RFC 5280 4.2.1.9
  if (own?.cA === true && issuer.certificate.basicConstraints?.pathLenConstraint === 0) {
    throw malformed('the issuer may not certify another CA (pathLenConstraint 0)')
  }
}

const authorityKey = (keyId: Uint8Array): Extension =>
  makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: keyId })

const authorityKeys = new WeakMap<Certificate, Extension>()

/** authorityKeyIdentifier of what `certificate` issues (RFC 5280 4.2.1.1), kept since a CA issues many. */
export function authorityKeyOf(certificate: Certificate): Extension {
  const known = authorityKeys.get(certificate)
  if (known !== undefined) return known
  const extension = authorityKey(certificate.subjectKeyIdentifier ?? keyIdentifier(certificate.spkiDer))
  authorityKeys.set(certificate, extension)
  return extension
}

/** One call to the generator for many numbers: it costs more than the bytes. */
const pool = Buffer.alloc(4096)
let drawn = pool.length

/** 16 octets, 126 bits of them random; positive, and the same length always (RFC 5280 4.1.2.2). */
export function randomSerialNumber(): Buffer {
  if (drawn === pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  const serialNumber = Buffer.from(pool.subarray(drawn, drawn + 16))
  drawn += 16
  serialNumber[0] = (serialNumber[0]! & 0x3f) | 0x40
  return serialNumber
}

function hexOf(serialNumber: Uint8Array): string {
  return Buffer.from(serialNumber)
    .toString('hex')
    .replace(/^(00)+(?=.)/, '')
}
