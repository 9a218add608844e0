import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** Finds the addresses of a name. Rejects when it has none. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>

export const resolveHost: Resolve = host => lookup(host, { all: true })

/** Never an address of one host on a network that we may reach: IANA special-purpose registries, RFC 6890. */
const meaningless = blockList([
  '0.0.0.0/8',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fec0::/10',
  'ff00::/8',
])

/** Of this machine, this link or this organization. */
const nearby = blockList([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
])

/** IPv4 addresses written as IPv6 ones: mapped (RFC 4291 2.5.5.2), compatible (2.5.5.1), translated (RFC 6052 2.1). */
const wrapped = blockList(['::ffff:0:0/96', '::/96', '64:ff9b::/96'])

/**
 * The addresses of `host` (a name or a literal, IPv6 without brackets) that may be connected to; empty when all are
 * forbidden. Whoever connects must use one of these and not ask for the name again: the next answer may be another one.
 * Rejects as `resolve` does.
 */
export async function permittedAddresses(
  host: string,
  allowNearby: boolean,
  resolve: Resolve,
): Promise<readonly LookupAddress[]> {
  const literal = isIP(host)
  const found = literal === 0 ? await resolve(host) : [{ address: host, family: literal }]
  return found.filter(({ address }) => isPermitted(address, allowNearby))
}

export function isPermitted(address: string, allowNearby: boolean): boolean {
  const family = isIP(address)
  // A zone index names a link, and is no part of what the lists compare.
  if (family === 0 || address.includes('%')) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const inner = type === 'ipv6' ? embeddedIPv4(address) : undefined
  if (inner !== undefined) return isPermitted(inner, allowNearby)
  return !meaningless.check(address, type) && (allowNearby || !nearby.check(address, type))
}

function embeddedIPv4(address: string): string | undefined {
  if (!wrapped.check(address, 'ipv6')) return undefined
  // However it was written, the URL parser gives the last 32 bits as two groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  // In the range of IPv4-compatible addresses, but not of them.
  if (canonical === '::' || canonical === '::1') return undefined
  const [high, low] = canonical
    .split(':')
    .slice(-2)
    .map(group => Number.parseInt(group || '0', 16))
  return [high! >> 8, high! & 255, low! >> 8, low! & 255].join('.')
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address, prefix] = range.split('/')
    list.addSubnet(address!, Number(prefix), address!.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
