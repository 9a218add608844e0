import type { KeyObject } from 'node:crypto'
import {
  type CertificateList,
  crlExtensionKinds,
  encodeCertificateList,
  encodeTbsCertList,
  type TbsCertListFields,
} from '../codec/crl.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../codec/x509/extension.ts'
import { sameName } from '../codec/x509/name.ts'
import { CryptoError } from './error.ts'
import {
  authorityKeyOf,
  checkIssuer,
  checkSigner,
  type Issuer,
  type PreparedSigning,
  preparedSigning,
} from './issue.ts'
import { publicKeyOf } from './key.ts'
import { algorithmIdentifier, type Signer } from './signer.ts'
import { type VerifyOptions, verifySignature } from './verify.ts'

export interface CrlTemplate {
  readonly issuer: Issuer
  /** Higher than the one before (RFC 5280 5.2.3). */
  readonly number: bigint
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: TbsCertListFields['revoked']
}

/** A complete CRL but for its signature. Throws as `prepareCertificate` does. */
export function prepareCrl({ issuer, number, thisUpdate, nextUpdate, revoked }: CrlTemplate): PreparedSigning {
  checkIssuer(issuer, 'cRLSign')
  if (!(thisUpdate.getTime() < nextUpdate.getTime())) {
    throw new CryptoError('malformed-template', 'nextUpdate is not after thisUpdate')
  }
  const tbsDer = encodeTbsCertList({
    signature: algorithmIdentifier[issuer.signer.algorithm],
    issuer: issuer.certificate.subject.der,
    thisUpdate,
    nextUpdate,
    revoked,
    extensions: [authorityKeyOf(issuer.certificate), makeExtension(crlExtensionKinds.cRLNumber, octetsOf(number))],
  })
  return preparedSigning(tbsDer, issuer.signer)
}

/** The CRL in DER. */
export async function signCrl(prepared: PreparedSigning, signer: Signer): Promise<Buffer> {
  checkSigner(prepared, signer)
  return encodeCertificateList(
    prepared.tbsDer,
    algorithmIdentifier[signer.algorithm],
    await signer.sign(prepared.tbsDer),
  )
}

/** A CRL that its issuer signed and that speaks for all of the issuer's certificates. */
export interface VerifiedCrl {
  readonly list: CertificateList
  readonly issuer: Certificate
}

const understood = new Set<string>([crlExtensionKinds.cRLNumber.id, extensionKinds.authorityKeyIdentifier.id])
/** reasonCode and invalidityDate (RFC 5280 5.3). */
const understoodInEntry = new Set(['2.5.29.21', '2.5.29.24'])

/** With which key a list was found good: one of 16 MiB is not read through for each device that connects. */
const verified = new WeakMap<CertificateList, KeyObject>()

/**
 * RFC 5280 6.3.3 for complete CRLs of the issuer itself; whether the CRL is current is for the caller to see. Throws
 * CryptoError: `key-mismatch` (another issuer, or one that may not sign CRLs), `bad-signature`, `weak-algorithm`, and
 * `unsupported-crl` for delta, partial and indirect ones, whose silence about a certificate would prove nothing.
 */
export function verifyCrl(list: CertificateList, issuer: Certificate, options?: VerifyOptions): VerifiedCrl {
  if (!sameName(list.issuer, issuer.subject)) throw new CryptoError('key-mismatch', 'the CRL has another issuer')
  if (issuer.keyUsage?.includes('cRLSign') === false) {
    throw new CryptoError('key-mismatch', 'the key usage of the issuer does not allow CRLs')
  }
  const publicKey = publicKeyOf(issuer)
  if (verified.get(list) !== publicKey) {
    checkScope(list)
    verifySignature(list.signatureAlgorithm, publicKey, list.tbsDer, list.signature, options)
    if (options === undefined) verified.set(list, publicKey)
  }
  return { list, issuer }
}

/** Delta and partial CRLs count as such even where their extension is, against RFC 5280 5.2, not critical. */
function checkScope({ extensions, issuingDistributionPoint, revoked }: CertificateList): void {
  const strange = extensions.find(
    ({ id, critical }) => id === crlExtensionKinds.deltaCRLIndicator.id || (critical && !understood.has(id)),
  )
  if (strange !== undefined || issuingDistributionPoint !== undefined) {
    throw new CryptoError('unsupported-crl', `the CRL is not a complete one (extension ${strange?.id ?? '2.5.29.28'})`)
  }
  for (const entry of revoked.values()) {
    if (entry.extensions.some(({ id, critical }) => critical && !understoodInEntry.has(id))) {
      throw new CryptoError('unsupported-crl', 'the CRL has an entry with an unknown critical extension')
    }
  }
}

function octetsOf(number: bigint): Buffer {
  if (number < 0n || number >= 1n << 159n) throw new CryptoError('malformed-template', 'CRL number over 20 octets')
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}
