import { inflateSync } from 'node:zlib'
import { OnboardingError } from '../../domain/error.ts'

/** What is sent as a picture is looked at before anything decodes it. */
export const pictureLimits = {
  /** Octets of the file. */
  bytes: 8 << 20,
  /** Twice what a phone's camera gives by default. */
  pixels: 25_000_000,
  /** Octets of unpacked pixels: that many of 8 bits in four channels. */
  unpacked: 0x680_0000,
} as const

export interface Picture {
  readonly format: 'png' | 'jpeg'
  readonly width: number
  readonly height: number
}

/**
 * Format and size of a picture, from its own words; that takes no time, whatever they are. Throws OnboardingError `picture-unreadable` (detail `reason`).
 */
export function inspectPicture(bytes: Buffer): Picture {
  if (bytes.length > pictureLimits.bytes) refuse(`it has more than ${pictureLimits.bytes >> 20} MiB`)
  const picture = pngOf(bytes) ?? jpegOf(bytes)
  if (picture === undefined) return refuse('it is neither PNG nor JPEG')
  const { width, height } = picture
  if (width < 1 || height < 1) refuse('it has no pixels')
  if (width * height > pictureLimits.pixels) {
    refuse(`it has ${width} x ${height} pixels: make it smaller than ${pictureLimits.pixels / 1e6} million`)
  }
  return picture
}

/** By its first octets. */
export function isPicture(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 8))
  return start.equals(pngSignature) || (start[0] === 0xff && start[1] === 0xd8)
}

function refuse(reason: string): never {
  throw new OnboardingError('picture-unreadable', { reason })
}

const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex')

/** PNG (RFC 2083) section 3.2 and 4.1.1: the header comes first. */
function pngOf(bytes: Buffer): Picture | undefined {
  if (!bytes.subarray(0, 8).equals(pngSignature)) return undefined
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') return refuse('its header is damaged')
  return { format: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

/**
 * A few kilobytes can unpack to gigabytes; a decoder would begin to. Finding out may take a second: not in a thread that others
 * wait for. Throws OnboardingError `picture-unreadable` (detail `reason`).
 */
export function requireUnpackable(bytes: Buffer, { format, width, height }: Picture): void {
  if (format !== 'png') return
  const bits = (bytes[24] ?? 0) * ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[bytes[25] ?? 0] ?? 4)
  // Each row has a filter octet; interlacing splits rows, by at most eight for each.
  const most = height * (Math.ceil((width * bits) / 8) + 1) + 64 * (width + height) + 1024
  if (most > pictureLimits.unpacked) refuse('its pixels have more than 8 bits: make it smaller')
  const parts: Buffer[] = []
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    if (at + 12 + length > bytes.length) refuse('it was cut')
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  try {
    inflateSync(Buffer.concat(parts), { maxOutputLength: most })
  } catch (cause) {
    throw new OnboardingError('picture-unreadable', { reason: 'its pixels cannot be unpacked' }, { cause })
  }
}

/** JPEG (ITU-T T.81) section B.2.2: the size stands in the frame header. */
function jpegOf(bytes: Buffer): Picture | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  for (let at = 2; at + 9 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return refuse('its header is damaged')
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++
      continue
    }
    // SOF0 to SOF15, but for DHT, JPG and DAC.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { format: 'jpeg', height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) }
    }
    at += 2 + bytes.readUInt16BE(at + 2)
  }
  return refuse('it has no frame')
}
