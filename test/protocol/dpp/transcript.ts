import { readFileSync } from 'node:fs'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame, type Frame } from '../../../src/protocol/dpp/frame.ts'

/** An exchange as it was recorded between Debian's wpa_supplicant and hostapd (test/vector/dpp). */
export interface Transcript {
  readonly name: string
  readonly curve: DppCurve
  readonly mutual: boolean
  readonly inputs: Readonly<Record<string, string>>
  readonly expected: Readonly<Record<string, string>>
  readonly controller_uri?: string
  readonly enrollee_uri?: string
  readonly messages: readonly RecordedMessage[]
}
export interface RecordedMessage {
  readonly from: string
  readonly message: string
  /** Hex, with the length in front. */
  readonly data: string
  readonly status?: number
  readonly clear?: Readonly<Record<string, never>>
}

const file = JSON.parse(readFileSync(new URL('../../vector/dpp/transcript.json', import.meta.url), 'utf8')) as {
  readonly transcripts: readonly Transcript[]
}

export const transcripts = file.transcripts

/** The message without its length. */
export function messageOf({ data }: RecordedMessage): Buffer {
  return Buffer.from(data, 'hex').subarray(4)
}

export function frameOf(message: RecordedMessage): Frame {
  return decodeFrame(messageOf(message))
}
