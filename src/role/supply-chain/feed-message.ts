import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { signJws } from '../../crypto/jws.ts'
import type { Signer } from '../../crypto/signer.ts'
import { openSigned, type SignerTrust, validateSigner } from '../../domain/declaration-jws.ts'
import { withCodes } from '../../domain/failure.ts'

/*
 * The feed: `GET <feed>/after/<id>` lists what was published for the caller after that id, `GET <feed>/file/<id>` has the
 * signed file. The caller is known by its TLS certificate. A notice only says that there is something new.
 */

export const feedPath = '/.well-known/mooring/feed'
export const feedNoticePath = '/.well-known/mooring/feed-notice'

export const feedLimits = { list: 0x1_0000, items: 100, notice: 0x4000 } as const

/** Before the first publication. */
export const feedStart = '000000000000'

const Id = z.string().regex(/^\d{12}$/)

export const FeedList = z.strictObject({
  version: z.literal(1),
  manufacturer: z.string().min(1).max(200),
  buyer: z.string().min(1).max(200),
  /** In order of id. */
  items: z
    .array(
      z.strictObject({
        id: Id,
        kind: z.enum(['manifest', 'recall']),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        bytes: z.int().min(1),
      }),
    )
    .max(feedLimits.items),
  /** There is more behind the last of these. */
  more: z.boolean(),
})
export type FeedList = z.infer<typeof FeedList>

/** Throws CodecError. */
export function decodeFeedList(bytes: Uint8Array, after: string): FeedList {
  const parsed = FeedList.safeParse(decodeJsonObject(bytes, { size: feedLimits.list, depth: 4, count: 1000 }))
  if (!parsed.success) throw new CodecError('bad-value', 'not the list of a feed')
  let last = after
  for (const { id } of parsed.data.items) {
    if (id <= last) throw new CodecError('bad-value', 'the list of a feed is not in order')
    last = id
  }
  // Else a reader would ask for ever.
  if (parsed.data.more && parsed.data.items.length === 0) throw new CodecError('bad-value', 'more of nothing')
  return parsed.data
}

export const feedNoticeType = 'feed-notice+jws'

/** How far the clocks of both may be apart, and how long a notice may travel, milliseconds. */
export const noticeLife = 600_000

const Notice = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** The buyer that it is for: one to another site is worth nothing here. */
  buyer: z.string().min(1).max(200),
  issuedAt: z.int().nonnegative(),
})
export type FeedNotice = z.infer<typeof Notice>

export function signFeedNotice(
  notice: Omit<FeedNotice, 'version'>,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  return signJws({
    payload: Buffer.from(encodeCanonicalJson({ version: 1, ...notice })),
    header: { typ: feedNoticeType },
    signer: by.signer,
    certificates: by.chain,
  })
}

const failure = { malformed: 'notice-invalid', signature: 'notice-invalid', path: 'notice-invalid' } as const

/** Signature and path; whose devices it is about, when and for whom is for the caller. Throws OnboardingError `notice-invalid`. */
export function openFeedNotice(bytes: Uint8Array, trust: SignerTrust): FeedNotice & { readonly trustedAs: string } {
  return withCodes(failure, () => {
    if (bytes.length > feedLimits.notice) throw new CodecError('too-large', 'a notice is short')
    const signed = openSigned(bytes, feedNoticeType)
    const { name } = validateSigner(signed.chain, trust)
    const parsed = Notice.safeParse(decodeJsonObject(signed.payload, { size: 2000, depth: 2, count: 20 }))
    if (!parsed.success) throw new CodecError('bad-value', 'not a notice of a feed')
    return { ...parsed.data, trustedAs: name }
  })
}
