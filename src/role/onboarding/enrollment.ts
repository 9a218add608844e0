import { decodeEstBase64, encodeBase64 } from '../../codec/base64.ts'
import { encodeCertsOnly } from '../../codec/cms.ts'
import { encodeCsrAttrs } from '../../codec/csrattrs.ts'
import { encode } from '../../codec/der/codec.ts'
import { oid } from '../../codec/der/oid.ts'
import { ecdsaWithSHA256, keyOid } from '../../codec/x509/algorithm.ts'
import { sameName } from '../../codec/x509/name.ts'
import type { VerifiedCsr } from '../../crypto/csr.ts'
import type { CredentialPlan } from '../../domain/credential.ts'
import { type Device, deviceId } from '../../domain/device.ts'
import { refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Tables } from '../../domain/port.ts'
import type { SiteAuthority } from './authority.ts'
import type { CredentialCheck } from './credential-holder.ts'
import type { BirthIdentity } from './device-identity.ts'
import { type CredentialIssuer, openCsr } from './network-credential.ts'
import type { RefusalRecord } from './refusal-record.ts'
import { checkBirthKey, checkBirthPlace, checkOwner, checkStanding, checkStay } from './standing.ts'

export interface EnrollmentOptions {
  readonly clock: Clock
  readonly log: Log
  readonly authority: () => SiteAuthority
  readonly issuer: CredentialIssuer
  readonly credentials: CredentialCheck
  readonly identify: (peer: EndpointRequest['peer']) => Promise<BirthIdentity>
  readonly plan: CredentialPlan
  /** Throws OnboardingError `rate-limited` when a device, proven to be itself, asks for more than any device needs. */
  readonly limit: (device: string) => void
  readonly refusals: RefusalRecord
  /** Ids of the owners on whose behalf this site onboards. */
  readonly owners: readonly string[]
  /** How long after its voucher a device may enrol, milliseconds. */
  readonly voucherValidity: number
  /** How long after its end a credential may still be renewed in place, milliseconds. */
  readonly grace: number
  /** Throws OnboardingError `policy-refused` for a device that may have no other credential now, though it stays. */
  readonly mayRenew?: (device: Device, tables: Tables) => Promise<void>
}

/** RFC 7030 section 3.2.2. */
export const estRoot = '/.well-known/est'

const certsOnly = {
  'content-type': 'application/pkcs7-mime; smime-type=certs-only',
  'content-transfer-encoding': 'base64',
}
const estCodes = { malformed: 'csr-invalid', signature: 'csr-invalid', path: 'csr-invalid' } as const

/** EST (RFC 7030, RFC 8951): CA certificates, CSR attributes, enrolment by the birth identity, renewal by the credential. */
export function createEnrollment(options: EnrollmentOptions): Endpoint {
  const { log } = options
  const csrattrs = encodeBase64(wantedAttributes())
  const operations: Record<string, { method: string; run: (request: EndpointRequest) => Promise<EndpointReply> }> = {
    // RFC 7030 section 4.1: anybody may ask for the CA certificates, trust in them comes from elsewhere.
    cacerts: { method: 'GET', run: async () => ({ status: 200, headers: certsOnly, body: cacerts(options) }) },
    csrattrs: {
      method: 'GET',
      run: async () => ({
        status: 200,
        headers: { 'content-type': 'application/csrattrs', 'content-transfer-encoding': 'base64' },
        body: csrattrs,
      }),
    },
    simpleenroll: { method: 'POST', run: request => enroll(options, request) },
    simplereenroll: { method: 'POST', run: request => reenroll(options, request) },
  }
  return {
    async handle(request) {
      if (!request.path.startsWith(`${estRoot}/`)) return undefined
      const name = request.path.slice(estRoot.length + 1)
      // Own members only: an object has a constructor, too.
      const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
      if (operation === undefined) return undefined
      if (request.method !== operation.method) return { status: 405, headers: { allow: operation.method } }
      try {
        return await operation.run(request)
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: request.peer.address }, 'enrolment refused')
        await options.refusals.record(error, request.peer)
        return refusalReply(error)
      }
    },
  }
}

/** A device has room for twelve; the oldest are the ones to go. */
const mostCertificates = 12

/**
 * RFC 7030 section 4.1.3, root rollover: every root that has not ended, so that devices know the next one long before they
 * need it, then the newest ones' certificates by the roots before, and the issuing CAs.
 */
function cacerts({ authority, clock }: EnrollmentOptions): string {
  const { roots, crosses, generations } = authority()
  const issuers = generations.map(({ certificate }) => certificate)
  const at = clock()
  const lasting = [...roots, ...issuers, ...crosses].filter(({ validity }) => at <= validity.notAfter.getTime())
  // A site whose time is over still says who it is.
  const chosen =
    lasting.length > 0 ? lasting.slice(0, mostCertificates) : [...roots.slice(0, 1), ...issuers.slice(0, 1)]
  return encodeBase64(encodeCertsOnly({ certificates: chosen.map(({ der }) => der) }))
}

/** RFC 9908 section 3.1: an EC key on P-256, ECDSA with SHA-256; the names are ours to give. */
function wantedAttributes(): Buffer {
  return encodeCsrAttrs({
    oids: [ecdsaWithSHA256.identifier.algorithm],
    attributes: [{ type: keyOid.ecPublicKey, values: [encode(oid, '1.2.840.10045.3.1.7')] }],
  })
}

async function enroll(options: EnrollmentOptions, request: EndpointRequest): Promise<EndpointReply> {
  const { identity } = await options.identify(request.peer)
  const device = deviceId(identity.manufacturer, identity.serial)
  options.limit(device)
  const csr = csrOf(request)
  const at = options.clock()
  const certificate = await options.issuer.issue({
    device,
    csr,
    plan: options.plan,
    authorize(device) {
      checkBirthKey(device, identity)
      checkStanding(device)
      // A voucher lasts for days, and the answer to whether it may stay may have come in between.
      checkStay(device)
      checkOwner(device, options.owners)
      checkVouched(device, at, options.voucherValidity)
      checkBirthPlace(device, request.peer.address, at)
    },
  })
  return { status: 200, headers: certsOnly, body: encodeBase64(encodeCertsOnly({ certificates: [certificate] })) }
}

/** RFC 8995 section 5.9: EST follows a voucher that this device asked for and did not reject. */
function checkVouched(device: Device, at: number, validity: number): void {
  const { voucher } = device
  if (voucher === undefined || voucher.accepted === false) {
    throw new OnboardingError('enroll-before-voucher', { device: device.id })
  }
  // Either way: a clock that was years ahead must not have given a voucher for years.
  if (Math.abs(at - voucher.obtainedAt) > validity)
    throw new OnboardingError('enroll-before-voucher', { device: device.id, age: 'stale' })
}

/** RFC 7030 section 4.2.2: the holder of a credential in force renews it, under the same name, with the same or a new key. */
async function reenroll(options: EnrollmentOptions, request: EndpointRequest): Promise<EndpointReply> {
  const holder = await options.credentials.holder(request.peer, options.grace)
  if (holder === undefined) throw new OnboardingError('credential-required')
  options.limit(holder.device)
  const csr = csrOf(request)
  // Another writer of the same name may choose other string types (RFC 5280 section 7.1).
  if (!sameName(csr.request.subject, holder.certificate.subject)) {
    throw new OnboardingError('csr-invalid', { rule: 'subject-differs' })
  }
  const certificate = await options.issuer.issue({
    device: holder.device,
    csr,
    plan: options.plan,
    renews: holder.credential.id,
    async authorize(device, tables) {
      checkStanding(device)
      checkStay(device)
      checkOwner(device, options.owners)
      await options.mayRenew?.(device, tables)
    },
  })
  return { status: 200, headers: certsOnly, body: encodeBase64(encodeCertsOnly({ certificates: [certificate] })) }
}

function csrOf(request: EndpointRequest): VerifiedCsr {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/pkcs10')
    throw new OnboardingError('media-type-unknown', { type: (type ?? 'none').slice(0, 80) })
  const der = withCodes(estCodes, () => decodeEstBase64(Buffer.from(request.body).toString('latin1')))
  const csr = openCsr(der)
  checkBinding(csr, request)
  return csr
}

/** RFC 7030 section 3.5: when the client binds its request to the connection, the binding has to be right. */
function checkBinding(csr: VerifiedCsr, request: EndpointRequest): void {
  const { challengePassword } = csr.request
  if (challengePassword === undefined) return
  const binding = request.peer.channelBinding()
  if (binding === undefined || encodeBase64(binding) !== challengePassword) {
    throw new OnboardingError('tls-binding-mismatch')
  }
}
