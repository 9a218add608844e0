import { readFileSync } from 'node:fs'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'

/** test/vector/dpp/vector.json. Octets in hexadecimal. */
export interface AuthenticationVector {
  readonly name: string
  readonly kind: 'authentication'
  readonly mutual: boolean
  readonly protocol_version: number
  readonly I_capabilities: number
  readonly R_capabilities: number
  readonly channel_attribute: string
  readonly inputs: Readonly<Record<'bR' | 'bI' | 'pR' | 'pI' | 'R_nonce' | 'I_nonce', string>> & {
    readonly curve: DppCurve
    readonly public: Readonly<Record<'BR' | 'BI' | 'PR' | 'PI', string>>
  }
  readonly expected: Readonly<Record<string, string>>
}

/** test/vector/dpp/transcript.json. */
export interface Transcript {
  readonly name: string
  readonly curve: DppCurve
  readonly mutual: boolean
  /** Private scalars; c_sign and pp of the Configurator. */
  readonly inputs: Readonly<Partial<Record<'bR' | 'bI' | 'pI' | 'pR' | 'cR' | 'c_sign' | 'pp', string>>>
  readonly expected: Readonly<Record<string, string>>
  readonly controller_uri?: string
  readonly enrollee_uri?: string
  readonly messages: readonly TranscriptMessage[]
}
export interface TranscriptMessage {
  readonly from: 'enrollee' | 'controller' | 'relay'
  readonly message: string
  /** The whole record, its length included. */
  readonly data: string
  readonly status?: number
  /** What was wrapped. */
  readonly clear?: Readonly<Record<string, unknown>>
}

interface Authentications {
  readonly vectors: readonly (AuthenticationVector | { readonly kind: 'pkex' })[]
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../vector/dpp/${name}.json`, import.meta.url), 'utf8'))

export const authentications = (read('vector') as Authentications).vectors.filter(
  vector => vector.kind === 'authentication',
)
export const transcripts = (read('transcript') as { readonly transcripts: readonly Transcript[] }).transcripts

export function octets(hex: string | undefined): Buffer {
  if (hex === undefined) throw new Error('the vector has no such value')
  return Buffer.from(hex, 'hex')
}
