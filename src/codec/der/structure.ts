import { CodecError } from '../error.ts'
import type { Codec, Infer } from './codec.ts'
import type { Writer } from './writer.ts'

/** A field of a `sequence` that may be absent. */
export interface OptionalCodec<T> extends Codec<T> {
  readonly optional: true
}

/** A field of a `sequence` with a DEFAULT: always there as a value, never encoded when it is the default. */
export interface DefaultedCodec<T> extends Codec<T> {
  readonly default: T
}

export type Shape = Readonly<Record<string, Codec<unknown>>>

type OptionalKeys<S> = { [K in keyof S]: S[K] extends OptionalCodec<unknown> ? K : never }[keyof S]
type Fields<S> = { [K in Exclude<keyof S, OptionalKeys<S>>]: Infer<S[K]> } & { [K in OptionalKeys<S>]?: Infer<S[K]> }
/** The value of `sequence(S)`. */
export type SequenceOf<S> = { readonly [K in keyof Fields<S>]: Fields<S>[K] }

export function optional<T>(codec: Codec<T>): OptionalCodec<T> {
  return { ...passing(codec), optional: true }
}

/** DEFAULT `value`. X.690 11.5: a default that is encoded all the same is refused. */
export function defaulted<T extends boolean | number | string>(codec: Codec<T>, value: T): DefaultedCodec<T> {
  return { ...passing(codec), default: value }
}

function passing<T>(codec: Codec<T>): Codec<T> {
  return {
    tags: codec.tags,
    write: (w, value, tag) => codec.write(w, value, tag),
    read: (r, tag) => codec.read(r, tag),
  }
}

/**
 * SEQUENCE of named fields, in the order of the shape.
 *
 * @example
 * const Extension = sequence({ id: oid, critical: defaulted(boolean, false), value: octetString })
 * type Extension = Infer<typeof Extension>
 */
export function sequence<const S extends Shape>(shape: S): Codec<SequenceOf<S>> {
  const keys = Object.keys(shape)
  const fields = Object.values(shape) as (Codec<unknown> & { optional?: true; default?: unknown })[]
  const optionals = fields.map(field => field.optional === true)
  const defaults = fields.map(field => field.default)
  return {
    tags: [0x30],
    write(w, value, tag = 0x30) {
      const record = value as Record<string, unknown>
      const mark = w.mark()
      for (let i = fields.length - 1; i >= 0; i--) {
        const item = record[keys[i]!]
        if (item !== undefined) {
          if (defaults[i] === undefined || item !== defaults[i]) fields[i]!.write(w, item)
        } else if (!optionals[i] && defaults[i] === undefined) {
          throw new CodecError('bad-value', `field ${keys[i]} is missing`)
        }
      }
      w.close(tag, mark)
    },
    read(r, tag = 0x30) {
      const outer = r.enter(tag)
      const record: Record<string, unknown> = {}
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i]!
        const fallback = defaults[i]
        if (!optionals[i] && fallback === undefined) {
          record[keys[i]!] = field.read(r)
        } else if (!r.more || (field.tags !== null && !field.tags.includes(r.peek()))) {
          if (fallback !== undefined) record[keys[i]!] = fallback
        } else {
          const start = r.pos
          const item = field.read(r)
          if (item === fallback) r.fail('not-minimal', `default of ${keys[i]} is encoded`, start)
          record[keys[i]!] = item
        }
      }
      r.leave(outer)
      return record as SequenceOf<S>
    },
  }
}

/** SEQUENCE OF with at least `min` (default 0) elements. */
export function sequenceOf<T>(codec: Codec<T>, { min = 0 }: { min?: number } = {}): Codec<readonly T[]> {
  return {
    tags: [0x30],
    write(w, value, tag = 0x30) {
      if (value.length < min) throw new CodecError('bad-value', 'too few elements')
      const mark = w.mark()
      for (let i = value.length - 1; i >= 0; i--) codec.write(w, value[i]!)
      w.close(tag, mark)
    },
    read(r, tag = 0x30) {
      const start = r.pos
      const outer = r.enter(tag)
      const list: T[] = []
      while (r.more) {
        r.tally()
        list.push(codec.read(r))
      }
      if (list.length < min) r.fail('bad-value', 'too few elements', start)
      r.leave(outer)
      return list
    },
  }
}

/**
 * SET OF. X.690 11.6: the encodings are in ascending order; sorted on writing, checked on reading. `order: 'any'` keeps
 * the order given and accepts every order: for CMS, whose writers often do not sort. At least `min` (default 0) elements.
 */
export function setOf<T>(
  codec: Codec<T>,
  { order = 'der', min = 0 }: { order?: 'der' | 'any'; min?: number } = {},
): Codec<readonly T[]> {
  const sorted = order === 'der'
  return {
    tags: [0x31],
    write(w, value, tag = 0x31) {
      if (value.length < min) throw new CodecError('bad-value', 'too few elements')
      const mark = w.mark()
      if (sorted && value.length > 1) writeSorted(w, codec, value)
      else for (let i = value.length - 1; i >= 0; i--) codec.write(w, value[i]!)
      w.close(tag, mark)
    },
    read(r, tag = 0x31) {
      const begin = r.pos
      const outer = r.enter(tag)
      const list: T[] = []
      let before = -1
      while (r.more) {
        r.tally()
        const start = r.pos
        list.push(codec.read(r))
        if (sorted && before >= 0 && r.bytes.compare(r.bytes, before, start, start, r.pos) < 0) {
          r.fail('bad-order', 'SET OF not in ascending order', start)
        }
        before = start
      }
      if (list.length < min) r.fail('bad-value', 'too few elements', begin)
      r.leave(outer)
      return list
    },
  }
}

function writeSorted<T>(w: Writer, codec: Codec<T>, value: readonly T[]): void {
  const mark = w.mark()
  const encodings: Buffer[] = []
  for (let i = value.length - 1; i >= 0; i--) {
    const before = w.mark()
    codec.write(w, value[i]!)
    encodings.push(Buffer.from(w.bytes.subarray(w.pos, w.bytes.length - before)))
  }
  w.pos = w.bytes.length - mark
  encodings.sort((a, b) => Buffer.compare(a, b))
  for (let i = encodings.length - 1; i >= 0; i--) w.octets(encodings[i]!)
}

/** `[n] EXPLICIT`. */
export function explicit<T>(n: number, codec: Codec<T>): Codec<T> {
  return wrapped(0xa0 | n, codec)
}

/** `[n] IMPLICIT`: constructed when the type is. X.680 31.2.7: not for a CHOICE or an open type, those need `explicit`. */
export function implicit<T>(n: number, codec: Codec<T>): Codec<T> {
  if (codec.tags?.length !== 1) throw new TypeError('implicit: a choice or an open type needs explicit')
  const own = 0x80 | n | (codec.tags[0]! & 0x20)
  return {
    tags: [own],
    write(w, value, tag = own) {
      codec.write(w, value, tag)
    },
    read(r, tag = own) {
      return codec.read(r, tag)
    },
  }
}

/** OCTET STRING that holds the DER of `codec`. */
export function octets<T>(codec: Codec<T>): Codec<T> {
  return wrapped(0x04, codec)
}

function wrapped<T>(own: number, codec: Codec<T>): Codec<T> {
  return {
    tags: [own],
    write(w, value, tag = own) {
      const mark = w.mark()
      codec.write(w, value)
      w.close(tag, mark)
    },
    read(r, tag = own) {
      const outer = r.enter(tag)
      const value = codec.read(r)
      r.leave(outer)
      return value
    },
  }
}

/** The value of `choice(S)`. */
export type ChoiceOf<S> = { [K in keyof S]: { readonly type: K; readonly value: Infer<S[K]> } }[keyof S]

/**
 * CHOICE, as `{ type, value }`.
 *
 * @example choice({ dNSName: implicit(2, ia5String), iPAddress: implicit(7, octetString) })
 */
export function choice<const S extends Shape>(shape: S): Codec<ChoiceOf<S>> {
  const byTag: ({ name: string; codec: Codec<unknown> } | undefined)[] = new Array(256).fill(undefined)
  for (const [name, codec] of Object.entries(shape)) {
    if (codec.tags === null) throw new TypeError(`choice: ${name} can begin with any tag`)
    for (const tag of codec.tags) {
      if (byTag[tag] !== undefined) throw new TypeError(`choice: ${name} and ${byTag[tag].name} begin alike`)
      byTag[tag] = { name, codec }
    }
  }
  return {
    tags: Object.values(shape).flatMap(codec => codec.tags ?? []),
    write(w, value) {
      const codec = Object.hasOwn(shape, value.type) ? shape[value.type as string] : undefined
      if (codec === undefined) throw new CodecError('bad-value', `${String(value.type)} is not one of the choice`)
      codec.write(w, value.value)
    },
    read(r) {
      const tag = r.peek()
      if (tag < 0) r.fail('truncated', 'element of a choice is missing')
      const chosen = byTag[tag] ?? r.fail('bad-tag', 'element is none of the choice')
      return { type: chosen.name, value: chosen.codec.read(r) } as ChoiceOf<S>
    },
  }
}

/** Any one element, kept as its exact bytes, header included. What is inside is not looked at. */
export const any: Codec<Uint8Array> = rawElement(null)

/** Like `any`, for an element that must begin with `tag`. */
export function element(tag: number): Codec<Uint8Array> {
  return rawElement([tag])
}

function rawElement(tags: readonly number[] | null): Codec<Uint8Array> {
  return {
    tags,
    write(w, value) {
      if (tags !== null && value[0] !== tags[0]) throw new CodecError('bad-value', 'not the element that belongs here')
      if (value.length !== elementLength(value)) throw new CodecError('bad-value', 'not one whole element')
      w.octets(value)
    },
    read(r) {
      if (!r.more) r.fail('truncated', 'element is missing')
      if (tags !== null && r.peek() !== tags[0]) r.fail('bad-tag', 'another element is expected here')
      return r.element()
    },
  }
}

/** Bytes that the element at the start of `bytes` takes by its own header; NaN when there is none. */
function elementLength(bytes: Uint8Array): number {
  const first = bytes[1] ?? Number.NaN
  if (!(first >= 0x80)) return 2 + first
  let length = 0
  for (let i = 2; i < 2 + (first & 0x7f); i++) length = length * 256 + (bytes[i] ?? Number.NaN)
  return 2 + (first & 0x7f) + length
}

/** The value together with the exact bytes that encoded it (those that a signature covers). Writes `der`. */
export interface Signed<T> {
  readonly der: Uint8Array
  readonly value: T
}

export function signed<T>(codec: Codec<T>): Codec<Signed<T>> {
  return {
    tags: codec.tags,
    write(w, { der }, tag) {
      w.octets(der)
      if (tag !== undefined) w.bytes[w.pos] = tag
    },
    read(r, tag) {
      const start = r.pos
      const value = tag === undefined ? codec.read(r) : codec.read(r, tag)
      return { der: r.bytes.subarray(start, r.pos), value }
    },
  }
}
