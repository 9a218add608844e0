import { decodeBase64, encodeBase64 } from '../../codec/base64.ts'
import { decodeCertsOnly, encodeCertsOnly } from '../../codec/cms.ts'
import { type CsrAttrs, decodeCsrAttrs, encodeCsrAttrs } from '../../codec/csrattrs.ts'
import { encode } from '../../codec/der/codec.ts'
import { utf8String } from '../../codec/der/string.ts'
import { CodecError } from '../../codec/error.ts'
import type { Json, JsonObject } from '../../codec/json.ts'
import { type Attribute, requestAttribute } from '../../codec/pkcs10.ts'
import { type VerifiedCsr, verifyCsr } from '../../crypto/csr.ts'
import { CryptoError } from '../../crypto/error.ts'
import { Secret } from '../../crypto/secret.ts'
import type { DppCurve } from './curve.ts'
import type { DppPublicKey } from './key.ts'
import { hkdfExpand } from './key-schedule.ts'

/** What a station needs beside its key to authenticate by EAP-TLS (Easy Connect section 4.5.5). */
export interface EnterpriseCredentials {
  /** DER; the station's own first: hostap takes the first one for its own, whatever the bag says. */
  readonly certBag: readonly Uint8Array[]
  /** DER of the CA that signs the EAP server. */
  readonly caCert?: Uint8Array
  readonly trustedEapServerName?: string
  /** EAP types; 13 is TLS. */
  readonly eapMethods?: readonly number[]
}

const maxCertificates = 8
const maxText = 0x8000
const maxServerName = 256
const maxMethods = 16

/** Reads `entCreds`. Throws CodecError. */
export function decodeEntCreds(json: JsonObject): EnterpriseCredentials {
  const { certBag, caCert, trustedEapServerName: name, eapMethods } = json
  const { certificates } = decodeCertsOnly(bytesOf(certBag, 'certBag'))
  if (certificates.length === 0) throw new CodecError('bad-value', 'certBag without certificate')
  if (certificates.length > maxCertificates) throw new CodecError('too-many', 'certBag with too many certificates')
  if (name !== undefined && (typeof name !== 'string' || name === '' || name.length > maxServerName))
    throw new CodecError('bad-value', 'trustedEapServerName is no name')
  return {
    certBag: certificates,
    ...(caCert !== undefined && { caCert: bytesOf(caCert, 'caCert') }),
    ...(name !== undefined && { trustedEapServerName: name }),
    ...(eapMethods !== undefined && { eapMethods: methodsOf(eapMethods) }),
  }
}

/** Members in the order of hostap. */
export function encodeEntCreds(credentials: EnterpriseCredentials): JsonObject {
  const { certBag, caCert, trustedEapServerName, eapMethods } = credentials
  if (certBag.length === 0) throw new CodecError('bad-value', 'certBag without certificate')
  return {
    certBag: encodeBase64(encodeCertsOnly({ certificates: certBag, order: 'given' })),
    ...(caCert !== undefined && { caCert: encodeBase64(caCert) }),
    ...(trustedEapServerName !== undefined && { trustedEapServerName }),
    ...(eapMethods !== undefined && { eapMethods }),
  }
}

function bytesOf(value: Json | undefined, name: string): Buffer {
  if (typeof value !== 'string') throw new CodecError('bad-value', `${name} is not a text`)
  if (value.length > maxText) throw new CodecError('too-large', `${name} is too long`)
  return decodeBase64(value)
}

function methodsOf(value: Json): readonly number[] {
  if (!Array.isArray(value) || value.length > maxMethods) throw new CodecError('bad-value', 'eapMethods is no list')
  return value.map(method => {
    if (typeof method === 'number' && Number.isInteger(method) && method > 0 && method < 2 ** 32) return method
    throw new CodecError('bad-value', 'eapMethods with something else than EAP types')
  })
}

/** Attribute 101F that asks for nothing but the challengePassword. */
export const challengeOnly = encodeBase64(encodeCsrAttrs({ oids: [requestAttribute.challengePassword] }))

/** Reads attribute 101F: base64 text of CsrAttrs. Throws CodecError. */
export function decodeCsrAttributes(bytes: Uint8Array): CsrAttrs {
  return decodeCsrAttrs(decodeBase64(Buffer.from(bytes).toString('latin1')))
}

/** Easy Connect section 6.4.2: binds the request to this exchange. @param bk of the authentication on that curve */
export function challengePassword(curve: DppCurve, bk: Uint8Array): Secret {
  return new Secret(encodeBase64(hkdfExpand(curve, bk, 'CSR challengePassword', 64)))
}

/** The attribute as everybody writes it, UTF8String even where PrintableString would do. */
export function challengeAttribute(password: Secret): Attribute {
  return { type: requestAttribute.challengePassword, values: [encode(utf8String, password.revealText())] }
}

/**
 * The request of an Enrollee: signed with the key in it, which is the protocol key of this exchange, and made for this
 * exchange. Throws CryptoError `malformed-request`, `key-mismatch`, `bad-signature` and what `verifyCsr` throws: all
 * are answered with CSR_BAD.
 */
export function verifyEnrolleeCsr(
  pkcs10: Uint8Array,
  exchange: { readonly password: Secret; readonly protocolKey: DppPublicKey },
): VerifiedCsr {
  // hostap takes the one for the other by construction, and nobody checks. A relayed request of another device ends here.
  const verified = verifyCsr(pkcs10, { expectedKey: exchange.protocolKey.key })
  const { challengePassword: password } = verified.request
  if (password === undefined || !exchange.password.equals(password))
    throw new CryptoError('bad-signature', 'the challengePassword is not that of this exchange')
  return verified
}
