/**
 * Reads an undamaged QR code of versions 4 to 8 (ISO/IEC 18004) in byte mode, levels M to H. An independent reading of what was
 * drawn: position, orientation, quiet zone and content, without error correction.
 */
export function readQr(modules: readonly (readonly boolean[])[]): string {
  const size = modules.length - 8
  for (let i = 0; i < modules.length; i++) {
    for (const quiet of [0, 1, 2, 3, size + 4, size + 5, size + 6, size + 7]) {
      if (modules[quiet]![i] !== false || modules[i]![quiet] !== false) throw new Error('no quiet zone of 4 modules')
    }
  }
  const dark = (row: number, column: number) => modules[row + 4]![column + 4]!
  const version = (size - 17) / 4
  if (!dark(size - 8, 8)) throw new Error('the module that is always dark is not: mirrored or turned')
  // Format information beside the upper left finder: 2 bits of level, 3 of mask, masked by 101010000010010.
  const format = [0, 1, 2, 3, 4].reduce((bits, i) => bits * 2 + Number(dark(8, i)), 0) ^ 0b10101
  const blocks = structure[version]?.[format >> 3]
  if (blocks === undefined) throw new Error(`version ${version}, level ${format >> 3}`)
  const masked = masks[format & 7]!
  const bits: number[] = []
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--
    for (let step = 0; step < size; step++) {
      const row = up ? size - 1 - step : step
      for (const column of [right, right - 1]) {
        if (!isFunction(version, size, row, column)) bits.push(Number(dark(row, column) !== masked(row, column)))
      }
    }
  }
  return text(deinterleave(octets(bits), blocks), version)
}

type Mask = (row: number, column: number) => boolean
const masks: readonly Mask[] = [
  (r, c) => (r + c) % 2 === 0,
  r => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
]

/** Data octets of each block, by version and by the level's bits (00 M, 11 Q, 10 H). */
const structure: Readonly<Record<number, Readonly<Record<number, readonly number[]>>>> = {
  4: { 0: [32, 32], 3: [24, 24], 2: [9, 9, 9, 9] },
  5: { 0: [43, 43], 3: [15, 15, 16, 16], 2: [11, 11, 12, 12] },
  6: { 0: [27, 27, 27, 27], 3: [19, 19, 19, 19], 2: [15, 15, 15, 15] },
  7: { 0: [31, 31, 31, 31], 3: [14, 14, 15, 15, 15, 15], 2: [13, 13, 13, 13, 14] },
  8: { 0: [38, 38, 39, 39], 3: [18, 18, 18, 18, 19, 19], 2: [14, 14, 14, 14, 15, 15] },
}

const alignment: Readonly<Record<number, readonly number[]>> = {
  4: [6, 26],
  5: [6, 30],
  6: [6, 34],
  7: [6, 22, 38],
  8: [6, 24, 42],
}

function isFunction(version: number, size: number, row: number, column: number): boolean {
  if (row === 6 || column === 6) return true
  if ((row < 9 && column < 9) || (row < 9 && column >= size - 8) || (row >= size - 8 && column < 9)) return true
  if (version >= 7 && ((row < 6 && column >= size - 11) || (column < 6 && row >= size - 11))) return true
  const centres = alignment[version]!
  const last = centres.at(-1)!
  return centres.some(y =>
    centres.some(x => {
      const finder = (y === 6 && x === 6) || (y === 6 && x === last) || (y === last && x === 6)
      return !finder && Math.abs(row - y) <= 2 && Math.abs(column - x) <= 2
    }),
  )
}

function octets(bits: readonly number[]): number[] {
  return Array.from({ length: Math.floor(bits.length / 8) }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((octet, bit) => octet * 2 + bit, 0),
  )
}

function deinterleave(codewords: readonly number[], blocks: readonly number[]): number[] {
  const data = blocks.map((): number[] => [])
  let next = 0
  for (let i = 0; i < Math.max(...blocks); i++) {
    for (const [block, length] of blocks.entries()) if (i < length) data[block]!.push(codewords[next++]!)
  }
  return data.flat()
}

function text(data: readonly number[], version: number): string {
  if (version > 9 || data[0]! >> 4 !== 0b0100) throw new Error('not in byte mode')
  const length = ((data[0]! & 15) << 4) | (data[1]! >> 4)
  const bytes = Array.from({ length }, (_, i) => ((data[i + 1]! & 15) << 4) | (data[i + 2]! >> 4))
  return Buffer.from(bytes).toString('utf8')
}
