import { hash } from 'node:crypto'
import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { CryptoError } from '../../crypto/error.ts'
import { signJws } from '../../crypto/jws.ts'
import type { Signer } from '../../crypto/signer.ts'
import { openSigned, type SignerTrust, validateSigner } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import { recallReasons } from '../../domain/recall.ts'

/*
 * A recall notice is lines, like a manifest. The first is a JWS over the head: what is recalled, why, and the SHA-256 of
 * all that follows. Then one serial number in each line, in order of code points.
 */

export const recallType = 'device-recall+jws'

export const recallLimits = { bytes: 8 * 0x10_0000, serials: 100_000 } as const

const headLimits = { size: 0x4_0000, depth: 4, count: 400 }

/** What no terminal, ledger or line end is disturbed by. */
const Visible = z.string().regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'visible characters')
const Text = Visible.min(1).max(200)
const RecallId = z.string().regex(/^[0-9a-f]{32}$/)

const Head = z.strictObject({
  version: z.literal(1),
  /** The same in every notice about one recall. */
  recall: RecallId,
  /** From 1, one more in each notice about it. */
  number: z.int().min(1).max(1_000_000),
  action: z.enum(['withdraw', 'lift']),
  /** The manufacturer's own name, as in its declarations. */
  manufacturer: Text,
  /** Milliseconds since 1970. */
  issuedAt: z.int().nonnegative(),
  reason: z.enum(recallReasons),
  note: Visible.max(500),
  reference: Visible.max(200),
  models: z.array(Text).max(64),
  batches: z.array(Text).max(64),
  serials: z.strictObject({ count: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
})
type Head = z.infer<typeof Head>

export type RecallNotice = Omit<Head, 'version' | 'serials'> & { readonly serials: readonly string[] }

/** What a trusted manufacturer signed. */
export type VerifiedRecall = RecallNotice & {
  /** SHA-256 of the file, hex. */
  readonly hash: string
  /** Name of the anchor that the signer chains to: what the operator calls the manufacturer. */
  readonly trustedAs: string
}

/** The signed file. Throws OnboardingError `input-invalid`, `manifest-too-large`. */
export async function signRecall(
  notice: RecallNotice,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  const { serials: list, ...rest } = notice
  const serials = [...new Set(list)].sort()
  if (serials.length > recallLimits.serials) throw tooLarge(serials.length, 'serials')
  const body = Buffer.from(serials.map(serial => `${serial}\n`).join(''))
  const value = { version: 1, ...rest, serials: { count: serials.length, sha256: hash('sha256', body) } }
  const parsed = Head.safeParse(value)
  const wrong = parsed.success ? ruleOf(notice) : issueOf(parsed.error)
  if (wrong !== undefined) throw new OnboardingError('input-invalid', { field: 'recall', rule: wrong })
  const head = await signJws({
    payload: Buffer.from(encodeCanonicalJson(value)),
    header: { typ: recallType },
    signer: by.signer,
    certificates: by.chain,
  })
  return Buffer.concat([head, Buffer.from('\n'), body])
}

const failure = { malformed: 'recall-invalid', signature: 'recall-invalid', path: 'recall-invalid' } as const

/**
 * Reads a notice and verifies its signature, the path of its signer and every line. Throws OnboardingError
 * `recall-invalid` (detail `rule`) or `manifest-too-large`.
 */
export function openRecall(bytes: Uint8Array, trust: SignerTrust): VerifiedRecall {
  if (bytes.length > recallLimits.bytes) throw tooLarge(bytes.length, 'bytes')
  return withCodes(failure, () => open(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), trust))
}

function open(bytes: Buffer, trust: Parameters<typeof openRecall>[1]): VerifiedRecall {
  const end = bytes.indexOf(0x0a)
  if (end < 0) throw new CodecError('truncated', 'a recall notice has a head and lines', 0)
  const signed = openSigned(bytes.subarray(0, end), recallType)
  const anchor = validateSigner(signed.chain, trust)
  const { spkiDer } = anchor.certificate
  // A MASA that serves several manufacturers: its signature alone does not say whose devices these are.
  const shared = trust.anchors.some(
    other => other.name !== anchor.name && Buffer.compare(other.certificate.spkiDer, spkiDer) === 0,
  )
  if (shared) throw new OnboardingError('recall-invalid', { rule: 'ambiguous-anchor', manufacturer: anchor.name })
  const parsed = Head.safeParse(decodeJsonObject(signed.payload, headLimits))
  if (!parsed.success) throw new CodecError('bad-value', issueOf(parsed.error))
  const { version: _, serials, ...head } = parsed.data
  if (serials.count > recallLimits.serials) throw tooLarge(serials.count, 'serials')
  const body = bytes.subarray(end + 1)
  if (hash('sha256', body) !== serials.sha256)
    throw new CryptoError('bad-signature', 'the serials are not the signed ones')
  const list = serialLines(body)
  if (list.length !== serials.count) throw new CodecError('bad-value', 'not as many serials as the head says')
  const notice = { ...head, serials: list }
  const wrong = ruleOf(notice)
  if (wrong !== undefined) throw new CodecError('bad-value', wrong)
  return { ...notice, hash: hash('sha256', bytes), trustedAs: anchor.name }
}

/** The serial numbers of a notice that was verified before. */
export function recalledSerials(file: Buffer): readonly string[] {
  return serialLines(file.subarray(file.indexOf(0x0a) + 1))
}

function serialLines(body: Buffer): string[] {
  if (body.length === 0) return []
  if (body.at(-1) !== 0x0a) throw new CodecError('truncated', 'the last line has no end')
  return body.subarray(0, -1).toString('utf8').split('\n')
}

/** What the schema cannot say. */
function ruleOf({ action, models, batches, serials }: RecallNotice): string | undefined {
  const named = models.length + serials.length
  if (action === 'lift') return named + batches.length === 0 ? undefined : 'a recall is lifted as a whole'
  if (named === 0) return 'neither a model nor a serial number is named'
  if (new Set(serials).size !== serials.length) return 'a serial number is there twice'
  const wrong = serials.some(serial => !Text.safeParse(serial).success)
  return wrong ? 'a serial number is 1 to 200 visible characters' : undefined
}

function issueOf(error: z.ZodError): string {
  const [issue] = error.issues
  return issue === undefined ? 'not a recall notice' : `${issue.path.join('.')}: ${issue.message}`.slice(0, 200)
}

function tooLarge(found: number, what: keyof typeof recallLimits): OnboardingError {
  return new OnboardingError('manifest-too-large', { [what]: found, limit: recallLimits[what] })
}
