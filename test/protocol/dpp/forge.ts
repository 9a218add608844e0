import { openAesSiv, sealAesSiv } from '../../../src/crypto/aes-siv.ts'
import { type AttributeName, attribute } from '../../../src/protocol/dpp/attribute.ts'
import { encodeFrame, frameHeader } from '../../../src/protocol/dpp/frame.ts'
import { dppFrameOf } from './party.ts'

/** Attributes one by one, whether or not they may stand so. */
export type RawAttribute = readonly [id: number, value: Uint8Array]

export function splitAttributes(bytes: Uint8Array): RawAttribute[] {
  const list: RawAttribute[] = []
  for (let at = 0; at < bytes.length; ) {
    const id = bytes[at]! | (bytes[at + 1]! << 8)
    const end = at + 4 + (bytes[at + 2]! | (bytes[at + 3]! << 8))
    list.push([id, bytes.subarray(at + 4, end)])
    at = end
  }
  return list
}

export function joinAttributes(list: readonly RawAttribute[]): Buffer {
  return Buffer.concat(
    list.map(([id, value]) => {
      const head = Buffer.alloc(4)
      head.writeUInt16LE(id)
      head.writeUInt16LE(value.length, 2)
      return Buffer.concat([head, value])
    }),
  )
}

export type Change = (list: RawAttribute[]) => RawAttribute[]

export const without =
  (name: AttributeName): Change =>
  list =>
    list.filter(([id]) => id !== attribute[name])
export const replaced =
  (name: AttributeName, value: (was: Uint8Array) => Uint8Array): Change =>
  list =>
    list.map(([id, was]) => [id, id === attribute[name] ? value(was) : was])
/** One octet less. */
export const shortened = (name: AttributeName): Change => replaced(name, was => was.subarray(0, -1))
/** The lowest bit of the last octet. */
export const flipped = (name: AttributeName): Change =>
  replaced(name, was => Buffer.concat([was.subarray(0, -1), Buffer.of(was.at(-1)! ^ 1)]))

export interface Forgery {
  /** Of what stands in clear. */
  readonly outer?: Change
  /** Of what is wrapped, which is then wrapped again with the right key. */
  readonly inner?: Change
  /** Of what stands behind Wrapped Data. */
  readonly after?: readonly RawAttribute[]
  /** Of the octets at the very end. */
  readonly octets?: (attributes: Buffer) => Buffer
}

/** A DPP frame with wrapped data, as somebody sends it who has the key and not our good manners. */
export function forge(message: Uint8Array, key: Uint8Array, { outer, inner, after = [], octets }: Forgery): Buffer {
  const { type, attributes } = dppFrameOf(message)
  const same: Change = list => list
  const whole = splitAttributes(attributes)
  const before = whole.filter(([id]) => id !== attribute.wrappedData)
  const wrapped = whole.find(([id]) => id === attribute.wrappedData)![1]
  const clear = openAesSiv(key, wrapped, frameHeader(type), joinAttributes(before))
  const head = (outer ?? same)([...before, [attribute.wrappedData, wrapped]])
  const hasWrapped = head.some(([id]) => id === attribute.wrappedData)
  const newBefore = joinAttributes(head.filter(([id]) => id !== attribute.wrappedData))
  const sealed = sealAesSiv(key, joinAttributes((inner ?? same)(splitAttributes(clear))), frameHeader(type), newBefore)
  const tail: RawAttribute[] = [...(hasWrapped ? [[attribute.wrappedData, sealed] as const] : []), ...after]
  const forged = Buffer.concat([newBefore, joinAttributes(tail)])
  return encodeFrame({ kind: 'dpp', type, attributes: octets === undefined ? forged : octets(forged) })
}
