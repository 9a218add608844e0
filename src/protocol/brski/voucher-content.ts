import { type Cbor, type CborKey, type CborMap, decodeCbor, encodeCbor, isCborMap } from '../../codec/cbor.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import type { Leaf } from './leaf.ts'
import type { Tolerance } from './quirk.ts'
import { type ArtifactKind, type ArtifactValue, type Structure, structures, type VoucherVersion } from './voucher.ts'

/** The value inside a container, and what was read past. */
export interface DecodedContent<K extends ArtifactKind> {
  readonly value: ArtifactValue[K]
  readonly ignoredMembers: readonly string[]
}

const LIMITS = { size: 0x2_0000, depth: 8, count: 1000 }

/** RFC 7951 JSON of a voucher or request. Throws CodecError. */
export function decodeJsonContent<K extends ArtifactKind>(
  bytes: Uint8Array,
  kind: K,
  version: VoucherVersion,
  tolerance: Tolerance,
): DecodedContent<K> {
  const structure: Structure = structures[kind]
  const document = decodeJsonObject(bytes, LIMITS)
  const root = jsonRoot(document, structure, tolerance)
  const collector = new Collector(structure, version, tolerance)
  for (const name of Object.keys(document)) if (name !== root) collector.ignored.push(name)
  const members = document[root]
  if (!isJsonObject(members)) throw new CodecError('bad-value', `${root} is not an object`)
  for (const name of Object.keys(members)) {
    const leaf = collector.admit(name)
    if (leaf !== undefined) collector.put(name, leaf.type.fromJson(members[name]!, name, tolerance))
  }
  return collector.finish() as DecodedContent<K>
}

function jsonRoot(document: JsonObject, structure: Structure, tolerance: Tolerance): string {
  const has = (name: string) => Object.hasOwn(document, name)
  if (has(structure.root)) return structure.root
  if (structure.kind === 'request') {
    if (has('ietf-voucher:voucher') && tolerance.accepts('request-root-ietf-voucher')) return 'ietf-voucher:voucher'
    const prm = 'ietf-voucher-request-prm:voucher'
    if (has(prm) && tolerance.accepts('prm-request-root')) return prm
  }
  throw new CodecError('bad-value', `${structure.root} is missing`)
}

export function encodeJsonContent<K extends ArtifactKind>(
  value: ArtifactValue[K],
  kind: K,
  version: VoucherVersion,
): Buffer {
  const structure: Structure = structures[kind]
  const members: Record<string, Json> = {}
  for (const [name, leaf, item] of writable(value, structure, version)) members[name] = leaf.type.toJson(item, name)
  return Buffer.from(encodeCanonicalJson({ [structure.root]: members }))
}

/**
 * RFC 9254 CBOR of a voucher or request: leaves by SID difference or by name, also mixed. Only RFC 8366bis has it.
 * Throws CodecError.
 */
export function decodeCborContent<K extends ArtifactKind>(
  bytes: Uint8Array,
  kind: K,
  tolerance: Tolerance,
): DecodedContent<K> {
  const structure: Structure = structures[kind]
  // Tag 1 (epoch dates) occurs with the legacy SIDs only; the leaf refuses it otherwise.
  const document = decodeCbor(bytes, { ...LIMITS, tags: [1] })
  if (!isCborMap(document)) throw new CodecError('bad-value', 'voucher content is not a CBOR map', 0)
  const { root, names } = cborRoot(document, structure, tolerance)
  const collector = new Collector(structure, 'rfc8366bis', tolerance)
  for (const key of document.keys()) if (key !== root) collector.ignored.push(String(key))
  const members = document.get(root)
  if (!isCborMap(members)) throw new CodecError('bad-value', `${root} is not a CBOR map`)
  for (const [key, item] of members) {
    const name = typeof key === 'string' ? key : (names.get(key) ?? `${key}`)
    const leaf = collector.admit(name)
    if (leaf !== undefined) collector.put(name, leaf.type.fromCbor(item as Cbor, name, tolerance))
  }
  return collector.finish() as DecodedContent<K>
}

type Names = ReadonlyMap<CborKey, string>

/** SIDs that were in use before the IANA registration, as far as messages with them are published. */
const legacy: Record<ArtifactKind, { readonly sid: number; readonly names: Names }> = {
  request: {
    sid: 1001154,
    names: new Map([
      [1, 'assertion'],
      [2, 'created-on'],
      [7, 'nonce'],
      [10, 'serial-number'],
      [11, 'prior-signed-voucher-request'],
      [12, 'proximity-registrar-cert'],
    ]),
  },
  voucher: {
    sid: 1001100,
    names: new Map([
      [5, 'assertion'],
      [6, 'created-on'],
      [11, 'nonce'],
      [12, 'pinned-domain-cert'],
      [14, 'serial-number'],
    ]),
  },
}

const namesByDelta = (structure: Structure): Names =>
  new Map(Object.entries(structure.leaves).flatMap(([name, { delta }]) => (delta === null ? [] : [[delta, name]])))

const current: Record<ArtifactKind, Names> = {
  request: namesByDelta(structures.request),
  voucher: namesByDelta(structures.voucher),
}

function cborRoot(document: CborMap, structure: Structure, tolerance: Tolerance): { root: CborKey; names: Names } {
  const names = current[structure.kind]
  if (document.has(structure.sid)) return { root: structure.sid, names }
  if (document.has(structure.root)) return { root: structure.root, names }
  const old = legacy[structure.kind]
  if (document.has(old.sid) && tolerance.accepts('legacy-sids')) return { root: old.sid, names: old.names }
  throw new CodecError('bad-value', `${structure.root} (SID ${structure.sid}) is missing`)
}

/** By SIDs in ascending order, then what has none by name. */
export function encodeCborContent<K extends ArtifactKind>(value: ArtifactValue[K], kind: K): Buffer {
  const structure: Structure = structures[kind]
  const members = new Map<CborKey, Cbor>()
  for (const [name, leaf, item] of writable(value, structure, 'rfc8366bis')) {
    members.set(leaf.delta ?? name, leaf.type.toCbor(item, name))
  }
  return encodeCbor(new Map([[structure.sid, members]]))
}

/** Gathers the leaves of one message. */
class Collector {
  readonly ignored: string[] = []
  readonly #value: Record<string, unknown> = {}
  readonly #structure: Structure
  readonly #version: VoucherVersion
  readonly #tolerance: Tolerance

  constructor(structure: Structure, version: VoucherVersion, tolerance: Tolerance) {
    this.#structure = structure
    this.#version = version
    this.#tolerance = tolerance
  }

  /** The leaf of that name, if it counts here. RFC 8995 section 5.6.1: members that are not known are ignored. */
  admit(name: string): Leaf<unknown> | undefined {
    const { leaves, kind } = this.#structure
    const leaf = Object.hasOwn(leaves, name) ? leaves[name]! : undefined
    const counts = leaf !== undefined && !leaf.ignored && (leaf.since === 'rfc8366' || this.#version === 'rfc8366bis')
    if (counts) return leaf
    if (kind === 'request' && name === 'domain-cert-revocation-checks')
      this.#tolerance.accepts('revocation-flag-in-request')
    this.ignored.push(name)
    return undefined
  }

  put(name: string, item: unknown): void {
    if (Object.hasOwn(this.#value, name)) throw new CodecError('duplicate', `${name} is there twice`)
    this.#value[name] = item
  }

  finish(): { readonly value: Record<string, unknown>; readonly ignoredMembers: readonly string[] } {
    const value = this.#value
    for (const name of this.#structure.mandatory[this.#version]) {
      if (value[name] === undefined) throw new CodecError('bad-value', `${name} is missing`)
    }
    if (
      value['nonce'] !== undefined &&
      value['expires-on'] !== undefined &&
      !this.#tolerance.accepts('nonce-and-expiry')
    ) {
      throw new CodecError('bad-value', 'nonce and expires-on exclude each other')
    }
    if (value['last-renewal-date'] !== undefined && value['expires-on'] === undefined) {
      throw new CodecError('bad-value', 'last-renewal-date without expires-on')
    }
    return { value, ignoredMembers: this.ignored }
  }
}

/** The leaves of a value that is fit to be written. Throws CodecError for what we would not read ourselves. */
function writable(value: object, structure: Structure, version: VoucherVersion): [string, Leaf<unknown>, unknown][] {
  const items = Object.entries(value).filter(([, item]) => item !== undefined)
  const has = (name: string) => items.some(([present]) => present === name)
  for (const name of structure.mandatory[version]) {
    if (!has(name)) throw new CodecError('bad-value', `${name} is missing`)
  }
  if (has('nonce') && has('expires-on')) throw new CodecError('bad-value', 'nonce and expires-on exclude each other')
  if (has('last-renewal-date') && !has('expires-on'))
    throw new CodecError('bad-value', 'last-renewal-date without expires-on')
  return items.map(([name, item]) => {
    const leaf = Object.hasOwn(structure.leaves, name) ? structure.leaves[name]! : undefined
    if (leaf === undefined || leaf.ignored) throw new CodecError('bad-value', `a ${structure.kind} has no ${name}`)
    if (leaf.since === 'rfc8366bis' && version === 'rfc8366')
      throw new CodecError('unsupported', `${name} is not of RFC 8366`)
    return [name, leaf, item]
  })
}
