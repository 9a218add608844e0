import { CodecError } from './error.ts'

/** A JSON value as it is decoded: members are own properties, numbers are finite. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json }

export interface JsonObject {
  readonly [member: string]: Json
}

/** Bounds of one `decodeJson`. */
export interface JsonLimits {
  /** Bytes of input, or UTF-16 units when the input is a string. Default 1 MiB. */
  readonly size?: number
  /** Nested arrays and objects. Default 32. */
  readonly depth?: number
  /** Values of all kinds together. Default 10 000. */
  readonly count?: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One JSON text (RFC 8259), strictly: UTF-8 without byte order mark, no member twice, no number beyond a double, no
 * surrogate alone (RFC 7493), no member `__proto__`. Throws CodecError.
 */
export function decodeJson(input: Uint8Array | string, limits: JsonLimits = {}): Json {
  if (input.length > (limits.size ?? 0x10_0000)) {
    throw new CodecError('too-large', `${input.length} bytes of JSON are more than the limit of this decoder`, 0)
  }
  const text = typeof input === 'string' ? input : decodeText(input)
  const value = parse(text)
  const audit = new Audit(limits, text.includes('\\u') || !text.isWellFormed())
  audit.visit(value, limits.depth ?? 32)
  // A member that occurs twice has left two names in the text and one in the value.
  if (audit.members !== countMembers(text)) throw new CodecError('duplicate', 'a JSON object has a member twice')
  return value
}

/** As `decodeJson`, and the text is an object. */
export function decodeJsonObject(input: Uint8Array | string, limits?: JsonLimits): JsonObject {
  const value = decodeJson(input, limits)
  if (!isJsonObject(value)) throw new CodecError('bad-value', 'JSON is not an object', 0)
  return value
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new CodecError('bad-encoding', 'JSON is not UTF-8')
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    const at = / at position (\d+)/.exec((cause as Error).message)?.[1]
    throw new CodecError('bad-encoding', 'not JSON', at === undefined ? text.length : Number(at))
  }
}

/** Walks a parsed value: bounds, and what JSON.parse lets pass. */
class Audit {
  members = 0
  #left: number
  readonly #surrogates: boolean

  constructor(limits: JsonLimits, surrogates: boolean) {
    this.#left = limits.count ?? 10_000
    this.#surrogates = surrogates
  }

  visit(value: Json, depth: number): void {
    if (--this.#left < 0) throw new CodecError('too-many', 'too many JSON values')
    if (typeof value === 'string') {
      if (this.#surrogates && !value.isWellFormed())
        throw new CodecError('bad-encoding', 'JSON string with half a surrogate pair')
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) throw new CodecError('bad-value', 'JSON number beyond the range of a double')
    } else if (typeof value === 'object' && value !== null) {
      if (depth === 0) throw new CodecError('too-deep', 'JSON nested too deep')
      if (Array.isArray(value)) for (let i = 0; i < value.length; i++) this.visit(value[i] as Json, depth - 1)
      else this.#visitObject(value as JsonObject, depth - 1)
    }
  }

  #visitObject(object: JsonObject, depth: number): void {
    for (const name in object) {
      this.members++
      // As an own property it is harmless here, and a trap for whoever copies the object with an assignment.
      if (name === '__proto__') throw new CodecError('bad-value', 'JSON member __proto__')
      if (this.#surrogates && !name.isWellFormed())
        throw new CodecError('bad-encoding', 'JSON name with half a surrogate pair')
      this.visit(object[name]!, depth)
    }
  }
}

/** Colons outside strings, of a text that is known to be JSON. */
function countMembers(text: string): number {
  let members = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0x3a) members++
    else if (unit === 0x22) i = endOfString(text, i + 1)
  }
  return members
}

function endOfString(text: string, start: number): number {
  let i = start
  for (;;) {
    const unit = text.charCodeAt(i)
    if (unit === 0x22) return i
    i += unit === 0x5c ? 2 : 1
  }
}

/**
 * RFC 8785: members in ascending order of their UTF-16 units, no whitespace, numbers and strings as ECMAScript writes
 * them. What a hash or a signature covers. Members that are undefined are left out. Throws CodecError `bad-value` for
 * what JSON cannot say, `too-deep` beyond 64 levels.
 */
export function encodeCanonicalJson(value: unknown): string {
  const ordered = inOrder(value, 64) ? value : arranged(value, 64)
  if (ordered !== undefined) {
    const text = JSON.stringify(ordered)
    // Half a surrogate pair is the one thing that JSON.stringify writes and RFC 8785 refuses.
    if (!text.includes('\\ud')) return text
  }
  return canonical(value, 64)
}

/** True when JSON.stringify writes the canonical form as it is: at a quarter of the cost of building it here. */
function inOrder(value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || depth === 0) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!inOrder(value[i], depth - 1)) return false
    return true
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let before = ''
  for (const name in value) {
    if (name < before) return false
    before = name
    const item = (value as Record<string, unknown>)[name]
    if (item !== undefined && !inOrder(item, depth - 1)) return false
  }
  return true
}

/** A copy with its members in order; undefined when a plain copy cannot be it, or when `canonical` has to refuse it. */
function arranged(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return inOrder(value, depth) ? value : undefined
  if (depth === 0) return undefined
  if (Array.isArray(value)) {
    const copy: unknown[] = []
    for (let i = 0; i < value.length; i++) {
      const item = arranged(value[i], depth - 1)
      if (item === undefined) return undefined
      copy.push(item)
    }
    return copy
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined
  const names = sortedNames(value)
  const copy: Record<string, unknown> = {}
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!
    // Objects list names that are array indices first, and __proto__ cannot be assigned.
    if (name.charCodeAt(0) <= 0x39 || name === '__proto__') return undefined
    const item = (value as Record<string, unknown>)[name]
    if (item === undefined) continue
    const arrangedItem = arranged(item, depth - 1)
    if (arrangedItem === undefined) return undefined
    copy[name] = arrangedItem
  }
  return copy
}

/** By UTF-16 units. Insertion: most objects are short and nearly in order. */
function sortedNames(value: object): string[] {
  const names = Object.keys(value)
  if (names.length > 32) return names.sort()
  for (let i = 1; i < names.length; i++) {
    const name = names[i]!
    let j = i - 1
    for (; j >= 0 && names[j]! > name; j--) names[j + 1] = names[j]!
    names[j + 1] = name
  }
  return names
}

function canonical(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value)
  // `${-0}` is '0', as RFC 8785 section 3.2.2.3 wants it.
  if (typeof value === 'number' && Number.isFinite(value)) return `${value}`
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value === null) return 'null'
  if (typeof value !== 'object') throw new CodecError('bad-value', `a ${typeof value} has no JSON form`)
  if (depth === 0) throw new CodecError('too-deep', 'value nested too deep for JSON')
  return Array.isArray(value) ? canonicalArray(value, depth - 1) : canonicalObject(value, depth - 1)
}

function canonicalArray(list: readonly unknown[], depth: number): string {
  if (list.length === 0) return '[]'
  let text = `[${canonical(list[0], depth)}`
  for (let i = 1; i < list.length; i++) text += `,${canonical(list[i], depth)}`
  return `${text}]`
}

function canonicalObject(object: object, depth: number): string {
  const prototype = Object.getPrototypeOf(object)
  if (prototype !== Object.prototype && prototype !== null)
    throw new CodecError('bad-value', 'only plain objects have a JSON form')
  const names = sortedNames(object)
  let text = '{'
  for (let i = 0; i < names.length; i++) {
    const item = (object as Record<string, unknown>)[names[i]!]
    if (item === undefined) continue
    text +=
      text.length === 1
        ? `${quoted(names[i]!)}:${canonical(item, depth)}`
        : `,${quoted(names[i]!)}:${canonical(item, depth)}`
  }
  return `${text}}`
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw new CodecError('bad-value', 'string with half a surrogate pair')
  return JSON.stringify(text)
}
