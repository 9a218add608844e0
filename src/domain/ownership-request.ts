import { hash } from 'node:crypto'
import * as z from 'zod'
import { CodecError } from '../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../codec/json.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { signJws } from '../crypto/jws.ts'
import type { Signer } from '../crypto/signer.ts'
import { openSigned } from './declaration-jws.ts'
import { OnboardingError } from './error.ts'
import { type FailureCodes, withCodes } from './failure.ts'

/*
 * What an owner, or who is to become one, asks of the manufacturer: JSON in a JWS by a registrar of the party, whose chain
 * travels as x5c. A request is named by the hash of its payload, and answered alike however often it comes.
 */

export const ownershipRequestType = 'ownership-request+jws'
/** Beside the MASA, at the same origin. */
export const ownershipPath = '/.well-known/mooring/ownership'
export const ownershipMediaType = { request: 'application/jose+json', answer: 'application/json' } as const

/** Of one request: all of them change hands in one transaction. */
export const maxDevices = 128
/** Milliseconds that an offer may wait. */
export const maxOfferTime = 90 * 86_400_000
/** Bytes of an acceptance secret. */
export const secretBytes = 32

const Text = z.string().min(1).max(200)
const Hash = z.string().regex(/^[0-9a-f]{64}$/)
const Time = z.int().nonnegative()
const RequestParty = z.strictObject({
  id: Text,
  name: Text,
  domains: z.array(z.base64().max(64)).min(1).max(16).readonly(),
})

/** A device and the version of its declaration that the requester knows. */
const Target = z.strictObject({ serial: Text, version: z.int().min(1) })

/** What the owner says of a device that it gives away (white paper section 4.1). */
const OfferedDevice = z.strictObject({
  ...Target.shape,
  lifecycle: z.string().max(16),
  wiped: z.boolean(),
  onboarded: z.boolean(),
})

const head = {
  /** Random: two requests of one content are two. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** As in the declarations. */
  manufacturer: Text,
  /**
   * SHA-256 of the SubjectPublicKeyInfo of what the requester trusts the manufacturer's statements by: two of one name are
   * two, and a request to one is worth nothing at the other.
   */
  roots: z.array(Hash).min(1).max(16).readonly(),
  /** Milliseconds since 1970. */
  at: Time,
}

const some = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(maxDevices).readonly()

const OwnershipOffer = z.strictObject({
  ...head,
  action: z.literal('offer'),
  devices: some(OfferedDevice),
  expiresAt: Time,
  /** SHA-256 of the acceptance secret. */
  secretHash: Hash,
  /** Absent: whoever has the secret. */
  buyer: RequestParty.optional(),
})

const OwnershipAcceptance = z.strictObject({
  ...head,
  action: z.literal('accept'),
  /** `requestHash` of the offer. */
  offer: Hash,
  /** The offer as its owner signed it, for a manufacturer that has not seen it. */
  offered: z.string().max(0x1_0000).optional(),
  /** Hex. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  buyer: RequestParty,
})

const OfferRevocation = z.strictObject({
  ...head,
  action: z.literal('revoke-offer'),
  offer: Hash,
  offered: z.string().max(0x1_0000).optional(),
})

const OnboarderGrant = z.strictObject({
  ...head,
  action: z.literal('grant'),
  devices: some(Target),
  onboarder: RequestParty,
})

const OnboarderRevocation = z.strictObject({
  ...head,
  action: z.literal('revoke'),
  devices: some(Target),
  onboarder: Text,
})

/** By whoever keeps the MUD file: where it is from now on, and who keeps it, if that is another. */
const IntentChange = z.strictObject({
  ...head,
  action: z.literal('intend'),
  devices: some(Target),
  mudUrl: z.string().max(255),
  keeper: RequestParty.optional(),
})

/** The newest declarations, for the owner and authorized onboarders; of an offer, for the one who made it. */
const OwnershipInquiry = z.strictObject({
  ...head,
  action: z.literal('show'),
  serials: some(Text).optional(),
  offer: Hash.optional(),
})

const OwnershipRequest = z.discriminatedUnion('action', [
  OwnershipOffer,
  OwnershipAcceptance,
  OfferRevocation,
  OnboarderGrant,
  OnboarderRevocation,
  IntentChange,
  OwnershipInquiry,
])

export type OwnershipRequest = z.infer<typeof OwnershipRequest>
export type OwnershipOffer = z.infer<typeof OwnershipOffer>
export type OwnershipAcceptance = z.infer<typeof OwnershipAcceptance>

/** A request whose signature is good; whose it is says `chain`, which nobody has validated. */
export interface OpenedOwnershipRequest<R extends OwnershipRequest = OwnershipRequest> {
  readonly request: R
  /** SHA-256 of the payload, hex: what the request is known by. */
  readonly hash: string
  readonly chain: readonly Certificate[]
  readonly bytes: Uint8Array
}

const limits = { size: 0x2_0000, depth: 5, count: 2000 }

/** Throws OnboardingError `ownership-request-invalid` for what no reader would take. */
export async function signOwnershipRequest(
  request: OwnershipRequest,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  const parsed = OwnershipRequest.safeParse(request)
  if (!parsed.success) {
    throw new OnboardingError('ownership-request-invalid', { rule: ruleOf(parsed.error) })
  }
  return signJws({
    payload: Buffer.from(encodeCanonicalJson(parsed.data)),
    header: { typ: ownershipRequestType },
    signer: by.signer,
    certificates: by.chain,
  })
}

const invalid = 'ownership-request-invalid'
const codes: FailureCodes = { malformed: invalid, signature: invalid, path: invalid }

/** Throws OnboardingError `ownership-request-invalid`, with the detail `rule`. */
export function openOwnershipRequest(bytes: Uint8Array): OpenedOwnershipRequest {
  return withCodes(codes, () => {
    const { payload, chain } = openSigned(bytes, ownershipRequestType)
    const parsed = OwnershipRequest.safeParse(decodeJsonObject(payload, limits))
    if (!parsed.success) throw new CodecError('bad-value', `not an ownership request: ${ruleOf(parsed.error)}`)
    // One text for one request, so that its hash is the same for everybody.
    if (encodeCanonicalJson(parsed.data) !== Buffer.from(payload).toString('utf8')) {
      throw new CodecError('not-minimal', 'the request is not in its canonical form', 0)
    }
    return { request: parsed.data, hash: hash('sha256', payload), chain, bytes }
  })
}

/** Hex in, hex out. */
export function secretHashOf(secret: string): string {
  return hash('sha256', Buffer.from(secret, 'hex'))
}

function ruleOf({ issues }: z.ZodError): string {
  const [issue] = issues
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim().slice(0, 200)
}
