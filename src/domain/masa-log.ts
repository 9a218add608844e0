import type { ErrorCode } from './error.ts'

/*
 * What the log of a MASA says of the networks that a device was given to before (RFC 8995 section 5.8): read when a policy of
 * the site asks for it, before the voucher is handed on.
 */

/**
 * `unasked`: no policy asks. `unavailable`: no answer, or none that can be true. `clean`: this site alone. `foreign`: other
 * networks, too. `open`: another network has a voucher without a nonce, by which it can take the device again.
 */
export const historyVerdicts = ['unasked', 'unavailable', 'clean', 'foreign', 'open'] as const

export type HistoryVerdict = (typeof historyVerdicts)[number]

export type DeviceHistory = {
  readonly verdict: Exclude<HistoryVerdict, 'unasked'>
  /** Vouchers of other networks, and those of them without a nonce; at least so many. */
  readonly others: number
  readonly nonceless: number
  /** When the newest voucher of another network was given, milliseconds since 1970. */
  readonly newest?: number
  /** When it was read. */
  readonly at: number
}

export type HistoryEvent = {
  readonly kind: 'history-read'
  readonly body: DeviceHistory & {
    /** Request that it was read for. */
    readonly attempt: string
    /** Of other networks, as the MASA names them; the newest. */
    readonly domains: readonly string[]
    /** Why it is unavailable. */
    readonly reason?: string
  }
}

/** One voucher of the log. */
export interface LoggedVoucher {
  readonly date: Date
  readonly domainID: string
  readonly nonce: string | null
}

const mostDomains = 8

/**
 * RFC 8995 section 5.8.3. `own`: every name by which a MASA may know this site. A log in which the voucher that it just gave
 * is missing is no log.
 */
export function judgeHistory(
  log: {
    readonly events: readonly LoggedVoucher[]
    readonly truncation?: { readonly arbitrary?: number }
  },
  about: { readonly own: ReadonlySet<string>; readonly nonce: string; readonly at: number; readonly attempt: string },
): HistoryEvent['body'] {
  const { own, nonce, at, attempt } = about
  const head = { at, attempt }
  const given = log.events.some(event => own.has(event.domainID) && event.nonce === nonce)
  if (!given) return unreadHistory('the voucher that it just gave is not in it', head)
  const others = log.events.filter(({ domainID }) => !own.has(domainID)).toSorted((a, b) => +b.date - +a.date)
  const nonceless = others.filter(event => event.nonce === null).length
  // What was left out for want of room may have been anybody's.
  const hidden = (log.truncation?.arbitrary ?? 0) > 0
  const verdict = nonceless > 0 ? 'open' : others.length > 0 || hidden ? 'foreign' : 'clean'
  const [newest] = others
  return {
    ...{ verdict, others: others.length, nonceless, ...head },
    ...(newest === undefined ? {} : { newest: newest.date.getTime() }),
    domains: [...new Set(others.map(({ domainID }) => domainID.slice(0, 64)))].slice(0, mostDomains),
  }
}

export function unreadHistory(
  reason: string,
  head: { readonly at: number; readonly attempt: string },
): HistoryEvent['body'] {
  return { verdict: 'unavailable', others: 0, nonceless: 0, domains: [], reason: reason.slice(0, 200), ...head }
}

/** What stands beside it among the evidence, and in the log. */
export const historyFindings = {
  unavailable: { result: 'not-applicable', note: 'the log of the MASA could not be read' },
  clean: { result: 'pass', note: 'the log of the MASA names no other network' },
  foreign: { result: 'pass', code: 'device-history-foreign', note: 'other networks had this device before' },
  open: { result: 'fail', code: 'device-history-open', note: 'another network can take this device again' },
} as const satisfies Record<DeviceHistory['verdict'], { result: string; code?: ErrorCode; note: string }>
