import { CodecError } from '../error.ts'

/**
 * Octets of an iPAddress: 4 for `192.0.2.1`, 16 for `2001:db8::1` (RFC 5280 4.2.1.6). Throws CodecError `bad-value` for
 * anything else, zones and leading zeros included.
 */
export function parseIpAddress(text: string): Buffer {
  const octets = text.length > 45 ? undefined : text.includes(':') ? parseV6(text) : parseV4(text)
  if (octets === undefined) throw new CodecError('bad-value', 'not an IP address')
  return Buffer.from(octets)
}

function parseV4(text: string): number[] | undefined {
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return undefined
  const octets = text.split('.').map(Number)
  return octets.every(octet => octet <= 255) ? octets : undefined
}

function parseV6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, at) => groups(half, at === halves.length - 1))
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  if (tail === undefined) return head.length === 16 ? head : undefined
  // RFC 4291 2.2: `::` stands for one or more groups of zeros.
  const zeros = 16 - head.length - tail.length
  return zeros < 2 ? undefined : [...head, ...new Array<number>(zeros).fill(0), ...tail]
}

/** Octets of colon-separated groups; the last may be an IPv4 address where `last` says so. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const octets: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      const group = Number.parseInt(part, 16)
      octets.push(group >> 8, group & 0xff)
    } else {
      const v4 = last && at === parts.length - 1 ? parseV4(part) : undefined
      if (v4 === undefined) return undefined
      octets.push(...v4)
    }
  }
  return octets
}

/** Text of 4 or 16 octets, IPv6 as RFC 5952 writes it. Throws CodecError `bad-value` for any other number of them. */
export function formatIpAddress(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.')
  if (octets.length !== 16) throw new CodecError('bad-value', `IP address of ${octets.length} octets`)
  const values = Array.from({ length: 8 }, (_, i) => octets[2 * i]! * 256 + octets[2 * i + 1]!)
  let longest = { start: 0, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (values[start + length] === 0) length++
    if (length > longest.length) longest = { start, length }
  }
  const text = (list: number[]) => list.map(value => value.toString(16)).join(':')
  if (longest.length === 1) return text(values)
  return `${text(values.slice(0, longest.start))}::${text(values.slice(longest.start + longest.length))}`
}
