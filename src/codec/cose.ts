import { type Cbor, type CborMap, CborTag, decodeCbor, encodeCbor, isCborMap } from './cbor.ts'
import { CodecError } from './error.ts'

/** Header labels (RFC 9052 section 3.1, RFC 9360 section 2). */
export const coseLabel = { alg: 1, crit: 2, contentType: 3, kid: 4, x5bag: 32, x5chain: 33 } as const

const COSE_SIGN1 = 18
const LIMITS = { size: 0x4_0000, depth: 8, count: 2000 }

/** COSE_Sign1 (RFC 9052 section 4.2). Nothing has been verified. */
export interface CoseSign1 {
  /** Protected header as it was sent. */
  readonly protectedBytes: Uint8Array
  readonly protected: CborMap
  /** No label of it occurs in the protected one. */
  readonly unprotected: CborMap
  /** Absent: detached. */
  readonly payload: Uint8Array | undefined
  readonly signature: Uint8Array
}

/** Reads a tagged COSE_Sign1. Throws CodecError. */
export function decodeCoseSign1(bytes: Uint8Array): CoseSign1 {
  const message = decodeCbor(bytes, { ...LIMITS, tags: [COSE_SIGN1] })
  if (!(message instanceof CborTag)) throw new CodecError('bad-tag', 'COSE_Sign1 without its tag 18', 0)
  const parts: Cbor = message.value
  if (!Array.isArray(parts) || parts.length !== 4)
    throw new CodecError('bad-value', 'COSE_Sign1 is not an array of four')
  const [protectedBytes, unprotected, payload, signature] = parts
  if (!(protectedBytes instanceof Uint8Array)) throw new CodecError('bad-value', 'COSE protected header is not bytes')
  if (!isCborMap(unprotected)) throw new CodecError('bad-value', 'COSE unprotected header is not a map')
  if (payload !== null && !(payload instanceof Uint8Array))
    throw new CodecError('bad-value', 'COSE payload is not bytes')
  if (!(signature instanceof Uint8Array)) throw new CodecError('bad-value', 'COSE signature is not bytes')
  const protectedHeader = decodeProtected(protectedBytes)
  // RFC 9052 section 3: a label occurs in one of the two maps only.
  for (const label of unprotected.keys()) {
    if (protectedHeader.has(label)) throw new CodecError('duplicate', `COSE header ${label} is there twice`)
  }
  return {
    protectedBytes,
    protected: protectedHeader,
    unprotected,
    payload: payload ?? undefined,
    signature,
  }
}

function decodeProtected(bytes: Uint8Array): CborMap {
  if (bytes.length === 0) return new Map()
  const header = decodeCbor(bytes, LIMITS)
  if (!isCborMap(header)) throw new CodecError('bad-value', 'COSE protected header is not a map')
  return header
}

/** Protected header as bytes; an empty map is no bytes (RFC 9052 section 3). */
export function encodeCoseHeader(header: CborMap): Buffer {
  return header.size === 0 ? Buffer.alloc(0) : encodeCbor(header)
}

/** What a signature covers: Sig_structure (RFC 9052 section 4.4). */
export function coseSigningInput(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  externalAad: Uint8Array = new Uint8Array(),
): Buffer {
  return encodeCbor(['Signature1', protectedBytes, externalAad, payload])
}

export function encodeCoseSign1(message: Omit<CoseSign1, 'protected'>): Buffer {
  const { protectedBytes, unprotected, payload, signature } = message
  return encodeCbor(new CborTag(COSE_SIGN1, [protectedBytes, unprotected, payload ?? null, signature]))
}

/** A COSE_X509 header value (RFC 9360 section 2): one certificate or an array of several, in DER. */
export function decodeCoseX509(value: Cbor | undefined): readonly Uint8Array[] {
  if (value === undefined) return []
  const list: readonly Cbor[] = value instanceof Uint8Array ? [value] : Array.isArray(value) ? value : []
  if (list.length === 0 || !list.every(item => item instanceof Uint8Array)) {
    throw new CodecError('bad-value', 'COSE certificates are not bytes')
  }
  return list
}

/** RFC 9360 section 2: one certificate stands alone, several are an array. */
export function encodeCoseX509(certificates: readonly Uint8Array[]): Cbor {
  return certificates.length === 1 ? certificates[0]! : [...certificates]
}
