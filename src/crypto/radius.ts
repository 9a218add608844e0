import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import {
  encodeRadius,
  type RadiusAttribute,
  type RadiusPacket,
  radiusAttribute,
  radiusCode,
  radiusHeader,
  vendorAttribute,
} from '../codec/radius.ts'
import { CryptoError } from './error.ts'
import type { Secret } from './secret.ts'

const md5 = 16
const microsoft = 311

/** RFC 2548 section 2.4: from the authenticator's point of view. */
const msMppe = { send: 16, receive: 17 } as const

/**
 * That a request comes from one who knows the shared secret. An Access-Request and a Status-Server must carry a
 * Message-Authenticator (RFC 3579 section 3.2, RFC 5997 section 3): its own authenticator is random and proves nothing, which
 * is what the forged responses of 2024 (Blast-RADIUS) lived on. `packet`: as decoded from exactly `bytes`.
 * Throws CryptoError `bad-signature`.
 */
export function verifyRadiusRequest(bytes: Uint8Array, packet: RadiusPacket, secret: Secret): void {
  const proven = verifyMessageAuthenticator(bytes, packet, secret, signedAuthenticator(packet))
  const { code } = packet
  const keyed = code !== radiusCode.accessRequest && code !== radiusCode.statusServer
  if (!keyed) {
    if (!proven) throw new CryptoError('bad-signature', 'the request has no Message-Authenticator')
    return
  }
  // RFC 2866 section 3 and RFC 5176 section 2.3: the digest with sixteen zero octets in the authenticator's place.
  const own = withAuthenticator(bytes, packet, Buffer.alloc(md5))
  if (!timingSafeEqual(digest(own, secret), packet.authenticator))
    throw new CryptoError('bad-signature', 'the request authenticator is wrong')
}

/** What stands in the authenticator's place when the Message-Authenticator of a request is computed. */
function signedAuthenticator({ code, authenticator }: RadiusPacket): Uint8Array {
  const random = code === radiusCode.accessRequest || code === radiusCode.statusServer
  return random ? authenticator : Buffer.alloc(md5)
}

/**
 * The answer to a request, sealed: Message-Authenticator as its first attribute, over the request's authenticator, then the
 * response authenticator (RFC 2865 section 3, RFC 3579 section 3.2).
 */
export function sealRadiusResponse(
  response: { readonly code: number; readonly attributes: readonly RadiusAttribute[] },
  request: Pick<RadiusPacket, 'identifier' | 'authenticator'>,
  secret: Secret,
): Buffer {
  const { identifier, authenticator } = request
  const answer = { ...response, identifier, authenticator }
  // RFC 3579 section 3.3 has none there, and peers disagree on how it would be computed.
  const bare = response.code === radiusCode.accountingResponse
  const packet = bare ? encodeRadius(answer) : sealed(answer, secret)
  packet.set(digest(packet, secret), 4)
  return packet
}

/** A request of ours whose authenticator is keyed: Disconnect, CoA (RFC 5176 section 2.3) and accounting. */
export function sealRadiusRequest(
  request: { readonly code: number; readonly identifier: number; readonly attributes: readonly RadiusAttribute[] },
  secret: Secret,
): Buffer {
  return sealRadiusResponse(request, { identifier: request.identifier, authenticator: Buffer.alloc(md5) }, secret)
}

/** A request whose authenticator is random (Access-Request, Status-Server), with its Message-Authenticator. */
export function sealRadiusQuestion(request: RadiusPacket, secret: Secret): Buffer {
  return sealed(request, secret)
}

/**
 * The answer to a request of ours. Throws CryptoError `bad-signature` unless both authenticators hold; an answer without a
 * Message-Authenticator is accepted only where `optional` says so (RFC 5176 section 3 leaves it to the peer).
 */
export function verifyRadiusResponse(
  bytes: Uint8Array,
  packet: RadiusPacket,
  request: Pick<RadiusPacket, 'identifier' | 'authenticator'>,
  { secret, optional = false }: { readonly secret: Secret; readonly optional?: boolean },
): void {
  if (packet.identifier !== request.identifier) throw new CryptoError('bad-signature', 'the answer to another request')
  const own = withAuthenticator(bytes, packet, request.authenticator)
  if (!timingSafeEqual(digest(own, secret), packet.authenticator))
    throw new CryptoError('bad-signature', 'the response authenticator is wrong')
  if (!verifyMessageAuthenticator(bytes, packet, secret, request.authenticator) && !optional)
    throw new CryptoError('bad-signature', 'the response has no Message-Authenticator')
}

/** RFC 2548 section 2.4.2 and 2.4.3: the key that both sides of EAP derived, for the authenticator alone. */
export function mppeKeyAttributes(
  keys: { readonly receive: Uint8Array; readonly send: Uint8Array },
  terms: {
    readonly requestAuthenticator: Uint8Array
    readonly secret: Secret
    readonly random: (n: number) => Uint8Array
  },
): readonly RadiusAttribute[] {
  const salts = Buffer.from(terms.random(4))
  // The leftmost bit is set, and within one packet no two salts are equal.
  const first = Buffer.from([salts[0]! | 0x80, salts[1]!])
  const second = Buffer.from([(salts[0]! ^ 1) | 0x80, salts[3]!])
  return [
    vendorAttribute(microsoft, msMppe.receive, salted(keys.receive, first, terms)),
    vendorAttribute(microsoft, msMppe.send, salted(keys.send, second, terms)),
  ]
}

/**
 * RFC 2868 section 3.5, as Tunnel-Password has it: tag, salt and the text, hidden by the secret. A per-device passphrase goes
 * to an access point so.
 */
export function tunnelPasswordAttribute(
  password: Secret,
  terms: {
    readonly requestAuthenticator: Uint8Array
    readonly secret: Secret
    readonly random: (n: number) => Uint8Array
  },
): RadiusAttribute {
  const salt = Buffer.from(terms.random(2))
  salt[0]! |= 0x80
  const value = Buffer.concat([Buffer.alloc(1), salted(password.reveal(), salt, terms)])
  return { type: radiusAttribute.tunnelPassword, value }
}

/** What `salted` hid: for the side that receives it. Throws CryptoError `key-mismatch` when the length inside is wrong. */
export function openSalted(
  value: Uint8Array,
  terms: { readonly requestAuthenticator: Uint8Array; readonly secret: Secret },
): Buffer {
  const bytes = Buffer.from(value)
  const salt = bytes.subarray(0, 2)
  const clear = keyStream(bytes.subarray(2), Buffer.concat([terms.requestAuthenticator, salt]), terms.secret, 'open')
  const length = clear[0]
  if (length === undefined || length >= clear.length)
    throw new CryptoError('key-mismatch', 'a hidden RADIUS value does not open')
  return clear.subarray(1, 1 + length)
}

function salted(
  value: Uint8Array,
  salt: Buffer,
  terms: { readonly requestAuthenticator: Uint8Array; readonly secret: Secret },
): Buffer {
  const clear = Buffer.alloc(Math.ceil((value.length + 1) / md5) * md5)
  clear[0] = value.length
  clear.set(value, 1)
  const start = Buffer.concat([terms.requestAuthenticator, salt])
  return Buffer.concat([salt, keyStream(clear, start, terms.secret, 'seal')])
}

/** Blocks of 16: each is hidden by the digest of the secret and the hidden block before it. */
function keyStream(input: Uint8Array, start: Buffer, secret: Secret, way: 'seal' | 'open'): Buffer {
  if (input.length % md5 !== 0) throw new CryptoError('key-mismatch', 'a hidden RADIUS value of another length')
  const output = Buffer.alloc(input.length)
  let before: Uint8Array = start
  for (let at = 0; at < input.length; at += md5) {
    const mask = hash('md5', Buffer.concat([secret.reveal(), before]), 'buffer')
    for (let i = 0; i < md5; i++) output[at + i] = input[at + i]! ^ mask[i]!
    before = (way === 'seal' ? output : input).subarray(at, at + md5)
  }
  return output
}

function sealed(packet: RadiusPacket, secret: Secret): Buffer {
  const first = { type: radiusAttribute.messageAuthenticator, value: Buffer.alloc(md5) }
  const bytes = encodeRadius({ ...packet, attributes: [first, ...packet.attributes] })
  // Blast-RADIUS: it stands first, so that nothing before it can be chosen by somebody else.
  bytes.set(messageAuthenticator(bytes, secret), radiusHeader + 2)
  return bytes
}

function messageAuthenticator(bytes: Uint8Array, secret: Secret): Buffer {
  return createHmac('md5', secret.reveal()).update(bytes).digest()
}

/** False when there is none. Throws when there are two, or one that is wrong. */
function verifyMessageAuthenticator(
  bytes: Uint8Array,
  packet: RadiusPacket,
  secret: Secret,
  authenticator: Uint8Array,
): boolean {
  const found = packet.attributes.filter(({ type }) => type === radiusAttribute.messageAuthenticator)
  if (found.length === 0) return false
  const value = found[0]!.value
  if (found.length > 1 || value.length !== md5) throw new CryptoError('bad-signature', 'the Message-Authenticator')
  const own = withAuthenticator(bytes, packet, authenticator)
  own.fill(0, offsetOf(packet), offsetOf(packet) + md5)
  if (!timingSafeEqual(messageAuthenticator(own, secret), value))
    throw new CryptoError('bad-signature', 'the Message-Authenticator is wrong')
  return true
}

/** Where the value of the Message-Authenticator begins. */
function offsetOf(packet: RadiusPacket): number {
  let at = radiusHeader
  for (const { type, value } of packet.attributes) {
    if (type === radiusAttribute.messageAuthenticator) return at + 2
    at += 2 + value.length
  }
  return at
}

/** A copy of the packet, without padding behind it, with another authenticator. */
function withAuthenticator(bytes: Uint8Array, packet: RadiusPacket, authenticator: Uint8Array): Buffer {
  const length = packet.attributes.reduce((sum, { value }) => sum + 2 + value.length, radiusHeader)
  const copy = Buffer.from(bytes.subarray(0, length))
  copy.set(authenticator, 4)
  return copy
}

function digest(packet: Uint8Array, secret: Secret): Buffer {
  return hash('md5', Buffer.concat([packet, secret.reveal()]), 'buffer')
}
