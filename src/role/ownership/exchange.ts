import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject } from '../../codec/json.ts'
import { type ErrorCode, isErrorCode, OnboardingError } from '../../domain/error.ts'
import { ownershipMediaType } from '../../domain/ownership-request.ts'
import type { OwnershipClient } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'

/** What the manufacturer answered. Manifest and statement are not verified yet; the offer is for people to read. */
export interface ReceivedAnswer {
  readonly offer?: { readonly id: string; readonly state: 'open' | 'accepted' | 'revoked' }
  readonly manifest?: string
  /** JWS: that the offer was taken back. */
  readonly statement?: string
}

export const maxAnswerBytes = 0x10_0000

const Party = z.object({ id: z.string(), name: z.string(), domains: z.array(z.string()).max(16) })
const Answer = z.object({
  offer: z
    .object({
      id: z.string().regex(/^[0-9a-f]{64}$/),
      state: z.enum(['open', 'accepted', 'revoked']),
      serials: z.array(z.string()).max(1000),
      expiresAt: z.number(),
      buyer: Party.exactOptional(),
    })
    .exactOptional(),
  manifest: z.string().exactOptional(),
  statement: z.string().max(0x1_0000).exactOptional(),
})

/** Throws OnboardingError `masa-answer-invalid`. */
export function readAnswer(bytes: Uint8Array): ReceivedAnswer {
  try {
    return Answer.parse(decodeJsonObject(bytes, { size: maxAnswerBytes, depth: 5, count: 5000 }))
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('masa-answer-invalid', { rule: 'ownership-answer' }, { cause })
  }
}

/** Sends a signed request. Throws OnboardingError: the manufacturer's own code, or `masa-…` when there is no answer. */
export async function sendRequest(
  client: OwnershipClient,
  to: { readonly manufacturer: TrustedManufacturer; readonly baseUrl: string },
  body: Uint8Array,
): Promise<ReceivedAnswer> {
  const { request: contentType, answer: accept } = ownershipMediaType
  const answer = await client.requestOwnership({ ...to, body, contentType, accept })
  if (answer.status === 200) return readAnswer(answer.body)
  const text = Buffer.from(answer.body.subarray(0, 300))
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, ' ')
  throw new OnboardingError(codeOf(text, answer.status), { status: answer.status, reason: text })
}

/** Codes that an ownership service of ours gives; from anybody else's, the reason is passed on as text. */
const relayed = new Set<ErrorCode>([
  'ownership-request-invalid',
  'registrar-not-authorized',
  'not-owner',
  'not-keeper',
  'delegate-revoked',
  'declaration-stale',
  'unit-not-found',
  'unit-withdrawn',
  'lifecycle-transition-refused',
  'lifecycle-guard-unmet',
  'offer-not-found',
  'offer-not-yours',
  'offer-secret-wrong',
  'offer-accepted',
  'offer-revoked',
  'offer-expired',
  'input-invalid',
])

function codeOf(text: string, status: number): ErrorCode {
  const named = /^([a-z-]+):/.exec(text)?.[1] ?? ''
  // A person typed none of this: what the manufacturer found in it is about the request.
  if (named === 'not-found') return 'ownership-request-invalid'
  if (isErrorCode(named) && relayed.has(named)) return named
  return status >= 500 || status === 429 ? 'masa-unreachable' : 'masa-refused'
}
