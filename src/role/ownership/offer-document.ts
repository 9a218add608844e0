import * as z from 'zod'
import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
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

export function encodeOfferFile(document: OfferDocument): string {
  return `${encodeCanonicalJson({ format, ...document })}\n`
}

/** Short enough for a message or a QR code: without the offer itself, which the manufacturer then has to know. */
export function encodeOfferLink({ offered: _, ...document }: OfferDocument): string {
  return `${linkScheme}${encodeBase64Url(Buffer.from(encodeCanonicalJson({ format, ...document })))}`
}

/** Reads a file or a link. Throws OnboardingError `offer-not-found`. */
export function readOfferDocument(text: string): OfferDocument {
  const trimmed = text.trim()
  try {
    const json = trimmed.startsWith(linkScheme)
      ? decodeBase64Url(trimmed.slice(linkScheme.length))
      : Buffer.from(trimmed)
    const { format: _, ...document } = Document.parse(decodeJsonObject(json, limits))
    return document
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('offer-not-found', { reason: 'this is no offer file and no offer link' }, { cause })
  }
}
