import * as z from 'zod'
import type { Authority } from '../../../domain/authority.ts'

/** One operation of the API. The same value gives the server its types, OpenAPI its document and the client its methods. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** `{name}` marks a path parameter. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  /**
   * Who has one of these may call it; empty: anybody, without a token. Which roles have them is in src/domain/authority.ts;
   * `npm run authority` writes who may call what into docs/authority.md.
   */
  readonly authority: readonly Authority[]
  /**
   * Where the site wants four eyes, a second person must confirm it (`mooring four-eyes`). A function: for some inputs only; it
   * answers the authorities of which both people need one, or undefined when one person is enough.
   */
  readonly fourEyes?: true | ((input: FourEyesInput) => readonly Authority[] | undefined)
  /** Who has one of these and none of `authority` may ask somebody who has (`requestMake`): not for what needs four eyes. */
  readonly askable?: readonly Authority[]
  /** One member for each parameter of the path. Like query and body a strict object: unknown members are refused. */
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Octets of the body; 64 KiB when absent. */
  readonly maxBody?: number
  readonly reply: z.ZodType
}

/** As validated: parameters of the path, query, body. */
export interface FourEyesInput {
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
}

export type Contract = Readonly<Record<string, Operation>>

export const Instant = z.iso.datetime().describe('RFC 3339, UTC')
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 of A-Z a-z 0-9 . _ -')
  .describe('1 to 64 of A-Z a-z 0-9 . _ -')
export const Serial = z.string().min(1).max(64)
export const DeviceId = z
  .string()
  .regex(/^[0-9a-f]{24}$/, '24 hex digits')
  .describe('24 hex digits')
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 hex digits')
  .describe('64 hex digits')
export const TokenId = z
  .string()
  .regex(/^[0-9a-f]{18}$/, '18 hex digits')
  .describe('18 hex digits')
export const DevicePath = z.strictObject({ id: DeviceId })
export const CredentialPath = z.strictObject({ id: Sha256 })
export const ManufacturerPath = z.strictObject({ name: Name })
export const TokenPath = z.strictObject({ id: TokenId })

export const Page = z.strictObject({
  after: z.string().max(128).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() })
}
