import { accessErrors } from './catalogue/access.ts'
import { accessSessionErrors } from './catalogue/access-session.ts'
import { brskiErrors } from './catalogue/brski.ts'
import { deviceErrors } from './catalogue/device.ts'
import { dppErrors } from './catalogue/dpp.ts'
import { enrolleeErrors } from './catalogue/enrollee.ts'
import type { ErrorEntry } from './catalogue/entry.ts'
import { factoryErrors } from './catalogue/factory.ts'
import { httpErrors } from './catalogue/http.ts'
import { lifecycleErrors } from './catalogue/lifecycle.ts'
import { networkErrors } from './catalogue/network.ts'
import { ownershipErrors } from './catalogue/ownership.ts'
import { pledgeErrors } from './catalogue/pledge.ts'
import { policyErrors } from './catalogue/policy.ts'
import { siteErrors } from './catalogue/site.ts'
import { storeErrors } from './catalogue/store.ts'
import { supplyErrors } from './catalogue/supply.ts'

/**
 * The one catalogue of failures a user can meet. CLI, API, console and docs print from here, so that a code means
 * the same thing, in the same words, everywhere.
 */
export const errorCatalogue = {
  ...accessErrors,
  ...accessSessionErrors,
  ...brskiErrors,
  ...deviceErrors,
  ...dppErrors,
  ...enrolleeErrors,
  ...factoryErrors,
  ...httpErrors,
  ...lifecycleErrors,
  ...networkErrors,
  ...ownershipErrors,
  ...pledgeErrors,
  ...policyErrors,
  ...siteErrors,
  ...storeErrors,
  ...supplyErrors,
} as const satisfies Record<string, ErrorEntry>

export type { ErrorEntry } from './catalogue/entry.ts'

export type ErrorCode = keyof typeof errorCatalogue

/** Facts about this occurrence: names and numbers a person may read. Never key material, never a token. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean>>

/** A failure with a code from the catalogue. Thrown by domain, protocol, role and app; rendered only at the edge. */
export class OnboardingError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, detail: ErrorDetail = {}, options?: { cause?: unknown }) {
    const facts = readable(detail)
    super(`${errorCatalogue[code].title}${detailText(facts)}`, options)
    this.name = 'OnboardingError'
    this.code = code
    this.detail = facts
  }

  get entry(): ErrorEntry {
    return errorCatalogue[this.code]
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCatalogue, text)
}

/** RFC 9457 problem document. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly action: string
  readonly facts: ErrorDetail
}

export function problem(error: OnboardingError): Problem {
  const { title, cause, action, status } = error.entry
  return {
    type: `urn:mooring:error:${error.code}`,
    title,
    status,
    detail: cause,
    code: error.code,
    action,
    facts: error.detail,
  }
}

const maxFact = 512

/**
 * Facts repeat what peers say - names of 60 kB, half characters, line ends, terminal escapes - and go to ledger, logs,
 * answers and terminals: made harmless here, once for all of them.
 */
function readable(detail: ErrorDetail): ErrorDetail {
  if (Object.values(detail).every(value => typeof value !== 'string' || isReadable(value))) return detail
  return Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [name, typeof value === 'string' ? readableText(value) : value]),
  )
}

const unreadable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function isReadable(text: string): boolean {
  return text.length <= maxFact && text.isWellFormed() && text.search(unreadable) < 0
}

function readableText(text: string): string {
  return text.slice(0, maxFact).toWellFormed().replace(unreadable, '\ufffd')
}

function detailText(detail: ErrorDetail): string {
  const facts = Object.entries(detail).map(([name, value]) => `${name} ${value}`)
  return facts.length === 0 ? '' : ` (${facts.join(', ')})`
}
