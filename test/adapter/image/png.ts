import { crc32, deflateSync } from 'node:zlib'
import { encode } from 'uqr'

/** A PNG of 8-bit grey pixels; `pixel` answers 0 to 255. */
export function greyPng(width: number, height: number, pixel: (x: number, y: number) => number): Buffer {
  const rows = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = pixel(x, y)
  }
  return pngOf(width, height, deflateSync(rows))
}

/** With whatever stands in for its pixels. */
export function pngOf(
  width: number,
  height: number,
  data: Uint8Array,
  { depth, color }: { readonly depth: number; readonly color: number } = { depth: 8, color: 0 },
): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, color, 0, 0, 0], 8)
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const ends = Buffer.alloc(8)
  ends.writeUInt32BE(data.length, 0)
  ends.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
}

/** QR codes beside each other, `scale` pixels for each module. */
export function codesPng(texts: readonly string[], scale = 4): Buffer {
  const codes = texts.map(text => encode(text, { ecc: 'M', border: 4 }))
  const side = Math.max(...codes.map(({ size }) => size)) * scale
  return greyPng(side * codes.length, side, (x, y) => {
    const code = codes[Math.floor(x / side)]!
    return code.data[Math.floor(y / scale)]?.[Math.floor((x % side) / scale)] === true ? 0 : 255
  })
}
