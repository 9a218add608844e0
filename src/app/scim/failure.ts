import { CodecError } from '../../codec/error.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { failureProblem } from '../api/failure.ts'
import { scimMessage } from './schema.ts'

/** RFC 7644 table 9. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'

export class ScimError extends Error {
  readonly status: number
  readonly scimType: ScimType | undefined

  constructor(status: number, scimType: ScimType | undefined, detail: string) {
    super(detail)
    this.name = 'ScimError'
    this.status = status
    this.scimType = scimType
  }
}

export const badRequest = (scimType: ScimType, detail: string) => new ScimError(400, scimType, detail)

const types: Readonly<Partial<Record<ErrorCode, ScimType>>> = {
  'input-invalid': 'invalidValue',
  'request-malformed': 'invalidSyntax',
  'device-withdrawn': 'mutability',
  'store-exists': 'uniqueness',
}

/** The body of RFC 7644 section 3.12; the code of the catalogue stands at the start of the detail. */
export function scimFailure(error: unknown, request: { readonly id: string; readonly log: Log }): Response {
  const { status, scimType, detail, code } = described(error, request)
  const headers = new Headers({ 'content-type': 'application/scim+json' })
  if (code === 'not-authenticated') headers.set('www-authenticate', 'Bearer realm="mooring"')
  if (status === 429) headers.set('retry-after', '60')
  const body = {
    schemas: [scimMessage.error],
    status: String(status),
    ...(scimType === undefined ? {} : { scimType }),
    detail,
  }
  return new Response(JSON.stringify(body), { status, headers })
}

interface Described {
  readonly status: number
  readonly scimType: ScimType | undefined
  readonly detail: string
  readonly code?: ErrorCode
}

function described(error: unknown, request: Parameters<typeof scimFailure>[1]): Described {
  if (error instanceof ScimError) return { status: error.status, scimType: error.scimType, detail: error.message }
  if (error instanceof CodecError) return { status: 400, scimType: 'invalidSyntax', detail: error.message }
  const { code, status, detail } = failureProblem(error, request)
  const facts = error instanceof OnboardingError && code !== 'internal' ? ` ${error.message}` : ''
  const scimType = types[code]
  return { status: scimType === 'mutability' ? 400 : status, scimType, detail: `${code}: ${detail}${facts}`, code }
}
