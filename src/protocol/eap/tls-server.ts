import { decodeEap, decodeEapTls, type EapPacket, eapCode, eapType, encodeEap, encodeEapTls } from '../../codec/eap.ts'
import { CodecError } from '../../codec/error.ts'

/**
 * The EAP server's side of EAP-TLS (RFC 5216, with TLS 1.3 RFC 9190): fragments, acknowledgements, identifiers and the end.
 * TLS itself, the decision about the device and every clock are outside.
 */
export type State =
  /** Asked for a name, because the authenticator began without one. */
  | (Common & { readonly at: 'asked-identity' })
  /** EAP-TLS Start was sent. */
  | (Common & { readonly at: 'started'; readonly identity: string })
  /** A TLS message of the peer is coming in pieces. */
  | (Common & {
      readonly at: 'collecting'
      readonly identity: string
      readonly pieces: readonly Uint8Array[]
      readonly size: number
      readonly total?: number
    })
  /** TLS works on what came. */
  | (Common & { readonly at: 'working'; readonly identity: string })
  /** A flight of ours goes out in pieces; `sent` octets are out, and the peer has yet to acknowledge them. */
  | (Common & {
      readonly at: 'sending'
      readonly identity: string
      readonly flight: Uint8Array
      readonly sent: number
      readonly after: 'continue' | 'succeed' | 'fail'
    })
  | (Common & { readonly at: 'ended'; readonly identity: string; readonly outcome: 'succeeded' | Failure })

interface Common {
  /** Of the request that the peer has to answer next. */
  readonly identifier: number
  /** Requests sent so far. */
  readonly rounds: number
}

/** Why a conversation ended without a success. */
export type Failure =
  /** The peer answered with Nak: it wants another method. */
  | 'method-refused'
  | 'malformed'
  | 'too-long'
  /** Certificate or handshake, as TLS or the path validation said. */
  | 'tls-failed'
  /** The decision point said no. */
  | 'refused'

export type Input =
  | { readonly kind: 'received'; readonly eap: Uint8Array }
  /**
   * What TLS made of the last message. `continue`: the handshake goes on; `succeed`: this flight is its last and the device is
   * let in; `fail`: a flight with an alert, perhaps empty.
   */
  | { readonly kind: 'tls-produced'; readonly flight: Uint8Array; readonly next: 'continue' | 'succeed' | 'fail' }
  | { readonly kind: 'refused' }

export type Effect =
  | { readonly kind: 'send'; readonly eap: Buffer }
  /** Give these octets to TLS and come back with `tls-produced` or `refused`. */
  | { readonly kind: 'feed-tls'; readonly message: Buffer }
  | { readonly kind: 'succeeded'; readonly eap: Buffer }
  | { readonly kind: 'failed'; readonly eap: Buffer; readonly reason: Failure }

export interface Step {
  readonly state: State
  readonly effects: readonly Effect[]
}

export interface Terms {
  /** Octets of TLS in one EAP packet. Framed-MTU less the headers; 1,000 when absent fits every link. */
  readonly fragment?: number
}

/** The chain of a device and its answer stay below; a bomb of certificates does not (RFC 5216 section 2.1.5). */
export const maxTlsMessage = 0x1_0000
/** RFC 3748 section 4.3 has no number; 64 KiB in pieces of 1,000 need 66, and a flight of ours as many. */
const maxRounds = 160
const defaultFragment = 1000

/** Begins from the first message of a peer: an identity, or nothing yet (EAP-Start). `identifier`: of our first request. */
export function begin(eap: Uint8Array, identifier: number): Step {
  if (eap.length === 0) {
    const data = Buffer.alloc(0)
    const asked = encodeEap({ code: eapCode.request, identifier, type: eapType.identity, data })
    return { state: { at: 'asked-identity', identifier, rounds: 1 }, effects: [{ kind: 'send', eap: asked }] }
  }
  const packet = decodeEap(eap)
  if (packet.code !== eapCode.response || packet.type !== eapType.identity)
    throw new CodecError('bad-value', 'an EAP conversation begins with an identity', 0)
  return start(identityOf(packet), packet.identifier, 0)
}

/** One step. Messages that are not the answer awaited have no effect: RFC 3748 section 4.1 discards them. */
export function step(state: State, input: Input, terms: Terms = {}): Step {
  if (state.at === 'ended') return { state, effects: [] }
  switch (input.kind) {
    case 'received':
      return received(state, input.eap, terms)
    case 'tls-produced':
      return state.at === 'working' ? produced(state, input, terms) : { state, effects: [] }
    case 'refused':
      return state.at === 'working' ? end(state, 'refused') : { state, effects: [] }
  }
}

type Open = Exclude<State, { readonly at: 'ended' }>

function received(state: Open, eap: Uint8Array, terms: Terms): Step {
  const packet = read(eap)
  if (packet === undefined || packet.code !== eapCode.response || packet.identifier !== state.identifier)
    return { state, effects: [] }
  if (state.at === 'asked-identity')
    return packet.type === eapType.identity
      ? start(identityOf(packet), packet.identifier, state.rounds)
      : { state, effects: [] }
  if (packet.type === eapType.nak || packet.type === eapType.expandedNak) {
    // RFC 3748 section 5.3.1: only in answer to the first request of a method.
    return state.at === 'started' ? end(state, 'method-refused') : { state, effects: [] }
  }
  if (packet.type !== eapType.tls || state.at === 'working') return { state, effects: [] }
  if (state.rounds >= maxRounds) return end(state, 'too-long')
  return tlsReceived(state, packet, terms)
}

function read(eap: Uint8Array): EapPacket | undefined {
  try {
    return decodeEap(eap)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

function start(identity: string, before: number, rounds: number): Step {
  const identifier = (before + 1) & 255
  const data = encodeEapTls({ start: true, more: false, fragment: Buffer.alloc(0) })
  const eap = encodeEap({ code: eapCode.request, identifier, type: eapType.tls, data })
  return { state: { at: 'started', identity, identifier, rounds: rounds + 1 }, effects: [{ kind: 'send', eap }] }
}

type Busy = Exclude<Open, { readonly at: 'asked-identity' | 'working' }>

function tlsReceived(state: Busy, packet: EapPacket, terms: Terms): Step {
  let part: ReturnType<typeof decodeEapTls>
  try {
    part = decodeEapTls(packet.data)
  } catch (error) {
    if (error instanceof CodecError) return end(state, 'malformed')
    throw error
  }
  if (part.start) return end(state, 'malformed')
  if (state.at === 'sending') {
    if (part.fragment.length === 0) return acknowledged(state, terms)
    // RFC 5216 section 2.1.5: the next fragment waits for an acknowledgement. Data instead of it is the peer's own next
    // message, and allowed only when ours is out to the end.
    if (state.sent < state.flight.length) return end(state, 'malformed')
  }
  return collect(state, part)
}

function collect(state: Busy, part: ReturnType<typeof decodeEapTls>): Step {
  const before = state.at === 'collecting' ? state : { pieces: [], size: 0 }
  const total = before.size === 0 ? part.total : 'total' in before ? before.total : undefined
  const size = before.size + part.fragment.length
  if (size > maxTlsMessage || (total ?? 0) > maxTlsMessage) return end(state, 'too-long')
  // RFC 5216 section 3.1: the length is that of the whole message.
  if (total !== undefined && (size > total || (!part.more && size !== total))) return end(state, 'malformed')
  const pieces = [...before.pieces, part.fragment]
  const { identity } = state
  if (part.more) {
    const open = { identity, pieces, size, ...(total === undefined ? {} : { total }) }
    return request({ at: 'collecting', ...open, ...counters(state) }, Buffer.from([0]))
  }
  // An acknowledgement that nobody asked for: TLS has nothing to work on.
  if (size === 0) return end(state, 'malformed')
  const working: State = { at: 'working', identity, identifier: state.identifier, rounds: state.rounds }
  return { state: working, effects: [{ kind: 'feed-tls', message: Buffer.concat(pieces) }] }
}

function produced(
  state: Extract<State, { readonly at: 'working' }>,
  { flight, next }: Extract<Input, { readonly kind: 'tls-produced' }>,
  terms: Terms,
): Step {
  if (flight.length === 0 && next !== 'continue') return end(state, next === 'succeed' ? 'succeeded' : 'tls-failed')
  const { identity } = state
  return fragment({ at: 'sending', identity, flight, sent: 0, after: next, ...counters(state) }, terms)
}

function acknowledged(state: Extract<State, { readonly at: 'sending' }>, terms: Terms): Step {
  if (state.sent < state.flight.length) return fragment({ ...state, ...counters(state) }, terms)
  if (state.after === 'succeed') return end(state, 'succeeded')
  if (state.after === 'fail') return end(state, 'tls-failed')
  // The peer acknowledges where it should speak TLS.
  return end(state, 'malformed')
}

function fragment(
  state: Extract<State, { readonly at: 'sending' }>,
  { fragment: most = defaultFragment }: Terms,
): Step {
  const { flight, sent } = state
  const piece = flight.subarray(sent, sent + most)
  const more = sent + piece.length < flight.length
  // RFC 5216 section 3.1: the length stands in the first fragment of several.
  const total = sent === 0 && more ? { total: flight.length } : {}
  const data = encodeEapTls({ start: false, more, fragment: piece, ...total })
  return request({ ...state, sent: sent + piece.length }, data)
}

/** The next request; `state` has its identifier already. */
function request(state: State, data: Uint8Array): Step {
  const eap = encodeEap({ code: eapCode.request, identifier: state.identifier, type: eapType.tls, data })
  return { state, effects: [{ kind: 'send', eap }] }
}

function counters({ identifier, rounds }: Common): Common {
  return { identifier: (identifier + 1) & 255, rounds: rounds + 1 }
}

function end(state: Open, outcome: 'succeeded' | Failure): Step {
  const { identifier, rounds } = state
  const identity = 'identity' in state ? state.identity : ''
  const ended: State = { at: 'ended', identity, identifier, rounds, outcome }
  const data = Buffer.alloc(0)
  // RFC 3748 section 4.2: the identifier is that of the response which it answers.
  if (outcome === 'succeeded')
    return {
      state: ended,
      effects: [{ kind: 'succeeded', eap: encodeEap({ code: eapCode.success, identifier, data }) }],
    }
  const eap = encodeEap({ code: eapCode.failure, identifier, data })
  return { state: ended, effects: [{ kind: 'failed', eap, reason: outcome }] }
}

/** For the record only: nobody has proven it. Printable ASCII, bounded. */
function identityOf({ data }: EapPacket): string {
  return Buffer.from(data.subarray(0, 253))
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?')
}
