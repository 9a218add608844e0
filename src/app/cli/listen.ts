import { networkInterfaces } from 'node:os'

/** The address that stands for all of this machine: of both kinds where it has both. */
export function anyAddress(): string {
  const has6 = Object.values(networkInterfaces()).some(list => list?.some(({ family }) => family === 'IPv6') === true)
  return has6 ? '::' : '0.0.0.0'
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** As it stands in a URL. */
export function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
