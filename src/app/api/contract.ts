import * as z from 'zod'
import type { AccessRole } from '../../domain/site.ts'

/** One operation of the API. The same value gives the server its types, OpenAPI its document and the client its methods. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** `{name}` marks a path parameter. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  /** Roles that may call it; empty: anybody, without a token. */
  readonly roles: readonly AccessRole[]
  /** One member for each parameter of the path. Like query and body a strict object: unknown members are refused. */
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Octets of the body; 64 KiB when absent. */
  readonly maxBody?: number
  readonly reply: z.ZodType
}

export type Contract = Readonly<Record<string, Operation>>

const everyone = ['administrator', 'operator', 'auditor'] as const
const operators = ['administrator', 'operator'] as const
const administrators = ['administrator'] as const

const Instant = z.iso.datetime().describe('RFC 3339, UTC')
const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 of A-Z a-z 0-9 . _ -')
  .describe('1 to 64 of A-Z a-z 0-9 . _ -')
const Serial = z.string().min(1).max(64)
const DeviceId = z
  .string()
  .regex(/^[0-9a-f]{24}$/, '24 hex digits')
  .describe('24 hex digits')
const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 hex digits')
  .describe('64 hex digits')
const TokenId = z
  .string()
  .regex(/^[0-9a-f]{18}$/, '18 hex digits')
  .describe('18 hex digits')
const DevicePath = z.strictObject({ id: DeviceId })
const CredentialPath = z.strictObject({ id: Sha256 })
const ManufacturerPath = z.strictObject({ name: Name })
const TokenPath = z.strictObject({ id: TokenId })

const Page = z.strictObject({
  after: z.string().max(128).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export const DeviceView = z.object({
  id: z.string(),
  manufacturer: z.string(),
  serial: z.string(),
  model: z.string(),
  lifecycle: z.string(),
  rung: z.enum(['expected', 'heard', 'authenticated', 'authorized', 'credentialed', 'connected']),
  standing: z.enum(['expected', 'waiting', 'approved', 'denied', 'withdrawn']),
  owner: z.string(),
  mudUrl: z.string().optional(),
  credential: z.string().optional(),
  refusal: z.object({ code: z.string(), title: z.string(), action: z.string(), at: Instant }).optional(),
  firstHeardAt: Instant.optional(),
  lastHeardAt: Instant.optional(),
  connectedAt: Instant.optional(),
  possible: z.array(z.string()).describe('Lifecycle events that the table knows from here'),
})
export type DeviceView = z.infer<typeof DeviceView>

export const EventView = z.object({
  lane: z.string(),
  sequence: z.number().int(),
  stream: z.string(),
  version: z.number().int(),
  at: Instant,
  kind: z.string(),
  body: z.record(z.string(), z.unknown()),
  hash: z.string(),
})
export type EventView = z.infer<typeof EventView>

export const ManufacturerView = z.object({
  name: z.string(),
  anchors: z.array(z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant })),
  masaUrl: z.string().optional(),
  masaAnchors: z.array(z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant })),
  masaPrivateAddress: z.boolean(),
  ignoreIdevidLifetime: z.boolean(),
  quirks: z.array(z.string()),
  addedAt: Instant,
})
export type ManufacturerView = z.infer<typeof ManufacturerView>

export const CredentialView = z.object({
  id: z.string(),
  device: z.string(),
  kind: z.enum(['birth', 'network', 'application']),
  status: z.enum(['planned', 'issued', 'revoked', 'superseded']),
  serialHex: z.string(),
  issuer: z.string(),
  notBefore: Instant,
  notAfter: Instant,
  certificate: z.string().optional().describe('PEM. A certificate is public; no private key is ever here'),
  revokedAt: Instant.optional(),
  revocationReason: z.string().optional(),
})
export type CredentialView = z.infer<typeof CredentialView>

export const VoucherView = z.object({
  id: z.string(),
  device: z.string(),
  assertion: z.string(),
  nonced: z.boolean(),
  contentType: z.string(),
  obtainedAt: Instant,
})
export type VoucherView = z.infer<typeof VoucherView>

export const ManifestView = z.object({
  id: z.string(),
  manufacturer: z.string(),
  devices: z.number().int(),
  importedAt: Instant,
  importedBy: z.string(),
})
export type ManifestView = z.infer<typeof ManifestView>

export const ManifestReport = z.object({
  manifest: ManifestView,
  new: z.number().int(),
  updated: z.number().int(),
  unchanged: z.number().int(),
  refused: z.array(z.object({ serial: z.string(), code: z.string() })),
})
export type ManifestReport = z.infer<typeof ManifestReport>

export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(everyone),
  createdAt: Instant,
  expiresAt: Instant.optional(),
  revokedAt: Instant.optional(),
})
export type TokenView = z.infer<typeof TokenView>

export const Checkpoint = z.strictObject({
  at: z.number(),
  lanes: z.array(z.strictObject({ lane: z.string(), sequence: z.number().int(), hash: z.string() })),
  previous: z.string(),
  key: z.string(),
  signature: z.string(),
})
export type Checkpoint = z.infer<typeof Checkpoint>

export const Verdict = z.object({
  integrity: z.enum(['pass', 'fail']),
  completeness: z.enum(['pass', 'fail', 'unanchored']),
  events: z.number().int(),
  checkpoints: z.number().int(),
  firstBad: z.object({ lane: z.string(), sequence: z.number().int(), reason: z.string() }).optional(),
})
export type Verdict = z.infer<typeof Verdict>

function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() })
}

/** Everything that a site answers over HTTP beside the onboarding protocols. */
export const api = {
  siteShow: {
    method: 'GET',
    path: '/v1/site',
    summary: 'What this site is: network, certificates to hand to a manufacturer, counts',
    tag: 'site',
    roles: everyone,
    reply: z.object({
      network: z.string(),
      owner: z.string(),
      version: z.string(),
      domainIds: z.array(z.string()).describe('RFC 8995 section 5.8.2; names this site to a manufacturer'),
      certificates: z.array(z.string()).describe('PEM: registrar, issuing CA, root'),
      onboardingPort: z.number().int(),
      devices: z.record(z.string(), z.number().int()).describe('Count by rung'),
    }),
  },
  deviceList: {
    method: 'GET',
    path: '/v1/devices',
    summary: 'Devices, in order of id',
    tag: 'device',
    roles: everyone,
    query: Page.extend({
      rung: DeviceView.shape.rung.optional(),
      standing: DeviceView.shape.standing.optional(),
      manufacturer: Name.optional(),
      serial: Serial.optional(),
    }),
    reply: pageOf(DeviceView),
  },
  deviceShow: {
    method: 'GET',
    path: '/v1/devices/{id}',
    summary: 'One device',
    tag: 'device',
    roles: everyone,
    params: DevicePath,
    reply: DeviceView,
  },
  deviceHistory: {
    method: 'GET',
    path: '/v1/devices/{id}/events',
    summary: 'The history of one device, oldest first',
    tag: 'device',
    roles: everyone,
    params: DevicePath,
    query: Page,
    reply: pageOf(EventView),
  },
  deviceExpect: {
    method: 'POST',
    path: '/v1/devices',
    summary: 'Expect one device that is on no manifest',
    tag: 'device',
    roles: operators,
    body: z.strictObject({ manufacturer: Name, serial: Serial, model: z.string().max(64).default('') }),
    reply: DeviceView,
  },
  deviceWithdraw: {
    method: 'POST',
    path: '/v1/devices/{id}/withdrawal',
    summary: 'Withdraw a device: no onboarding from now on, its network credential revoked',
    tag: 'device',
    roles: operators,
    params: DevicePath,
    body: z.strictObject({ reason: z.string().max(200).default('') }),
    reply: DeviceView,
  },
  approvalList: {
    method: 'GET',
    path: '/v1/approvals',
    summary: 'Genuine devices that nobody expects and that wait for a person',
    tag: 'approval',
    roles: everyone,
    query: Page,
    reply: pageOf(DeviceView),
  },
  approvalGrant: {
    method: 'POST',
    path: '/v1/approvals/{id}/grant',
    summary: 'Let a waiting device in',
    tag: 'approval',
    roles: operators,
    params: DevicePath,
    reply: DeviceView,
  },
  approvalDeny: {
    method: 'POST',
    path: '/v1/approvals/{id}/denial',
    summary: 'Turn a waiting device away',
    tag: 'approval',
    roles: operators,
    params: DevicePath,
    reply: DeviceView,
  },
  manufacturerList: {
    method: 'GET',
    path: '/v1/manufacturers',
    summary: 'Trusted manufacturers',
    tag: 'trust',
    roles: everyone,
    query: Page,
    reply: pageOf(ManufacturerView),
  },
  manufacturerTrust: {
    method: 'PUT',
    path: '/v1/manufacturers/{name}',
    summary: 'Trust a manufacturer, or change how',
    tag: 'trust',
    roles: administrators,
    params: ManufacturerPath,
    body: z.strictObject({
      anchors: z.array(z.string().max(20_000)).min(1).max(16).describe('PEM certificates'),
      masaUrl: z.string().max(500).optional(),
      masaAnchors: z.array(z.string().max(20_000)).max(16).default([]),
      masaPrivateAddress: z.boolean().default(false),
      ignoreIdevidLifetime: z.boolean().default(false),
      quirks: z.array(z.string().max(64)).max(64).default([]),
    }),
    maxBody: 0x10_0000,
    reply: ManufacturerView.extend({
      warnings: z
        .array(z.object({ rule: z.string(), subject: z.string(), message: z.string() }))
        .describe('What to think about; the decision stands all the same'),
    }),
  },
  manufacturerDistrust: {
    method: 'DELETE',
    path: '/v1/manufacturers/{name}',
    summary: 'Stop trusting a manufacturer; its devices stay in the record',
    tag: 'trust',
    roles: administrators,
    params: ManufacturerPath,
    reply: z.object({ removed: z.string() }),
  },
  manifestImport: {
    method: 'POST',
    path: '/v1/manifests',
    summary: 'Import the signed manifest of a purchase',
    tag: 'manifest',
    roles: operators,
    body: z.strictObject({ manifest: z.base64().max(70_000_000).describe('The signed file, base64') }),
    maxBody: 70_001_000,
    reply: ManifestReport,
  },
  manifestList: {
    method: 'GET',
    path: '/v1/manifests',
    summary: 'Imported manifests',
    tag: 'manifest',
    roles: everyone,
    query: Page,
    reply: pageOf(ManifestView),
  },
  voucherList: {
    method: 'GET',
    path: '/v1/vouchers',
    summary: 'Vouchers obtained',
    tag: 'voucher',
    roles: everyone,
    query: Page.extend({ device: DeviceId.optional() }),
    reply: pageOf(VoucherView),
  },
  credentialList: {
    method: 'GET',
    path: '/v1/credentials',
    summary: 'Credentials issued',
    tag: 'credential',
    roles: everyone,
    query: Page.extend({ device: DeviceId.optional(), status: CredentialView.shape.status.optional() }),
    reply: pageOf(CredentialView),
  },
  credentialRevoke: {
    method: 'POST',
    path: '/v1/credentials/{id}/revocation',
    summary: 'Revoke a credential and publish a new CRL',
    tag: 'credential',
    roles: operators,
    params: CredentialPath,
    body: z.strictObject({
      reason: z
        .enum([
          'unspecified',
          'keyCompromise',
          'affiliationChanged',
          'superseded',
          'cessationOfOperation',
          'privilegeWithdrawn',
        ])
        .default('unspecified'),
    }),
    reply: CredentialView,
  },
  auditVerify: {
    method: 'POST',
    path: '/v1/audit/verification',
    summary: 'Verify the ledger: nothing altered, nothing cut off',
    tag: 'audit',
    roles: everyone,
    body: z.strictObject({ anchor: Checkpoint.optional() }),
    reply: Verdict,
  },
  auditCheckpoint: {
    method: 'POST',
    path: '/v1/audit/checkpoints',
    summary: 'Sign a checkpoint now; keep the answer elsewhere as an anchor',
    tag: 'audit',
    roles: everyone,
    reply: Checkpoint,
  },
  eventList: {
    method: 'GET',
    path: '/v1/events',
    summary: 'Events of the whole site after a cursor; with Accept: text/event-stream, live',
    tag: 'audit',
    roles: everyone,
    query: z.strictObject({
      cursor: z.string().max(2000).optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    reply: z.object({ items: z.array(EventView), cursor: z.string() }),
  },
  tokenList: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'API tokens; never the tokens themselves',
    tag: 'token',
    roles: administrators,
    query: Page,
    reply: pageOf(TokenView),
  },
  tokenCreate: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token; it is shown this once',
    tag: 'token',
    roles: administrators,
    body: z.strictObject({
      name: Name,
      role: z.enum(everyone),
      lifetimeDays: z.number().int().min(1).max(3650).optional(),
    }),
    reply: TokenView.extend({ token: z.string() }),
  },
  tokenRevoke: {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revoke a token',
    tag: 'token',
    roles: administrators,
    params: TokenPath,
    reply: TokenView,
  },
  errorList: {
    method: 'GET',
    path: '/v1/errors',
    summary: 'The error catalogue',
    tag: 'site',
    roles: [],
    reply: z.object({
      items: z.array(
        z.object({
          code: z.string(),
          title: z.string(),
          cause: z.string(),
          action: z.string(),
          status: z.number().int(),
        }),
      ),
    }),
  },
  health: {
    method: 'GET',
    path: '/healthz',
    summary: 'Is the service up and the record reachable?',
    tag: 'site',
    roles: [],
    reply: z.object({ status: z.literal('ok') }),
  },
} as const satisfies Contract

/** What a handler or a client's caller hands over, after validation. */
export type Input<O extends Operation> = Part<O, 'params'> & Part<O, 'query'> & Part<O, 'body'>

/** What a caller writes: members with a default may be left out. */
export type Given<O extends Operation> = GivenPart<O, 'params'> & GivenPart<O, 'query'> & GivenPart<O, 'body'>

export type Reply<O extends Operation> = z.output<O['reply']>

type PartName = 'params' | 'query' | 'body'
type Part<O extends Operation, P extends PartName> = O[P] extends z.ZodType
  ? { readonly [M in P]: z.output<O[P]> }
  : unknown
type GivenPart<O extends Operation, P extends PartName> = O[P] extends z.ZodType
  ? Record<never, never> extends z.input<O[P]>
    ? { readonly [M in P]?: z.input<O[P]> }
    : { readonly [M in P]: z.input<O[P]> }
  : unknown

export type Api = typeof api
export type OperationName = keyof Api
