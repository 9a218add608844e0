import type { KeyObject } from 'node:crypto'
import * as z from 'zod'
import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
import { CryptoError } from '../../crypto/error.ts'
import { decryptJwe, encryptJwe } from '../../crypto/jwe.ts'
import { OnboardingError } from '../../domain/error.ts'

/**
 * What a seller gives to its buyer, as a file or as a link: which offer, where it can be accepted, and the secret by which
 * it is accepted. The file holds the offer itself, too, so that a manufacturer need not have seen it before.
 */
export interface OfferDocument {
  /** As in the declarations. */
  readonly manufacturer: string
  /** Base URL of its MASA. */
  readonly masaUrl: string
  /** Hash of the offer's payload, hex. */
  readonly offer: string
  /** Acceptance secret, hex. */
  readonly secret: string
  /** The offer as the seller signed it, JWS. */
  readonly offered?: string
}

const format = 'mooring-offer 1'
/** `typ` of the JWE around an offer. */
const type = 'mooring-offer+jwe'
const linkScheme = 'mooring-offer:'
const limits = { size: 0x2_0000, depth: 2, count: 20 }

const Document = z.strictObject({
  format: z.literal(format),
  manufacturer: z.string().min(1).max(200),
  masaUrl: z.string().regex(/^https:\/\/[^\s]{1,500}$/),
  offer: z.string().regex(/^[0-9a-f]{64}$/),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  offered: z.string().max(0x1_0000).exactOptional(),
})

/** The buyer's own key, public here and private over there; absent: in the clear, and whoever has it can accept. */
type Lock = KeyObject | undefined

export function encodeOfferFile(document: OfferDocument, to?: Lock): string {
  const plain = encodeCanonicalJson({ format, ...document })
  return `${to === undefined ? plain : encryptJwe(Buffer.from(plain), { to, type })}\n`
}

/** Short enough for a message or a QR code: without the offer itself, which the manufacturer then has to know. */
export function encodeOfferLink(document: OfferDocument, to?: Lock): string {
  const { offered: _, ...short } = document
  const plain = Buffer.from(encodeCanonicalJson({ format, ...short }))
  return `${linkScheme}${to === undefined ? encodeBase64Url(plain) : encryptJwe(plain, { to, type })}`
}

/**
 * Reads a file or a link.
 * @param key opens what was encrypted to this site
 * @throws OnboardingError `offer-not-found`, and `offer-not-yours` for one that was encrypted to somebody else
 */
export function readOfferDocument(text: string, key?: Lock): OfferDocument {
  const trimmed = text.trim()
  try {
    const inLink = trimmed.startsWith(linkScheme)
    const content = inLink ? trimmed.slice(linkScheme.length) : trimmed
    const json = isEncrypted(content) ? opened(content, key) : inLink ? decodeBase64Url(content) : Buffer.from(content)
    const { format: _, ...document } = Document.parse(decodeJsonObject(json, limits))
    return document
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('offer-not-found', { reason: 'this is no offer file and no offer link' }, { cause })
  }
}

/** JWE in Compact Serialization: base64url and four points, which neither JSON nor a link in the clear is. */
function isEncrypted(text: string): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(text)
}

function opened(text: string, key: Lock): Uint8Array {
  if (key === undefined) throw new OnboardingError('offer-not-yours', { reason: 'this site has no key for offers' })
  try {
    return decryptJwe(text, { key, type })
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new OnboardingError('offer-not-yours', { reason: 'encrypted to somebody else, or damaged' }, { cause })
  }
}
