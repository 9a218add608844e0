import { randomBytes } from 'node:crypto'
import fc from 'fast-check'

export const runs = Number(process.env['MOORING_FUZZ_RUNS'] ?? 300)

/** A few edits of a message: what comes of bad memory, bad software and bad intent. */
const editsOf = (...kinds: readonly string[]) =>
  fc.array(
    fc.record({
      at: fc.noBias(fc.nat(0xff_ffff)),
      kind: fc.constantFrom(...kinds),
      value: fc.integer({ min: 0, max: 255 }),
      length: fc.integer({ min: 1, max: 40 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
export const edits = editsOf('set', 'flip', 'cut', 'drop', 'repeat', 'insert')
/** Of the same length, so that the lengths around stay right and more of it is read. */
export const alterations = editsOf('set', 'flip')
export type Edit = typeof edits extends fc.Arbitrary<infer T> ? T : never

export function edited(original: Uint8Array, changes: Edit): Buffer {
  let bytes = Buffer.from(original)
  for (const { at, kind, value, length } of changes) {
    const i = Math.floor((at / 0x100_0000) * bytes.length)
    if (kind === 'set' && bytes.length > 0) bytes[i] = value
    else if (kind === 'flip' && bytes.length > 0) bytes[i] = bytes[i]! ^ (1 << (value & 7))
    else if (kind === 'cut') bytes = bytes.subarray(0, i)
    else if (kind === 'drop') bytes = Buffer.concat([bytes.subarray(0, i), bytes.subarray(i + length)])
    else if (kind === 'repeat') bytes = Buffer.concat([bytes.subarray(0, i + length), bytes.subarray(i)])
    else if (kind === 'insert') bytes = Buffer.concat([bytes.subarray(0, i), randomBytes(length), bytes.subarray(i)])
  }
  return bytes
}
