import { type Limits, Reader } from './reader.ts'
import { Writer } from './writer.ts'

/**
 * A schema value: how one ASN.1 type is written and read as DER. Compose them with `structure.ts`, `primitive.ts`,
 * `time.ts` and `oid.ts`, and take the type with `Infer`.
 */
export interface Codec<T> {
  /** Identifier octets with which a value can begin; null when any can. */
  readonly tags: readonly number[] | null
  /** Writes `value` in front of what `w` holds; `tag` replaces the type's own identifier octet (IMPLICIT). */
  write(w: Writer, value: T, tag?: number): void
  read(r: Reader, tag?: number): T
}

/** The value type of a codec: `type Certificate = Infer<typeof Certificate>`. */
export type Infer<C> = C extends Codec<infer T> ? T : never

const KEPT = 0x1_0000
let spare: Writer | undefined

/**
 * DER of `value`. Throws CodecError `bad-value` when the value has no encoding.
 *
 * @example encode(sequence({ id: oid, value: octetString }), { id: '1.2.3', value: bytes })
 */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  // One scratch writer is reused; taken while in use, so that a nested encode or a throw gets a new one.
  const w = spare ?? new Writer()
  spare = undefined
  codec.write(w, value)
  const der = w.take()
  if (w.bytes.length <= KEPT) spare = w
  return der
}

/**
 * The one value that `bytes` encode. Strict DER: throws CodecError for anything else, trailing bytes included. Byte
 * values in the result are views into `bytes`: do not change those afterwards.
 */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array, limits?: Limits): T {
  const r = new Reader(bytes, limits)
  const value = codec.read(r)
  if (r.more) r.fail('trailing-bytes', 'bytes after the end of the value')
  return value
}
