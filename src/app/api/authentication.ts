import { hash } from 'node:crypto'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Log, Store } from '../../domain/port.ts'
import { type Caller, tokenCaller } from '../../domain/site.ts'
import type { Access } from '../../role/authorization/access.ts'
import { certifiedCaller } from '../../role/authorization/caller-certificate.ts'

export interface AuthenticationOptions {
  readonly access: Access
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Failed attempts that one address may make in a minute. */
  readonly failuresPerMinute: number
}

export interface Attempt {
  /** The Authorization header. */
  readonly authorization: string | null
  /** Of the TLS connection, leaf first, DER. */
  readonly certificates: readonly Uint8Array[]
  /** Host of the caller, with or without a port. */
  readonly address: string
}

const maxAddresses = 10_000
const maxProven = 1000

/** Who calls, by a token or by a client certificate. Throws OnboardingError `not-authenticated`, `caller-…`. */
export type Identify = (credential: Omit<Attempt, 'address'>) => Promise<Caller>

export function createIdentify({ access, store, clock }: Pick<AuthenticationOptions, 'access' | 'store' | 'clock'>) {
  return async ({ authorization, certificates }: Omit<Attempt, 'address'>): Promise<Caller> => {
    if (certificates.length === 0) return tokenCaller(await access.authenticate(bearer(authorization)))
    // Whose call would it be? A proxy's certificate must not lend its rights to a token, nor the other way round.
    if (authorization !== null) throw new OnboardingError('credential-ambiguous')
    return certifiedCaller({ store, clock }, certificates)
  }
}

function bearer(authorization: string | null): string {
  return /^Bearer ([\x21-\x7e]{1,200})$/i.exec(authorization ?? '')?.[1] ?? ''
}

/**
 * Who calls. After too many failures an address is answered `too-many-attempts`, whatever token it shows, unless that token
 * was good before: a colleague behind the same proxy is not locked out by a guesser.
 * Throws OnboardingError `not-authenticated`, `caller-…`, `credential-ambiguous`, `too-many-attempts`.
 */
export function createAuthentication(options: AuthenticationOptions) {
  const { clock, log, failuresPerMinute } = options
  const identify = createIdentify(options)
  const failures = new Map<string, { left: number; at: number }>()
  const proven = new Set<string>()

  function left(host: string): number {
    const seen = failures.get(host)
    if (seen === undefined) return failuresPerMinute
    return Math.min(failuresPerMinute, seen.left + ((clock() - seen.at) * failuresPerMinute) / 60_000)
  }

  return async ({ authorization, certificates, address }: Attempt): Promise<Caller> => {
    // Nothing was tried, so nothing counts: browsers and probes ask first.
    if (authorization === null && certificates.length === 0) throw new OnboardingError('not-authenticated')
    const host = networkOf(address)
    const name = hash('sha256', certificates[0] ?? bearer(authorization))
    if (left(host) < 1 && !proven.has(name)) throw new OnboardingError('too-many-attempts')
    try {
      const known = await identify({ authorization, certificates })
      remember(proven, name, maxProven)
      return known
    } catch (error) {
      proven.delete(name)
      if (error instanceof OnboardingError && isRefusal(error)) {
        const rest = left(host) - 1
        failures.delete(host)
        if (failures.size >= maxAddresses) failures.delete(failures.keys().next().value!)
        failures.set(host, { left: Math.max(0, rest), at: clock() })
        const kind = certificates.length > 0 ? 'certificate' : 'token'
        log.warn({ address, code: error.code, left: Math.max(0, Math.floor(rest)) }, `API ${kind} refused`)
      }
      throw error
    }
  }
}

function isRefusal({ code }: OnboardingError): boolean {
  return code === 'not-authenticated' || code.startsWith('caller-')
}

function remember(names: Set<string>, name: string, max: number): void {
  names.delete(name)
  if (names.size >= max) names.delete(names.values().next().value!)
  names.add(name)
}

/** Without the port; of IPv6 the /64, of which one machine has all addresses to choose from. */
export function networkOf(address: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(address)?.[1]
  const v6 = bracketed ?? (address.split(':').length > 2 ? address : undefined)
  if (v6 === undefined) return address.replace(/:\d+$/, '')
  const [head = '', tail] = v6.split('%')[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => '0')
  return [...groups, ...gap, ...rest]
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
