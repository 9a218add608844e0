import * as z from 'zod'
import { CodecError } from '../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../codec/json.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { signJws } from '../crypto/jws.ts'
import type { Signer } from '../crypto/signer.ts'
import { openSigned, type SignerTrust, validateSigner } from './declaration-jws.ts'
import { type FailureCodes, withCodes } from './failure.ts'

/*
 * That an offer was taken back, signed by the manufacturer: its answer may travel as a file, and who carries it, or keeps
 * the request to himself, must not be able to say so. That one was accepted shows in the declarations.
 */

export const offerStatementType = 'ownership-offer-revoked+jws'

const OfferStatement = z.strictObject({
  version: z.literal(1),
  /** Hash of the offer's payload, hex. */
  offer: z.string().regex(/^[0-9a-f]{64}$/),
  state: z.literal('revoked'),
})
export type OfferStatement = z.infer<typeof OfferStatement>

export function signOfferStatement(
  offer: string,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  const payload: OfferStatement = { version: 1, offer, state: 'revoked' }
  return signJws({
    payload: Buffer.from(encodeCanonicalJson(payload)),
    header: { typ: offerStatementType },
    signer: by.signer,
    certificates: by.chain,
  })
}

const invalid = 'masa-answer-invalid'
const codes: FailureCodes = { malformed: invalid, signature: invalid, path: invalid }

/** Throws OnboardingError `masa-answer-invalid`, with the detail `rule`. */
export function openOfferStatement(bytes: Uint8Array, trust: SignerTrust): OfferStatement {
  return withCodes(codes, () => {
    const { payload, chain } = openSigned(bytes, offerStatementType)
    validateSigner(chain, trust)
    const parsed = OfferStatement.safeParse(decodeJsonObject(payload, { size: 1000, depth: 2, count: 10 }))
    if (!parsed.success) throw new CodecError('bad-value', 'not a statement about an offer')
    return parsed.data
  })
}
