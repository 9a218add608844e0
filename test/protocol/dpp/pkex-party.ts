import { Secret } from '../../../src/crypto/secret.ts'
import { type AttributeName, attribute, decodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame, encodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import type { Effect, PkexOptions } from '../../../src/protocol/dpp/pkex-initiator.ts'
import * as initiator from '../../../src/protocol/dpp/pkex-initiator.ts'
import * as responder from '../../../src/protocol/dpp/pkex-responder.ts'

export const macs = { initiator: Buffer.from('ac6491f45207', 'hex'), responder: Buffer.from('6e5ece6ef3dd', 'hex') }

/** A party with keys of its own. `mac`: version 1. */
export function party(curve: DppCurve, code: string, identifier?: string, mac?: Uint8Array): PkexOptions {
  return {
    code: { code: new Secret(code), ...(identifier !== undefined && { identifier }) },
    bootstrappingKey: generateDppKey(curve),
    ephemeralKey: generateDppKey(curve),
    protocolVersion: 3,
    ...(mac !== undefined && { mac }),
  }
}

/** The one message among the effects. */
export function sent(effects: readonly Effect[]): Buffer {
  const messages = effects.filter(effect => effect.type === 'send')
  if (messages.length !== 1) throw new Error(`${messages.length} messages`)
  return messages[0]!.message
}

export const kinds = (effects: readonly Effect[]) => effects.map(({ type }) => type)

/** The MAC address that a message comes from, when the parties have any. */
const from = ({ mac }: PkexOptions) => (mac === undefined ? {} : { mac })
export const received = (message: Uint8Array, peer: PkexOptions) =>
  ({ type: 'received', frame: decodeFrame(message), ...from(peer) }) as const

/** Runs the exchange as far as both say yes. */
export function exchange(left: PkexOptions, right: PkexOptions) {
  const requested = initiator.begin(left)
  const request = sent(requested.effects)
  const exchanged = responder.step(responder.begin(right), received(request, left))
  const response = sent(exchanged.effects)
  const revealed = initiator.step(requested.state, received(response, right))
  const commit = sent(revealed.effects)
  return { requested, request, exchanged, response, revealed, commit }
}

export function bootstrap(left: PkexOptions, right: PkexOptions) {
  const so = exchange(left, right)
  const answered = responder.step(so.exchanged.state, received(so.commit, left))
  const reveal = sent(answered.effects)
  const concluded = initiator.step(so.revealed.state, received(reveal, right))
  return { ...so, answered, reveal, concluded }
}

type Raw = readonly [id: number, value: Uint8Array]

/** A DPP frame with its attributes changed: each as it is written, in order. */
export function rewritten(message: Uint8Array, change: (list: Raw[]) => readonly Raw[]): Buffer {
  const frame = decodeFrame(message)
  if (frame.kind !== 'dpp') throw new Error('not a DPP frame')
  return encodeFrame({ ...frame, attributes: encodeRaw(change(decodeRaw(frame.attributes))) })
}

export function decodeRaw(bytes: Uint8Array): Raw[] {
  decodeAttributes(bytes)
  const list: Raw[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + 2]! | (bytes[at + 3]! << 8)
    list.push([bytes[at]! | (bytes[at + 1]! << 8), bytes.subarray(at + 4, at + 4 + length)])
    at += 4 + length
  }
  return list
}

export function encodeRaw(list: readonly Raw[]): Buffer {
  return Buffer.concat(
    list.flatMap(([id, value]) => [Buffer.of(id & 0xff, id >> 8, value.length & 0xff, value.length >> 8), value]),
  )
}

export const without =
  (name: AttributeName) =>
  (list: readonly Raw[]): Raw[] =>
    list.filter(([id]) => id !== attribute[name])

export const replacing =
  (name: AttributeName, value: Uint8Array | ((old: Uint8Array) => Uint8Array)) =>
  (list: readonly Raw[]): Raw[] =>
    list.map(([id, old]) => [id, id === attribute[name] ? (typeof value === 'function' ? value(old) : value) : old])

export const adding =
  (name: AttributeName | number, value: Uint8Array) =>
  (list: readonly Raw[]): Raw[] => [...list, [typeof name === 'number' ? name : attribute[name], value]]

/** One bit of the last octet. */
export function flipped(value: Uint8Array): Buffer {
  const copy = Buffer.from(value)
  copy[copy.length - 1]! ^= 1
  return copy
}
