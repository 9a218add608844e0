import { hash } from 'node:crypto'
import { decodeEstBase64, encodeBase64 } from '../../../src/codec/base64.ts'
import { encodeCertsOnly } from '../../../src/codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { verifyCsr } from '../../../src/crypto/csr.ts'
import { issueCertificate } from '../../../src/crypto/issue.ts'
import { validatePath } from '../../../src/crypto/path.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { coded, requestFailure } from '../../../src/domain/failure.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { checkPledgeRequest } from '../../../src/protocol/brski/registrar-check.ts'
import { decodeTelemetry, type Telemetry } from '../../../src/protocol/brski/telemetry.ts'
import type { Voucher } from '../../../src/protocol/brski/voucher.ts'
import type { HttpReply, HttpRequest } from '../../../src/protocol/http.ts'
import { type Domain, day, type Maker } from './world.ts'

/** One exchange as the double saw it. */
export interface Seen {
  readonly path: string
  readonly body: Uint8Array
  readonly client: Certificate | undefined
  readonly status: number
}

export interface Visit {
  readonly request: HttpRequest
  readonly client: Certificate | undefined
  readonly honest: () => Promise<HttpReply>
}

/** What a test puts in the way: the honest answer altered, another one, or a throw for a connection that breaks. */
export type Fault = (visit: Visit) => Promise<HttpReply> | HttpReply

export function reply(status: number, headers: Record<string, string> = {}, body: Uint8Array | string = ''): HttpReply {
  return { status, headers, body: typeof body === 'string' ? Buffer.from(body) : body }
}

const path = (name: string) => `/.well-known/${name}`
const certsOnly = { 'content-type': 'application/pkcs7-mime; smime-type=certs-only' }

/** Registrar, EST server and MASA in one, as a test double: honest where no fault is set, and built with the real messages. */
export class RegistrarDouble {
  readonly seen: Seen[] = []
  /** Every network certificate that was issued, by hash of its CSR. */
  readonly issued = new Map<string, Certificate>()
  /** By path; takes the place of the honest answer. */
  readonly faults = new Map<string, Fault>()
  /** Why voucher requests were refused, in order. */
  readonly refusals: string[] = []
  readonly telemetry: (Telemetry & { readonly path: string; readonly client: Certificate | undefined })[] = []
  /** Laid over the honest voucher. */
  voucherChanges: Partial<Voucher> = {}
  lifetimeDays = 90
  readonly domain: Domain
  readonly maker: Maker
  readonly clock: () => number

  constructor(domain: Domain, maker: Maker, clock: () => number) {
    this.domain = domain
    this.maker = maker
    this.clock = clock
  }

  get chain(): readonly Uint8Array[] {
    return [this.domain.registrar.certificate.der, this.domain.issuing.certificate.der]
  }

  async handle(request: HttpRequest, client: Certificate | undefined): Promise<HttpReply> {
    const honest = () => this.#honest(request, client)
    const fault = this.faults.get(request.path)
    try {
      const answer = await (fault === undefined ? honest() : fault({ request, client, honest }))
      this.#note(request, client, answer.status)
      return answer
    } catch (error) {
      this.#note(request, client, 0)
      throw error
    }
  }

  /** Bodies sent to a path, in order. */
  bodies(name: string): Buffer[] {
    return this.seen.filter(seen => seen.path === path(name)).map(({ body }) => Buffer.from(body))
  }

  /** How many different ones. */
  distinct(name: string): number {
    return new Set(this.bodies(name).map(body => body.toString('base64'))).size
  }

  #note({ path, body = new Uint8Array() }: HttpRequest, client: Certificate | undefined, status: number): void {
    this.seen.push({ path, body, client, status })
  }

  async #honest(request: HttpRequest, client: Certificate | undefined): Promise<HttpReply> {
    const body = request.body ?? new Uint8Array()
    switch (request.path) {
      case path('brski/requestvoucher'):
        return this.#answer(body, client)
      case path('brski/voucher_status'):
      case path('brski/enrollstatus'):
        this.telemetry.push({ ...decodeTelemetry(body), path: request.path, client })
        return reply(200)
      case path('est/cacerts'):
        return reply(200, certsOnly, this.certificates([this.domain.root.certificate, this.domain.issuing.certificate]))
      case path('est/csrattrs'):
        return reply(204)
      case path('est/simpleenroll'):
      case path('est/simplereenroll'):
        return reply(200, certsOnly, this.certificates([await this.enroll(body)]))
      default:
        return reply(404)
    }
  }

  async #answer(body: Uint8Array, client: Certificate | undefined): Promise<HttpReply> {
    try {
      this.#identify(client)
      return reply(200, { 'content-type': 'application/voucher-cms+json' }, await this.voucher(body, client))
    } catch (error) {
      const refused = coded(error, { ...requestFailure, path: 'idevid-forged' })
      if (!(refused instanceof OnboardingError)) throw error
      this.refusals.push(refused.code)
      return reply(refused.entry.status, { 'content-type': 'text/plain' }, refused.code)
    }
  }

  #identify(client: Certificate | undefined): void {
    if (client === undefined) throw new OnboardingError('idevid-missing')
    const anchors = [{ name: 'births', certificate: this.maker.birthRoot }]
    validatePath({ chain: [client, this.maker.births.certificate], anchors, at: new Date(this.clock()) })
  }

  certificates(list: readonly Certificate[]): string {
    return encodeBase64(encodeCertsOnly({ certificates: list.map(({ der }) => der) }))
  }

  /** What registrar and MASA together make of a request. */
  async voucher(body: Uint8Array, client: Certificate | undefined, changes = this.voucherChanges): Promise<Buffer> {
    const artifact = openVoucherArtifact(body, { kind: 'request' })
    if (client === undefined) throw new TypeError('no client certificate')
    const { serialNumber, nonce, idevidIssuer } = checkPledgeRequest(artifact, {
      clientCertificate: client,
      localCertificate: this.domain.registrar.certificate.der,
    })
    const value: Record<string, unknown> = {
      'serial-number': serialNumber,
      assertion: 'proximity',
      'created-on': new Date(this.clock()),
      nonce,
      'idevid-issuer': idevidIssuer,
      'pinned-domain-cert': this.domain.issuing.certificate.der,
      ...changes,
    }
    return this.sign(value as unknown as Voucher)
  }

  sign(value: Voucher, by = this.maker.voucherSigner): Promise<Buffer> {
    const { signer, certificate } = by
    return signVoucherArtifact({
      format: 'voucher-cms+json',
      kind: 'voucher',
      value,
      signer,
      certificates: [certificate],
    })
  }

  async enroll(body: Uint8Array): Promise<Certificate> {
    const csr = verifyCsr(decodeEstBase64(Buffer.from(body).toString('latin1')))
    const id = hash('sha256', csr.request.der)
    const known = this.issued.get(id)
    if (known !== undefined) return known
    const at = this.clock()
    const certificate = decodeCertificate(
      await issueCertificate({
        subject: encodeName({ commonName: 'a device of ours' }),
        spkiDer: csr.request.spkiDer,
        issuer: this.domain.issuing,
        notBefore: new Date(at - 60_000),
        notAfter: new Date(at + this.lifetimeDays * day),
        extensions: [
          makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
          makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.clientAuth]),
        ],
      }),
    )
    this.issued.set(id, certificate)
    return certificate
  }
}
