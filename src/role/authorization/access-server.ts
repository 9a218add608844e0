import { eapCode, encodeEap } from '../../codec/eap.ts'
import { CodecError } from '../../codec/error.ts'
import {
  attributeValue,
  joinedValue,
  maxAttributeValue,
  type RadiusAttribute,
  type RadiusPacket,
  radiusAttribute,
  radiusCode,
  splitValue,
} from '../../codec/radius.ts'
import { mppeKeyAttributes, sealRadiusResponse } from '../../crypto/radius.ts'
import type { Clock, Log, Random } from '../../domain/port.ts'
import { begin, type Effect, type Failure, type Input, type State, step } from '../../protocol/eap/tls-server.ts'
import type { EapTlsConversation, EapTlsServer } from './eap-tls-port.ts'
import type { RadiusClient, RadiusRequest, RadiusService } from './radius-port.ts'

/** Who asks to be let into the network, what it has proven, and where it stands. */
export interface AccessRequest {
  /** DER, end entity first; TLS has proven its key. */
  readonly certificates: readonly Uint8Array[]
  readonly client: string
  /** Of the access point or switch. */
  readonly address: string
  /** Said by the device before anything was proven: for the record, never for a decision. */
  readonly identity: string
  /** As the access point says: MAC address of the device, its port, its session. */
  readonly station?: string
  readonly port?: string
  readonly session?: string
  /** Name of the network on air, from Called-Station-Id. */
  readonly ssid?: string
}

export type AccessAnswer =
  | {
      readonly verdict: 'accept'
      /** VLAN, lifetime, Class and the like. */
      readonly attributes: readonly RadiusAttribute[]
      /** Asked when the answer is about to leave: between the two the peer has time, and the record may have changed. */
      readonly stands?: () => Promise<boolean>
    }
  | { readonly verdict: 'reject'; readonly code: string }

export interface AccessServerOptions {
  readonly tls: EapTlsServer
  readonly decide: (request: AccessRequest) => Promise<AccessAnswer>
  /** Told of conversations that ended before there was anybody to decide about. */
  readonly failed?: (failure: AccessFailure) => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits?: Partial<AccessLimits>
}

export interface AccessFailure {
  readonly client: string
  readonly address: string
  readonly identity: string
  readonly station?: string
  readonly reason: Failure
  /** What TLS said. */
  readonly detail?: string
}

export interface AccessLimits {
  /** Milliseconds from the first message to the last. RFC 3579 section 2.3 leaves it to us; supplicants give up after 30 s. */
  readonly conversation: number
  /** Conversations under way: of one client, and of all. */
  readonly perClient: number
  readonly total: number
}

export const accessLimits: AccessLimits = { conversation: 30_000, perClient: 1000, total: 4000 }

interface Conversation {
  readonly id: string
  readonly client: RadiusClient
  readonly until: number
  state: State
  tls: EapTlsConversation | undefined
  /** Why it failed, as TLS or the decision point says. */
  detail: string | undefined
  /** What an accept will carry, from the decision to the peer's last acknowledgement. */
  granted: (Extract<AccessAnswer, { readonly verdict: 'accept' }> & { readonly msk: Buffer }) | undefined
  /** A message is being worked on; others wait for their repetition. */
  busy: boolean
}

/** The EAP server behind RADIUS (RFC 3579): one conversation for each State attribute, EAP-TLS and nothing else. */
export function createAccessServer(options: AccessServerOptions): RadiusService & { readonly underWay: () => number } {
  const server = new AccessServer(options)
  return Object.assign((request: RadiusRequest) => server.answer(request), { underWay: () => server.underWay })
}

class AccessServer {
  readonly #options: AccessServerOptions
  readonly #limits: AccessLimits
  /** By State; in the order of their beginning. */
  readonly #conversations = new Map<string, Conversation>()
  readonly #perClient = new Map<string, number>()

  constructor(options: AccessServerOptions) {
    this.#options = options
    this.#limits = { ...accessLimits, ...options.limits }
  }

  get underWay(): number {
    return this.#conversations.size
  }

  async answer(request: RadiusRequest): Promise<Buffer | undefined> {
    const { packet, client } = request
    if (packet.code === radiusCode.statusServer) return reply(radiusCode.accessAccept, [], request)
    const eap = joinedValue(packet, radiusAttribute.eapMessage)
    // Passwords and MAC addresses authenticate nobody here.
    if (eap === undefined) return this.#reject(request, undefined)
    this.#expire()
    const token = attributeValue(packet, radiusAttribute.state)
    const known = token && this.#conversations.get(Buffer.from(token).toString('latin1'))
    if (known === undefined) return token === undefined ? this.#begin(request, eap) : this.#reject(request, undefined)
    // A State that another client was given opens nothing.
    if (known.client.id !== client.id || known.busy) return undefined
    return this.#advance(known, { kind: 'received', eap }, request)
  }

  #begin(request: RadiusRequest, eap: Buffer): Promise<Buffer | undefined> | Buffer | undefined {
    const { client } = request
    if (!this.#hasRoom(client.id)) {
      this.#options.log.warn({ client: client.id, code: 'radius-crowded' }, 'too many conversations under way')
      return undefined
    }
    const mine = this.#perClient.get(client.id) ?? 0
    try {
      const { random, clock } = this.#options
      const first = begin(eap, random(1)[0]!)
      const id = Buffer.from(random(16)).toString('latin1')
      const until = clock() + this.#limits.conversation
      const open = {
        id,
        client,
        until,
        state: first.state,
        tls: undefined,
        detail: undefined,
        granted: undefined,
        busy: false,
      }
      this.#conversations.set(id, open)
      this.#perClient.set(client.id, mine + 1)
      return this.#challenge(open, first.effects, request)
    } catch (error) {
      if (error instanceof CodecError) return this.#reject(request, undefined)
      throw error
    }
  }

  /**
   * Whoever can reach an access point can begin conversations: the oldest one in which nothing but a name was said, at the
   * client that has too many or at any, makes room.
   */
  #hasRoom(client: string): boolean {
    const isFull = () => (this.#perClient.get(client) ?? 0) >= this.#limits.perClient
    if (!isFull() && this.#conversations.size < this.#limits.total) return true
    for (const conversation of this.#conversations.values()) {
      if (conversation.busy || conversation.tls !== undefined || conversation.state.at === 'collecting') continue
      if (isFull() && conversation.client.id !== client) continue
      this.#close(conversation)
      return true
    }
    return false
  }

  async #advance(conversation: Conversation, received: Input, request: RadiusRequest): Promise<Buffer | undefined> {
    conversation.busy = true
    try {
      let input = received
      for (;;) {
        const { state, effects } = step(conversation.state, input, termsOf(request.packet))
        conversation.state = state
        const [effect] = effects
        if (effect === undefined) return undefined
        if (effect.kind === 'succeeded' && !(await stillStands(conversation)))
          return this.#withdraw(conversation, effect.eap, request)
        if (effect.kind !== 'feed-tls') return this.#finish(conversation, effect, request)
        input = await this.#work(conversation, effect.message, request)
      }
    } finally {
      conversation.busy = false
    }
  }

  async #work(conversation: Conversation, message: Buffer, request: RadiusRequest): Promise<Input> {
    conversation.tls ??= this.#options.tls.open()
    const { tls } = conversation
    const turn = await tls.feed(message)
    if (turn.kind === 'continue') return { kind: 'tls-produced', flight: turn.flight, next: 'continue' }
    if (turn.kind === 'failed') {
      conversation.detail = turn.reason
      return { kind: 'tls-produced', flight: turn.flight, next: 'fail' }
    }
    const answer = await this.#options.decide(accessRequest(request, conversation, turn.certificates))
    if (answer.verdict === 'reject') {
      conversation.detail = answer.code
      return { kind: 'refused' }
    }
    const confirmed = await tls.confirm()
    if ('failed' in confirmed) {
      conversation.detail = confirmed.failed
      return { kind: 'tls-produced', flight: Buffer.alloc(0), next: 'fail' }
    }
    conversation.granted = { ...answer, msk: confirmed.keys.msk }
    return { kind: 'tls-produced', flight: confirmed.flight, next: 'succeed' }
  }

  #finish(conversation: Conversation, effect: Exclude<Effect, { kind: 'feed-tls' }>, request: RadiusRequest): Buffer {
    if (effect.kind === 'send') return this.#challenge(conversation, [effect], request)
    this.#close(conversation)
    const eap = splitValue(radiusAttribute.eapMessage, effect.eap)
    if (effect.kind === 'failed') {
      this.#tell(conversation, effect.reason, request)
      return reply(radiusCode.accessReject, eap, request)
    }
    const { attributes, msk } = conversation.granted!
    const { random } = this.#options
    const { secret } = request.client
    const requestAuthenticator = request.packet.authenticator
    const halves = { receive: msk.subarray(0, 32), send: msk.subarray(32, 64) }
    const keys = mppeKeyAttributes(halves, { requestAuthenticator, secret, random })
    msk.fill(0)
    return reply(radiusCode.accessAccept, [...eap, ...attributes, ...keys], request)
  }

  /** What was granted a moment ago is granted no more: EAP-Failure in the success's place (RFC 3579 section 2.6.3). */
  #withdraw(conversation: Conversation, [, identifier = 0]: Buffer, request: RadiusRequest): Buffer {
    conversation.granted!.msk.fill(0)
    this.#close(conversation)
    return this.#reject(request, encodeEap({ code: eapCode.failure, identifier, data: Buffer.alloc(0) }))
  }

  #challenge(conversation: Conversation, effects: readonly Effect[], request: RadiusRequest): Buffer {
    const eap = effects.flatMap(effect =>
      effect.kind === 'send' ? splitValue(radiusAttribute.eapMessage, effect.eap) : [],
    )
    const state = { type: radiusAttribute.state, value: Buffer.from(conversation.id, 'latin1') }
    return reply(radiusCode.accessChallenge, [...eap, state], request)
  }

  #tell(conversation: Conversation, reason: Failure, request: RadiusRequest): void {
    // A refusal was written down by whoever decided.
    if (reason === 'refused') return
    const { identity, client, address, station } = accessRequest(request, conversation, [])
    const detail = conversation.detail === undefined ? {} : { detail: conversation.detail }
    const failure = { identity, client, address, reason, ...(station === undefined ? {} : { station }), ...detail }
    this.#options.failed?.(failure)
  }

  #reject(request: RadiusRequest, eap: Buffer | undefined): Buffer {
    const attributes = eap === undefined ? [] : splitValue(radiusAttribute.eapMessage, eap)
    return reply(radiusCode.accessReject, attributes, request)
  }

  #close(conversation: Conversation): void {
    conversation.tls?.close()
    if (!this.#conversations.delete(conversation.id)) return
    const left = (this.#perClient.get(conversation.client.id) ?? 1) - 1
    if (left > 0) this.#perClient.set(conversation.client.id, left)
    else this.#perClient.delete(conversation.client.id)
  }

  #expire(): void {
    const now = this.#options.clock()
    for (const conversation of this.#conversations.values()) {
      if (conversation.until > now && conversation.until - now <= this.#limits.conversation) return
      if (!conversation.busy) this.#close(conversation)
    }
  }
}

async function stillStands({ granted }: Conversation): Promise<boolean> {
  return (await granted?.stands?.()) ?? true
}

/** Octets of an EAP packet beside the fragment, and those that a RADIUS packet needs beside the EAP message. */
const eapHead = 10
const smallestFragment = 512
const largestFragment = 1400

/** RFC 3579 section 2.4: Framed-MTU bounds the EAP packet. */
function termsOf(packet: RadiusPacket): { readonly fragment?: number } {
  const value = attributeValue(packet, radiusAttribute.framedMtu)
  if (value?.length !== 4) return {}
  const mtu = Buffer.from(value).readUInt32BE()
  return { fragment: Math.max(smallestFragment, Math.min(largestFragment, mtu - eapHead)) }
}

function reply(code: number, attributes: readonly RadiusAttribute[], { packet, client }: RadiusRequest): Buffer {
  // RFC 2865 section 5.33: returned as they came, in their order.
  const proxies = packet.attributes.filter(({ type }) => type === radiusAttribute.proxyState)
  return sealRadiusResponse({ code, attributes: [...attributes, ...proxies] }, packet, client.secret)
}

function accessRequest(
  { packet, client, address }: RadiusRequest,
  { state }: Conversation,
  certificates: readonly Uint8Array[],
): AccessRequest {
  const text = (type: number) => {
    const value = attributeValue(packet, type)
    return value === undefined ? undefined : printable(value)
  }
  const [station, port, session] = [
    text(radiusAttribute.callingStationId),
    text(radiusAttribute.nasPortId),
    text(radiusAttribute.acctSessionId),
  ]
  // RFC 3580 section 3.20: the address of the access point, a colon, the name of the network.
  const called = Buffer.from(attributeValue(packet, radiusAttribute.calledStationId) ?? []).toString('utf8')
  // The name is compared with that of a network, and may be in any script.
  const ssid = /^(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}:(\P{Cc}+)$/u.exec(called)?.[1]
  return {
    certificates,
    client: client.id,
    address,
    identity: 'identity' in state ? state.identity : '',
    ...(station === undefined ? {} : { station: stationAddress(station) }),
    ...(port === undefined ? {} : { port }),
    ...(session === undefined ? {} : { session }),
    ...(ssid === undefined ? {} : { ssid }),
  }
}

/** One spelling for the MAC address of a device, `02:00:00:00:00:11`, whatever the access point writes. */
function stationAddress(text: string): string {
  const digits = text.replace(/[^0-9A-Fa-f]/g, '').toLowerCase()
  return digits.length === 12 ? digits.match(/../g)!.join(':') : text
}

function printable(value: Uint8Array): string {
  return Buffer.from(value.subarray(0, maxAttributeValue))
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, '?')
}
