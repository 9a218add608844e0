import { randomBytes } from 'node:crypto'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { createCsr } from '../../crypto/csr.ts'
import type { Signer } from '../../crypto/signer.ts'
import { signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath } from '../../protocol/brski/endpoint.ts'
import type { HttpReply } from '../../protocol/http.ts'
import type { PledgeConnection } from '../../role/device/port.ts'
import { presencePath } from '../../role/onboarding/presence.ts'

/** Messages of a device that does not follow the rules of the pledge, sent over real connections. */

/** What is shown in TLS, and the key behind it. */
export interface Identity {
  /** End entity first. */
  readonly certificates: readonly Certificate[]
  readonly signer: Signer
}

const limits = { timeoutMs: 10_000, maxBytes: 0x4_0000 }

/** A voucher request for the registrar at the other end of the connection. */
export function voucherRequest(
  { certificates, signer }: Identity,
  connection: PledgeConnection,
  serialNumber: string,
): Promise<Buffer> {
  return signVoucherArtifact({
    format: 'voucher-cms+json',
    kind: 'request',
    value: {
      'serial-number': serialNumber,
      assertion: 'proximity',
      'created-on': new Date(),
      nonce: randomBytes(16),
      'proximity-registrar-cert': connection.serverCertificates[0] ?? new Uint8Array(),
    },
    signer,
    certificates,
  })
}

export function askVoucher(connection: PledgeConnection, body: Uint8Array): Promise<HttpReply> {
  const type = brskiMediaType['voucher-cms+json']
  const headers = { 'content-type': type, accept: type }
  return connection.request({ method: 'POST', path: brskiPath.requestVoucher, headers, body }, limits)
}

export function reportVoucher(connection: PledgeConnection, status: boolean): Promise<HttpReply> {
  const body = Buffer.from(JSON.stringify({ version: 1, status }))
  const headers = { 'content-type': brskiMediaType.telemetry }
  return connection.request({ method: 'POST', path: brskiPath.voucherStatus, headers, body }, limits)
}

export async function csrFor(signer: Signer): Promise<Buffer> {
  return createCsr({ subject: encodeName({ commonName: 'by hand' }) }, signer)
}

export function enroll(connection: PledgeConnection, csr: Uint8Array): Promise<HttpReply> {
  const body = Buffer.from(Buffer.from(csr).toString('base64'))
  const headers = { 'content-type': 'application/pkcs10' }
  return connection.request({ method: 'POST', path: '/.well-known/est/simpleenroll', headers, body }, limits)
}

export function askPresence(connection: PledgeConnection): Promise<HttpReply> {
  return connection.request({ method: 'GET', path: presencePath, headers: {} }, limits)
}

/** The code at the beginning of a refusal. */
export function codeIn({ status, body }: HttpReply): string {
  const text = Buffer.from(body.subarray(0, 80)).toString('latin1')
  return /^[a-z0-9-]+(?=:)/.exec(text)?.[0] ?? `status ${status}`
}
