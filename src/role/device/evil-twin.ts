import { decodeEstBase64, encodeBase64 } from '../../codec/base64.ts'
import { encodeCertsOnly } from '../../codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { verifyCsr } from '../../crypto/csr.ts'
import { type Issuer, issueCertificate } from '../../crypto/issue.ts'
import type { KeyStore, Signer } from '../../crypto/signer.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, MasaClient, Random } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath, masaBaseUrl } from '../../protocol/brski/endpoint.ts'
import { idevidIssuer } from '../../protocol/brski/idevid.ts'
import { decodeTelemetry } from '../../protocol/brski/telemetry.ts'
import type { VoucherRequest } from '../../protocol/brski/voucher.ts'
import { impostorOf } from './dishonest.ts'
import type { PledgeTransport } from './port.ts'

/** What an evil twin answers a device with. */
export type TwinTrick =
  /** A voucher for the device's own nonce, by a MASA of the twin's own making. */
  | { readonly kind: 'self-signed' }
  /** A genuine voucher of earlier: for this device, with another nonce. */
  | { readonly kind: 'replayed'; readonly voucher: Uint8Array }
  /** A genuine voucher that is good for this device, and pins somebody else's network. */
  | { readonly kind: 'foreign'; readonly voucher: (request: Uint8Array) => Promise<Uint8Array> }
  | { readonly kind: 'garbage' }

/** What it did and what came of it, oldest first. */
export type TwinDeed =
  | { readonly kind: 'asked-masa'; readonly status: number; readonly text: string }
  | { readonly kind: 'asked-registrar'; readonly status: number; readonly text: string }
  | { readonly kind: 'offered'; readonly trick: TwinTrick['kind'] | 'genuine' }
  /** The device told it so. */
  | { readonly kind: 'turned-down' }
  | { readonly kind: 'believed' }
  /** A device took a credential from it: the attack succeeded. */
  | { readonly kind: 'enrolled' }

export interface EvilTwinOptions {
  readonly keys: KeyStore
  readonly clock: Clock
  readonly random: Random
  /** The registrar whose names it takes on. */
  readonly imitates?: Certificate
  /** One after the other, and again from the first. */
  readonly tricks: readonly TwinTrick[]
  /** It tries to get a voucher the honest way, as if it were the owner. */
  readonly masa?: { readonly client: MasaClient; readonly manufacturer: TrustedManufacturer }
  /** It tries to get one by handing the request on to the real registrar. */
  readonly relay?: { readonly transport: PledgeTransport; readonly origin: string }
}

/** A registrar of its own making, to be put where devices look for theirs. */
export interface EvilTwin {
  readonly endpoint: Endpoint
  /** Its TLS certificate and CA, DER. */
  readonly certificateChain: readonly Uint8Array[]
  /** Of its TLS key in its key store. */
  readonly keyLabel: string
  readonly deeds: readonly TwinDeed[]
}

const day = 86_400_000
const keyLabel = 'evil-twin'

interface Lair {
  readonly ca: Issuer
  readonly registrar: Certificate
  readonly signer: Signer
  readonly voucherSigner: Issuer
}

export async function createEvilTwin(options: EvilTwinOptions): Promise<EvilTwin> {
  const lair = await furnish(options)
  const deeds: TwinDeed[] = []
  let visits = 0
  const nextTrick = (): TwinTrick => options.tricks[visits++ % options.tricks.length] ?? { kind: 'garbage' }
  const endpoint: Endpoint = {
    async handle(request) {
      switch (request.path) {
        case brskiPath.requestVoucher:
          return answerVoucher(options, lair, request, deeds, nextTrick)
        case brskiPath.voucherStatus:
          deeds.push({ kind: decodeTelemetry(request.body).status ? 'believed' : 'turned-down' })
          return { status: 200 }
        default:
          return enrol(options, lair, request, deeds)
      }
    },
  }
  const certificateChain = [lair.registrar.der, lair.ca.certificate.der]
  return { endpoint, certificateChain, keyLabel, deeds }
}

/** A CA, a registrar with cmcRA and a MASA, all with the right names and none with the right key. */
async function furnish({ keys, clock, imitates }: EvilTwinOptions): Promise<Lair> {
  const at = clock()
  const signer = (await keys.open(keyLabel)) ?? (await keys.generate(keyLabel, 'P-256'))
  const ca = await impostorOf(imitates?.issuer.der ?? encodeName({ commonName: 'Network CA' }), 'P-256', at)
  const { cmcRA, serverAuth, clientAuth } = extendedKeyUsageOid
  const der = await issueCertificate({
    subject: imitates?.subject.der ?? encodeName({ commonName: 'registrar' }),
    spkiDer: signer.spkiDer,
    issuer: ca,
    notBefore: new Date(at - day),
    notAfter: new Date(at + 365 * day),
    extensions: [makeExtension(extensionKinds.extendedKeyUsage, [cmcRA, serverAuth, clientAuth])],
  })
  const voucherSigner = await impostorOf(encodeName({ commonName: 'MASA' }), 'P-256', at)
  return { ca, registrar: decodeCertificate(der), signer, voucherSigner }
}

async function answerVoucher(
  options: EvilTwinOptions,
  lair: Lair,
  request: EndpointRequest,
  deeds: TwinDeed[],
  nextTrick: () => TwinTrick,
): Promise<EndpointReply> {
  const genuine = (await askMasa(options, lair, request, deeds)) ?? (await askRegistrar(options, lair, request, deeds))
  const trick = nextTrick()
  deeds.push({ kind: 'offered', trick: genuine === undefined ? trick.kind : 'genuine' })
  const body = genuine ?? (await bait(options, lair, request, trick))
  return { status: 200, headers: { 'content-type': brskiMediaType['voucher-cms+json'] }, body }
}

async function bait(
  { random, clock }: EvilTwinOptions,
  lair: Lair,
  request: EndpointRequest,
  trick: TwinTrick,
): Promise<Uint8Array> {
  switch (trick.kind) {
    case 'self-signed': {
      const { value } = openVoucherArtifact(request.body, { kind: 'request' })
      const { nonce } = value
      return signVoucherArtifact({
        format: 'voucher-cms+json',
        kind: 'voucher',
        value: {
          'serial-number': value['serial-number'],
          assertion: 'proximity',
          'created-on': new Date(clock()),
          'pinned-domain-cert': lair.ca.certificate.der,
          ...(nonce === undefined ? {} : { nonce }),
        },
        signer: lair.voucherSigner.signer,
        certificates: [lair.voucherSigner.certificate],
      })
    }
    case 'replayed':
      return trick.voucher
    case 'foreign':
      return trick.voucher(request.body)
    case 'garbage':
      return random(2000)
  }
}

/** As an owner's registrar would (RFC 8995 section 5.5). The proximity is real: the device stands before the twin. */
async function askMasa(
  { masa, clock }: EvilTwinOptions,
  lair: Lair,
  { body, peer }: EndpointRequest,
  deeds: TwinDeed[],
): Promise<Uint8Array | undefined> {
  const [birth] = peer.certificates
  if (masa === undefined || birth === undefined) return undefined
  const idevid = decodeCertificate(birth)
  const { value } = openVoucherArtifact(body, { kind: 'request' })
  const { nonce } = value
  const own: VoucherRequest = {
    'serial-number': value['serial-number'],
    'created-on': new Date(clock()),
    assertion: 'proximity',
    'idevid-issuer': idevidIssuer(idevid),
    'prior-signed-voucher-request': body,
    ...(nonce === undefined ? {} : { nonce }),
  }
  const certificates = [lair.registrar, lair.ca.certificate]
  const { signer } = lair
  const type = brskiMediaType['voucher-cms+json']
  try {
    const { manufacturer, client } = masa
    const answer = await client.requestVoucher({
      manufacturer,
      baseUrl: masaBaseUrl(manufacturer.masaUrl ?? idevid.masaUrl),
      body: await signVoucherArtifact({
        format: 'voucher-cms+json',
        kind: 'request',
        value: own,
        signer,
        certificates,
      }),
      contentType: type,
      accept: type,
    })
    deeds.push({ kind: 'asked-masa', status: answer.status, text: shown(answer.body) })
    return answer.status === 200 ? answer.body : undefined
  } catch (error) {
    deeds.push({ kind: 'asked-masa', status: 0, text: error instanceof Error ? error.message : 'failed' })
    return undefined
  }
}

/** In the middle: the device's own bytes, over a connection of the twin's. */
async function askRegistrar(
  { relay }: EvilTwinOptions,
  lair: Lair,
  { body }: EndpointRequest,
  deeds: TwinDeed[],
): Promise<Uint8Array | undefined> {
  if (relay === undefined) return undefined
  const limits = { timeoutMs: 5000, maxBytes: 0x4_0000 }
  try {
    const certificates = [lair.registrar.der, lair.ca.certificate.der]
    const connection = await relay.transport.connect({ origin: relay.origin, certificates, keyLabel, timeoutMs: 5000 })
    try {
      const headers = { 'content-type': brskiMediaType['voucher-cms+json'] }
      const reply = await connection.request({ method: 'POST', path: brskiPath.requestVoucher, headers, body }, limits)
      deeds.push({ kind: 'asked-registrar', status: reply.status, text: shown(reply.body) })
      return reply.status === 200 ? reply.body : undefined
    } finally {
      connection.close()
    }
  } catch (error) {
    deeds.push({ kind: 'asked-registrar', status: 0, text: error instanceof Error ? error.message : 'failed' })
    return undefined
  }
}

function shown(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, 200))
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, ' ')
}

const certsOnly = { 'content-type': 'application/pkcs7-mime; smime-type=certs-only' }

/** A complete EST server: whoever asks gets a credential, and is the twin's from then on. */
async function enrol(
  { clock }: EvilTwinOptions,
  { ca }: Lair,
  { path, body }: EndpointRequest,
  deeds: TwinDeed[],
): Promise<EndpointReply | undefined> {
  const bag = (certificates: readonly Uint8Array[]) => encodeBase64(encodeCertsOnly({ certificates }))
  if (path === '/.well-known/est/cacerts') return { status: 200, headers: certsOnly, body: bag([ca.certificate.der]) }
  if (path === '/.well-known/est/csrattrs') return { status: 204 }
  if (path === brskiPath.enrollStatus) return { status: 200 }
  if (path !== '/.well-known/est/simpleenroll') return undefined
  const { request } = verifyCsr(decodeEstBase64(Buffer.from(body).toString('latin1')))
  const at = clock()
  const der = await issueCertificate({
    subject: encodeName({ commonName: 'mine' }),
    spkiDer: request.spkiDer,
    issuer: ca,
    notBefore: new Date(at - day),
    notAfter: new Date(at + 365 * day),
    extensions: [makeExtension(extensionKinds.keyUsage, ['digitalSignature'])],
  })
  deeds.push({ kind: 'enrolled' })
  return { status: 200, headers: certsOnly, body: bag([der]) }
}
