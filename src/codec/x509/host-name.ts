import { CodecError } from '../error.ts'
import type { GeneralName } from './general-name.ts'

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const LABELS =
  /^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/

/**
 * The subjectAltName under which a TLS client looks for `host`: an iPAddress for an address (RFC 5280 4.2.1.6), else a
 * dNSName. Throws CodecError `bad-value` for what is neither.
 */
export function hostName(host: string): GeneralName {
  const address = addressOctets(host)
  if (address !== undefined) return { type: 'iPAddress', value: address }
  if (!LABELS.test(host)) throw new CodecError('bad-value', 'neither a host name nor an address')
  return { type: 'dNSName', value: host.toLowerCase() }
}

/** 4 or 16 octets; undefined when `text` is no address. A zone index (`%eth0`) is no part of an address. */
export function addressOctets(text: string): Buffer | undefined {
  const dotted = IPV4.exec(text)
  if (dotted !== null) {
    const octets = dotted.slice(1).map(Number)
    return octets.every(octet => octet < 256) ? Buffer.from(octets) : undefined
  }
  return text.includes(':') && text.length <= 45 ? ipv6Octets(text) : undefined
}

/** RFC 4291 section 2.2. */
function ipv6Octets(text: string): Buffer | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(groupOctets)
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  const after = tail ?? []
  const gap = 16 - head.length - after.length
  // "::" stands for at least one group of zeros.
  if (halves.length === 1 ? gap !== 0 : gap < 2) return undefined
  return Buffer.from([...head, ...new Array<number>(gap).fill(0), ...after])
}

function groupOctets(text: string): number[] | undefined {
  if (text === '') return []
  const octets: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    const dotted = index === groups.length - 1 && group.includes('.') ? addressOctets(group) : undefined
    if (dotted !== undefined) octets.push(...dotted)
    else if (/^[0-9a-fA-F]{1,4}$/.test(group))
      octets.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255)
    else return undefined
  }
  return octets
}
