import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { FeedCursor } from '../../domain/port.ts'

const limits = { size: 1500, depth: 1, count: 200 }

/** A place in the feed as one opaque word. */
export function encodeCursor(cursor: FeedCursor): string {
  return encodeBase64Url(Buffer.from(encodeCanonicalJson(cursor)))
}

/** Throws OnboardingError `input-invalid` for what `encodeCursor` did not write. */
export function decodeCursor(text: string): FeedCursor {
  try {
    const cursor: Record<string, number> = {}
    for (const [lane, sequence] of Object.entries(decodeJsonObject(decodeBase64Url(text), limits))) {
      if (!Number.isSafeInteger(sequence) || (sequence as number) < 0) throw new CodecError('bad-value', 'no sequence')
      cursor[lane] = sequence as number
    }
    return cursor
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new OnboardingError(
      'input-invalid',
      { field: 'cursor', rule: 'as an answer before gave it' },
      { cause: error },
    )
  }
}
