import { CodecError } from '../../codec/error.ts'
import type { Tolerance } from './quirk.ts'

/** RFC 8366bis section 6.2; the number is the CBOR enumeration value. */
export const assertions = ['verified', 'logged', 'proximity', 'agent-proximity'] as const
export type Assertion = (typeof assertions)[number]

/** How one YANG type reads and writes in JSON (RFC 7951) and in CBOR (RFC 9254). Readers throw CodecError. */
export interface LeafType<T> {
  fromJson(value: unknown, name: string, tolerance: Tolerance): T
  toJson(value: T): string | boolean | string[]
  fromCbor(value: unknown, name: string, tolerance: Tolerance): T
  toCbor(value: T): string | number | boolean | Uint8Array | string[]
}

export interface Leaf<T> {
  /** SID of the leaf less SID of the root. */
  readonly delta: number
  readonly type: LeafType<T>
  readonly since: 'rfc8366' | 'rfc8366bis'
  /** Named by the model but without meaning here: read past and reported. */
  readonly ignored: boolean
}
