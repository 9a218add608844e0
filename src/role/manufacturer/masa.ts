import { hash } from 'node:crypto'
import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Signer } from '../../crypto/signer.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { postEndpoint, refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { requestFailure, withCodes } from '../../domain/failure.ts'
import type { IssuedVoucherRecord, UnitRecord } from '../../domain/manufacture.ts'
import { domainIds } from '../../domain/ownership.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Store, Tables, Tx } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import { type ArtifactFormat, openVoucherArtifact, signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { domainId, encodeAuditLog } from '../../protocol/brski/audit-log.ts'
import { acceptedFormats, brskiMediaType, brskiPath, formatOf, mediaTypeOf } from '../../protocol/brski/endpoint.ts'
import { type CheckedRegistrarRequest, checkRegistrarRequest } from '../../protocol/brski/masa-check.ts'
import { auditLogOf, issuedFor } from './audit-log.ts'
import { declarationOf } from './ownership-change.ts'

export interface MasaOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Roots of the devices that this manufacturer made. */
  readonly deviceAnchors: readonly TrustAnchor[]
  /** Signs vouchers; the chain ends below the root that the devices carry. */
  readonly voucherSigner: Signer
  readonly voucherChain: readonly Certificate[]
  /** Domain ids that may have vouchers without a nonce, for networks that cannot reach the MASA when it matters. */
  readonly noncelessDomains: readonly string[]
  /** Validity of a nonceless voucher; a nonced one has no expires-on (RFC 8366 section 5.3). */
  readonly noncelessDays: number
  /** Requests per minute that one registrar domain may make. */
  readonly requestsPerMinute: number
}

/** The manufacturer authorized signing authority: who may own which device, said once and kept (RFC 8995 section 5.6). */
export function createMasa(options: MasaOptions): Endpoint {
  const { log, clock } = options
  const limit = createRateLimit({ perMinute: options.requestsPerMinute, clock })
  const operations: Record<string, (request: EndpointRequest) => Promise<EndpointReply>> = {
    [brskiPath.requestVoucher]: request => requestVoucher(options, limit, request),
    [brskiPath.requestAuditLog]: request => requestAuditLog(options, limit, request),
  }
  return postEndpoint(operations, (error, { peer }) => {
    log.info({ code: error.code, ...error.detail, address: peer.address }, 'voucher refused')
    return refusalReply(error)
  })
}

interface Inquiry {
  readonly id: string
  readonly format: ArtifactFormat
  readonly checked: CheckedRegistrarRequest
  /** Computed domain ids of each certificate of the registrar's chain, end entity first. */
  readonly domains: readonly (readonly string[])[]
}

function inquire(options: MasaOptions, limit: (key: string) => void, request: EndpointRequest): Inquiry {
  const type = request.headers['content-type'] ?? ''
  const format = formatOf(type)
  if (format === undefined) throw new OnboardingError('media-type-unknown', { type: type.slice(0, 80) })
  const checked = withCodes(requestFailure, () => {
    const artifact = openVoucherArtifact(request.body, { kind: 'request', format })
    return checkRegistrarRequest(artifact, { at: new Date(options.clock()), deviceAnchors: options.deviceAnchors })
  })
  const domains = checked.registrarChain.map(domainIds)
  limit(domains.at(-1)?.[0] ?? request.peer.address)
  return { id: sha256(request.body), format, checked, domains }
}

async function inquiredUnit(tables: Tables, { checked }: Inquiry): Promise<UnitRecord> {
  const { serialNumber: serial, deviceCertificate } = checked
  const unit = await tables.unit.get(serial)
  if (unit === undefined) throw new OnboardingError('device-unknown-to-masa', { serial })
  if (deviceCertificate !== undefined && keyHash(deviceCertificate) !== unit.keyHash) {
    throw new OnboardingError('device-identity-cloned', { serial })
  }
  return unit
}

async function requestVoucher(
  options: MasaOptions,
  limit: (key: string) => void,
  request: EndpointRequest,
): Promise<EndpointReply> {
  const inquiry = inquire(options, limit, request)
  const { format, checked } = inquiry
  if (!acceptedFormats(request.headers['accept'], format).includes(format)) {
    throw new OnboardingError('media-type-unacceptable')
  }
  if (checked.nonce === undefined) checkNonceless(options, inquiry, request)
  // Asked and logged in one: a unit that is sold or withdrawn meanwhile is refused.
  const { record, pin } = await options.store.transaction(async tx => {
    const [unit, ...before] = await Promise.all([inquiredUnit(tx, inquiry), ...loggedBefore(tx, inquiry)])
    const pin = pinned(inquiry, unit)
    return { pin, record: await logVoucher(tx, inquiry, { pin, unit, at: options.clock(), before }) }
  })
  const body = await signVoucher(options, inquiry, pin, record)
  const { serial, assertion, domain } = record
  options.log.info({ serial, assertion, domain }, 'voucher issued')
  return { status: 200, headers: { 'content-type': mediaTypeOf(format), 'cache-control': 'no-store' }, body }
}

/**
 * The certificate to pin: the lowest CA of the registrar's chain for a nonced voucher, the highest one that the owner is
 * known by for a nonceless one, which has to outlive the registrar (RFC 8995 section 5.5.2, cBRSKI section 8.2).
 */
function pinned({ checked, domains }: Inquiry, unit: UnitRecord): Certificate {
  const nonceless = checked.nonce === undefined
  const known = (of: readonly string[]) => domains.findLastIndex(ids => ids.some(id => of.includes(id)))
  // An onboarder's right may end any day, and a voucher without a nonce would outlive it.
  const allowed = known(nonceless ? declarationOf(unit).owner.domains : unit.domains)
  if (allowed < 0 && nonceless && known(unit.domains) >= 0) {
    throw new OnboardingError('nonceless-not-allowed', { serial: unit.serial })
  }
  if (allowed < 0) throw new OnboardingError('owner-mismatch', { serial: unit.serial, owner: 'somebody else' })
  // Second, as it is the owner's business alone.
  if (unit.withdrawnAt !== undefined) throw new OnboardingError('device-withdrawn', { serial: unit.serial })
  const chain = checked.registrarChain
  // Not above what the owner is known by: a shared root would let its other customers in.
  const at = nonceless ? allowed : Math.min(1, allowed)
  const certificate = chain[at]
  if (certificate === undefined) throw new OnboardingError('registrar-not-authorized')
  return certificate
}

/** RFC 8995 section 5.5.4: who asks for a nonceless voucher has to prove who it is, not only sign. */
function checkNonceless(options: MasaOptions, inquiry: Inquiry, request: EndpointRequest): void {
  const entitled = inquiry.domains.flat().some(id => options.noncelessDomains.includes(id))
  const client = request.peer.certificates[0]
  const authenticated = client !== undefined && Buffer.compare(client, inquiry.checked.registrarCertificate.der) === 0
  if (!entitled || !authenticated)
    throw new OnboardingError('nonceless-not-allowed', { serial: inquiry.checked.serialNumber })
}

type LoggedBefore = readonly [IssuedVoucherRecord | undefined, readonly IssuedVoucherRecord[]]

interface Logging {
  readonly pin: Certificate
  readonly unit: UnitRecord
  readonly at: number
  readonly before: LoggedBefore
}

/** The entry of this very request, and one with its nonce. */
function loggedBefore(tx: Tx, { id, checked }: Inquiry) {
  const { serialNumber: serial, nonce } = checked
  const used =
    nonce === undefined
      ? []
      : tx.issuedVoucher.find({ serial, nonce: Buffer.from(nonce).toString('base64') }, { limit: 1 })
  return [tx.issuedVoucher.get(id), used] as const
}

/**
 * RFC 8995 section 5.6: logged before it is signed. The same request finds its own entry again, and so does another request
 * of the same domain about the same request of the pledge: its registrar never got our answer.
 */
async function logVoucher(tx: Tx, inquiry: Inquiry, { pin, unit, at, before }: Logging): Promise<IssuedVoucherRecord> {
  const { id, checked } = inquiry
  const [known, [seen]] = before
  if (known !== undefined) return known
  const record: IssuedVoucherRecord = {
    id,
    serial: checked.serialNumber,
    domain: domainId(pin),
    domainKey: keyHash(pin),
    nonce: checked.nonce === undefined ? null : Buffer.from(checked.nonce).toString('base64'),
    assertion: checked.assertion,
    loggedAt: at,
    pledgeRequest: checked.prior === undefined ? null : sha256(checked.prior.bytes),
    declarationVersion: unit.declarationVersion,
  }
  const { serial, nonce } = record
  if (seen !== undefined) {
    const same = record.pledgeRequest !== null && record.pledgeRequest === seen.pledgeRequest
    if (same && record.domainKey === seen.domainKey) return seen
    throw new OnboardingError('nonce-replayed', { serial })
  }
  // A stream for each nonce, and first: two processes that log one nonce at once conflict here, and the second finds what
  // the first wrote.
  const attempt = nonce === null ? id : sha256(Buffer.from(`${serial}\0${nonce}`))
  await tx.append(streamName('pledge', attempt), 0, [{ kind: 'voucher-logged', body: { ...record } }])
  await tx.issuedVoucher.insert(record)
  return record
}

async function signVoucher(
  options: MasaOptions,
  inquiry: Inquiry,
  pin: Certificate,
  record: IssuedVoucherRecord,
): Promise<Buffer> {
  const { checked, format } = inquiry
  return signVoucherArtifact({
    format,
    kind: 'voucher',
    value: {
      'serial-number': record.serial,
      assertion: record.assertion,
      'created-on': new Date(record.loggedAt),
      'pinned-domain-cert': pin.der,
      'domain-cert-revocation-checks': false,
      'mooring-ownership:declaration-version': record.declarationVersion,
      ...(checked.idevidIssuer === undefined ? {} : { 'idevid-issuer': checked.idevidIssuer }),
      ...(checked.nonce === undefined ? { 'expires-on': expiry(options, record, pin) } : { nonce: checked.nonce }),
    },
    signer: options.voucherSigner,
    certificates: options.voucherChain,
  })
}

/** RFC 8366 section 5.3: a voucher does not outlive what it pins. */
function expiry(options: MasaOptions, record: IssuedVoucherRecord, pin: Certificate): Date {
  return new Date(Math.min(record.loggedAt + options.noncelessDays * 86_400_000, pin.validity.notAfter.getTime()))
}

/** RFC 8995 section 5.8: to present and former owners only. */
async function requestAuditLog(
  options: MasaOptions,
  limit: (key: string) => void,
  request: EndpointRequest,
): Promise<EndpointReply> {
  const inquiry = inquire(options, limit, request)
  const { domains, checked } = inquiry
  const { unit, entries } = await options.store.read(async tables => ({
    unit: await inquiredUnit(tables, inquiry),
    entries: await issuedFor(tables, checked.serialNumber),
  }))
  const present = domains.flat().some(id => unit.domains.includes(id))
  const keys = checked.registrarChain.map(keyHash)
  if (!present && !entries.some(entry => keys.includes(entry.domainKey))) {
    throw new OnboardingError('device-unknown-to-masa', { serial: unit.serial })
  }
  return {
    status: 200,
    headers: { 'content-type': brskiMediaType.auditLog, 'cache-control': 'no-store' },
    body: encodeAuditLog(auditLogOf(entries)),
  }
}

function keyHash(certificate: Certificate): string {
  return sha256(certificate.spkiDer)
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}
