import { type KeyObject, randomBytes } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { decodeCertsOnly } from '../../src/codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { validatePath } from '../../src/crypto/path.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import type { Unit } from './house.ts'
import { dial, type Reply, tlsIdentity, type Wire } from './wire.ts'

/**
 * What one device has done and what it was told, step by step: it goes on from here after a broken connection, with the
 * same bytes. What stands here as answered was acknowledged by the site.
 */
export interface Attempt {
  readonly unit: Unit
  identity?: SecureContext
  nonce?: Buffer
  /** The voucher request, signed. */
  request?: Buffer
  voucher?: Buffer
  voucherAccepted?: true
  /** The key of the network credential. */
  key?: KeyObject
  csr?: string
  /** LDevID, DER. */
  certificate?: Buffer
  enrolled?: true
  connected?: true
}

export interface Neighbourhood {
  readonly port: number
  readonly masaRoot: Certificate
  /** Called after each request. */
  readonly sent?: () => void
}

export interface Manner {
  /** Asks for CSR attributes, as RFC 8995 section 5.9.2 has it. */
  readonly csrAttributes: boolean
  /** Reports enrolment over a second connection with the new credential, and shows itself there. */
  readonly connects: boolean
  /** Checks all that a device checks. A load generator that is short of CPU looks at the status only. */
  readonly checks: boolean
}

export const honest: Manner = { csrAttributes: true, connects: false, checks: true }

const cms = 'application/voucher-cms+json'
const json = 'application/json'
const success = JSON.stringify({ version: 1, status: true })

/** Makes what can be made before the device is switched on. */
export async function prepare(attempt: Attempt, registrar: Uint8Array): Promise<void> {
  const { unit } = attempt
  attempt.identity ??= tlsIdentity(unit.key, unit.chain)
  attempt.nonce ??= randomBytes(16)
  attempt.request ??= await signVoucherArtifact({
    format: 'voucher-cms+json',
    kind: 'request',
    value: {
      'serial-number': unit.serial,
      assertion: 'proximity',
      'created-on': new Date(),
      nonce: attempt.nonce,
      'proximity-registrar-cert': registrar,
    },
    signer: keySigner(unit.key),
    certificates: unit.chain.map(decodeCertificate),
  })
  attempt.key ??= generateKey('P-256')
  attempt.csr ??= (
    await createCsr({ subject: encodeName({ serialNumber: unit.serial }) }, keySigner(attempt.key))
  ).toString('base64')
}

/** Takes the device from where it stands to its end. Throws what went wrong; it can be taken on from there. */
export async function onboard(attempt: Attempt, site: Neighbourhood, manner: Manner = honest): Promise<void> {
  attempt.identity ??= tlsIdentity(attempt.unit.key, attempt.unit.chain)
  const wire = await dial(site.port, attempt.identity, site)
  try {
    await obtainVoucher(attempt, wire, site, manner)
    await enrol(attempt, wire, manner)
    if (!manner.connects && attempt.enrolled === undefined) await reportEnrolment(attempt, wire)
  } finally {
    wire.close()
  }
  if (manner.connects && attempt.connected === undefined) await connectAnew(attempt, site)
}

async function obtainVoucher(attempt: Attempt, wire: Wire, site: Neighbourhood, { checks }: Manner): Promise<void> {
  const registrar = wire.serverChain[0]
  if (registrar === undefined) throw new Error('the registrar sent no certificate')
  if (attempt.request === undefined) await prepare(attempt, registrar)
  if (attempt.voucher === undefined) {
    const voucher = await askVoucher(attempt, wire)
    if (checks) checkVoucher(voucher, attempt, wire, site)
    attempt.voucher = voucher
  }
  if (attempt.voucherAccepted === undefined) {
    expect(200, await wire.ask('POST', brskiPath.voucherStatus, json, success))
    attempt.voucherAccepted = true
  }
}

async function askVoucher({ request }: Attempt, wire: Wire): Promise<Buffer> {
  return Buffer.from(expect(200, await wire.ask('POST', brskiPath.requestVoucher, cms, request)).body)
}

/** RFC 8995 section 5.6.1: signed by the maker, for this device and this request, and the registrar is whom it pins. */
function checkVoucher(bytes: Buffer, { unit, nonce }: Attempt, wire: Wire, { masaRoot }: Neighbourhood): void {
  const at = new Date()
  const { certificates, value } = openVoucherArtifact(bytes, { kind: 'voucher', format: 'voucher-cms+json' })
  validatePath({ chain: certificates, anchors: [{ name: 'maker', certificate: masaRoot }], at })
  if (value['serial-number'] !== unit.serial) throw new Error('a voucher for another device')
  if (value.nonce === undefined || nonce?.equals(value.nonce) !== true) throw new Error('a voucher with another nonce')
  const pin = decodeCertificate(value['pinned-domain-cert'] ?? new Uint8Array())
  validatePath({ chain: wire.serverChain.map(decodeCertificate), anchors: [{ name: 'pin', certificate: pin }], at })
}

async function enrol(attempt: Attempt, wire: Wire, { csrAttributes, checks }: Manner): Promise<void> {
  if (attempt.certificate !== undefined) return
  if (csrAttributes) expect(200, await wire.ask('GET', '/.well-known/est/csrattrs'))
  const certificate = await askCertificate(attempt, wire)
  if (checks && !keySigner(attempt.key!).spkiDer.equals(decodeCertificate(certificate).spkiDer)) {
    throw new Error('a certificate for another key')
  }
  attempt.certificate = certificate
}

async function askCertificate({ csr }: Attempt, wire: Wire): Promise<Buffer> {
  const reply = expect(200, await wire.ask('POST', '/.well-known/est/simpleenroll', 'application/pkcs10', csr))
  const [der] = decodeCertsOnly(Buffer.from(reply.body.toString('latin1'), 'base64')).certificates
  return Buffer.from(der ?? '')
}

async function reportEnrolment(attempt: Attempt, wire: Wire): Promise<void> {
  expect(200, await wire.ask('POST', brskiPath.enrollStatus, json, success))
  attempt.enrolled = true
}

/** RFC 8995 section 5.9.4: success is reported on a new connection with the new credential. */
async function connectAnew(attempt: Attempt, site: Neighbourhood): Promise<void> {
  const wire = await dial(site.port, tlsIdentity(attempt.key!, [attempt.certificate!]), site)
  try {
    if (attempt.enrolled === undefined) await reportEnrolment(attempt, wire)
    expect(200, await wire.ask('GET', presencePath))
    attempt.connected = true
  } finally {
    wire.close()
  }
}

/** What the site answers to the requests of before, byte for byte the same; absent where there was none. */
export interface Repeated {
  readonly voucher?: Buffer
  readonly certificate?: Buffer
}

/** Asks once more for all that was acknowledged. */
export async function askAgain(attempt: Attempt, site: Neighbourhood): Promise<Repeated> {
  const wire = await dial(site.port, attempt.identity!, site)
  try {
    const voucher = attempt.voucher && (await askVoucher(attempt, wire))
    const certificate = attempt.certificate && (await askCertificate(attempt, wire))
    return { ...(voucher && { voucher }), ...(certificate && { certificate }) }
  } finally {
    wire.close()
  }
}

/** The site answered, and not as an honest device may expect. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number

  constructor({ status, body }: Reply) {
    super(`${status} ${body.toString('utf8').slice(0, 200)}`)
    this.status = status
  }
}

function expect(status: number, reply: Reply): Reply {
  if (reply.status !== status) throw new Refused(reply)
  return reply
}
