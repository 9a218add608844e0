import type { CertificateList } from '../codec/crl.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { CryptoError } from '../crypto/error.ts'
import { signJws, verifyJws } from '../crypto/jws.ts'
import { validatePath } from '../crypto/path.ts'
import type { Signer } from '../crypto/signer.ts'
import type { TrustAnchor } from '../crypto/trust.ts'
import { type DeviceInformationDeclaration, decodeDeclaration, encodeDeclaration } from './declaration.ts'

/** `typ` of the JWS around a declaration, so that no other signed object passes for one. */
export const declarationType = 'device-information-declaration+jws'

/**
 * RFC 9336 id-kp-documentSigning. Whoever signs declarations and manifests must name it in its certificate: a device
 * certificate below the same root, or a voucher signer, then cannot say who owns a device.
 */
export const documentSigning = '1.3.6.1.5.5.7.3.36'

/** The declaration as a JWS in General JSON Serialization; the chain travels as x5c. */
export function signDeclaration(
  declaration: DeviceInformationDeclaration,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  return signJws({
    payload: encodeDeclaration(declaration),
    header: { typ: declarationType },
    signer: by.signer,
    certificates: by.chain,
  })
}

/** By what the signer of a document is believed. */
export interface SignerTrust {
  readonly anchors: readonly TrustAnchor[]
  readonly at: Date
  /** Of CAs of signers: delegates that may not sign any more. */
  readonly crls?: readonly CertificateList[]
}

/**
 * A function that reads signed declarations and verifies signature and path. The path of each signer is validated once,
 * since a shipment holds thousands of declarations by one. The function throws CodecError, CryptoError or PathError.
 */
export function declarationReader(trust: SignerTrust): (bytes: Uint8Array) => DeviceInformationDeclaration {
  const trusted = new WeakSet<Certificate>()
  return bytes => {
    const signed = openSigned(bytes, declarationType)
    if (!trusted.has(signed.signer)) {
      validateSigner(signed.chain, trust)
      trusted.add(signed.signer)
    }
    return decodeDeclaration(signed.payload)
  }
}

/** A JWS of one signature and of this `typ`, whose signature is good; the path is not looked at. */
export function openSigned(
  bytes: Uint8Array,
  type: string,
): { readonly payload: Uint8Array; readonly signer: Certificate; readonly chain: readonly Certificate[] } {
  const { payload, signatures } = verifyJws(bytes)
  const [signature] = signatures
  if (signature === undefined || signatures.length !== 1) {
    throw new CryptoError('bad-signature', 'a signed document has one signature')
  }
  if (signature.header['typ'] !== type) throw new CryptoError('bad-signature', `the JWS is not a ${type}`)
  return { payload, signer: signature.signerCertificate, chain: signature.certificates }
}

/** The path of one who signs documents. @returns the anchor. Throws PathError or CryptoError. */
export function validateSigner(chain: readonly Certificate[], trust: SignerTrust): TrustAnchor {
  const { leaf, anchor } = validatePath({ chain, ...trust, purpose: [documentSigning] })
  // Path validation takes a certificate without extendedKeyUsage for every purpose (RFC 5280 section 4.2.1.12).
  if (leaf.extendedKeyUsage?.includes(documentSigning) !== true) {
    throw new CryptoError('key-mismatch', 'the certificate of the signer is not for signing documents')
  }
  return anchor
}
