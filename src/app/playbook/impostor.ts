import { connect, createServer, type Socket } from 'node:net'
import { listenTls } from '../../adapter/http/tls-endpoint.ts'
import { memoryKeyStore } from '../../adapter/key/memory.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { type Extension, extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { caExtensions, type Issuer, issueCertificate } from '../../crypto/issue.ts'
import { generateKey } from '../../crypto/key.ts'
import { type Curve, keySigner, type Signer } from '../../crypto/signer.ts'
import type { EndpointReply, MasaClient } from '../../domain/port.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath } from '../../protocol/brski/endpoint.ts'
import { birthKeyLabel } from '../../role/device/birth.ts'
import type { RegistrarCredential } from '../../role/onboarding/masa-exchange.ts'
import { pledgeTransport } from '../pledge-transport.ts'
import type { VirtualDevice } from './device.ts'
import { type Lab, trustAs } from './lab.ts'
import { host, type Network } from './party.ts'

const day = 86_400_000

/** A self-made CA under any name: to whoever looks at names, it is the other one. */
export async function namesake(subject: Uint8Array, curve: Curve = 'P-256'): Promise<Issuer> {
  const signer = keySigner(generateKey(curve))
  const der = await issueCertificate({
    subject,
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    ...lifetime(),
    extensions: caExtensions(),
  })
  return { certificate: decodeCertificate(der), signer }
}

/** A certificate with the names and extensions of another, by an issuer of one's own; `changes` take the place of its own. */
export async function copyOf(
  original: Certificate,
  spkiDer: Uint8Array,
  issuer: Issuer,
  changes: readonly Extension[] = [],
): Promise<Certificate> {
  const { subjectKeyIdentifier, authorityKeyIdentifier } = extensionKinds
  const replaced = [subjectKeyIdentifier, authorityKeyIdentifier, ...changes].map(({ id }) => id)
  const extensions = [...original.extensions.filter(({ id }) => !replaced.includes(id)), ...changes]
  const { validity, subject } = original
  return decodeCertificate(await issueCertificate({ subject: subject.der, spkiDer, issuer, ...validity, extensions }))
}

/** Somebody with a key and whatever certificates they could get for it. */
export async function strangersIdentity(
  certify: (spkiDer: Uint8Array) => readonly Certificate[] | Promise<readonly Certificate[]>,
) {
  const keys = memoryKeyStore()
  const signer = await keys.generate(birthKeyLabel, 'P-256')
  const certificates = await certify(signer.spkiDer)
  const shown = { certificates: certificates.map(({ der }) => der), keyLabel: birthKeyLabel, timeoutMs: 5000 }
  return {
    identity: { certificates, signer },
    connect: (origin: string) => pledgeTransport(keys).connect({ origin, ...shown }),
  }
}

/** The birth certificate of a device for another key, under a hierarchy that has every name of the genuine one. */
export async function forgedHierarchy(
  { pledge, maker }: VirtualDevice,
  spkiDer: Uint8Array,
  changes: readonly Extension[] = [],
): Promise<Certificate[]> {
  const { deviceRoot, idevid } = maker.site.manufacturer
  const root = await namesake(deviceRoot.subject.der)
  const signer = keySigner(generateKey('P-256'))
  const certificate = await copyOf(idevid.certificate, signer.spkiDer, root)
  return [await copyOf(pledge.birth.idevid, spkiDer, { certificate, signer }, changes), certificate]
}

function lifetime() {
  return { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 3650 * day) }
}

/**
 * An evil twin: a complete network under the identifier of the home network, in the name of the same owner, whose
 * registrar has vouchers made by somebody who is not the manufacturer.
 */
export async function openTwin(lab: Lab, name: string): Promise<Network> {
  const forger = await namesake(
    encodeName({ organizationName: 'Fjord Sensors', commonName: 'Fjord Sensors MASA root' }),
  )
  const { site, owner } = lab.home
  const twin = await lab.openNetwork(
    { name, network: site.network, owner, masa: registrar => forgingMasa(forger, registrar) },
    [],
  )
  // It believes the real makers about births, else it could not even talk to a device, and the forger about vouchers.
  for (const maker of lab.makers) await trustAs(twin.site, maker, forger.certificate)
  return twin
}

/** Signs a voucher for whatever is asked, pinning the registrar that asks. */
function forgingMasa(forger: Issuer, { chain }: RegistrarCredential): MasaClient {
  const requestVoucher: MasaClient['requestVoucher'] = async ({ body }) => {
    const { value, format } = openVoucherArtifact(body, { kind: 'request' })
    const { nonce } = value
    const voucher = await signVoucherArtifact({
      format,
      kind: 'voucher',
      value: {
        'serial-number': value['serial-number'],
        assertion: 'proximity',
        'created-on': new Date(),
        'pinned-domain-cert': chain[0]!.der,
        ...(nonce === undefined ? {} : { nonce }),
      },
      signer: forger.signer,
      certificates: [forger.certificate],
    })
    return { status: 200, contentType: brskiMediaType[format], body: voucher }
  }
  return { requestVoucher, requestAuditLog: async () => ({ status: 404, contentType: '', body: new Uint8Array() }) }
}

/** A registrar with the names of the home network's that answers every voucher request with what `answer` says. */
export async function openThief(lab: Lab, answer: () => EndpointReply): Promise<string> {
  const { registrar } = lab.home.site.authority
  const ca = await namesake(registrar.certificate.issuer.der)
  const key = generateKey('P-256')
  const certificate = await copyOf(registrar.certificate, keySigner(key).spkiDer, ca)
  const listener = await listenTls({
    host,
    port: 0,
    key,
    certificateChain: [certificate.der, ca.certificate.der],
    endpoints: [{ handle: async ({ path }) => (path === brskiPath.requestVoucher ? answer() : { status: 200 }) }],
    log: lab.log,
  })
  lab.keep(() => listener.close())
  return `https://${host}:${listener.port}`
}

/** A machine with TLS that is no registrar at all. */
export async function openStranger(lab: Lab): Promise<string> {
  const ca = await namesake(encodeName({ commonName: 'printer' }))
  const key = generateKey('P-256')
  const signer: Signer = keySigner(key)
  const usage = makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.serverAuth])
  const subject = encodeName({ commonName: 'printer.example' })
  const der = await issueCertificate({
    subject,
    spkiDer: signer.spkiDer,
    issuer: ca,
    ...lifetime(),
    extensions: [usage],
  })
  const listener = await listenTls({ host, port: 0, key, certificateChain: [der], endpoints: [], log: lab.log })
  lab.keep(() => listener.close())
  return `https://${host}:${listener.port}`
}

/** A machine that takes connections and says nothing. */
export async function openSilence(lab: Lab): Promise<string> {
  return (await openTcp(lab, () => {})).origin
}

/** Somebody on the cable between a device and a server, who keeps every octet, and may change what passes. */
export interface Wiretap {
  readonly origin: string
  /** Everything that went by, both ways. */
  readonly recorded: () => Buffer
}

/** @param change of octets from the server to the device, given how many the device has sent */
export async function tapWire(
  lab: Lab,
  { port }: { readonly port: number },
  change: (octets: Buffer, sent: number) => Buffer = octets => octets,
): Promise<Wiretap> {
  const record: Buffer[] = []
  const { origin } = await openTcp(lab, device => {
    const server = connect(port, host)
    let sent = 0
    device.on('data', octets => {
      record.push(octets)
      sent += octets.length
      server.write(octets)
    })
    server.on('data', octets => {
      record.push(octets)
      device.write(change(octets, sent))
    })
    for (const [from, to] of [
      [device, server],
      [server, device],
    ] as const) {
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroySoon())
    }
  })
  return { origin, recorded: () => Buffer.concat(record) }
}

async function openTcp(lab: Lab, handle: (socket: Socket) => void): Promise<{ readonly origin: string }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    handle(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  lab.keep(
    () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('a TCP port has a number')
  return { origin: `https://${host}:${address.port}` }
}
