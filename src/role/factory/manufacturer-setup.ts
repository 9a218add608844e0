import type { Certificate } from '../../codec/x509/certificate.ts'
import {
  type Extension,
  extendedKeyUsageOid,
  extensionKinds,
  findExtension,
  makeExtension,
} from '../../codec/x509/extension.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { caExtensions, type Issuer } from '../../crypto/issue.ts'
import type { Curve, KeyStore } from '../../crypto/signer.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { Party } from '../../domain/declaration.ts'
import { documentSigning } from '../../domain/declaration-jws.ts'
import { domainIds } from '../../domain/ownership.ts'
import type { Clock, Random, Store } from '../../domain/port.ts'
import { type EstablishedIssuer, establishIssuer } from '../certification/issuer-record.ts'
import { plausibleTime } from '../certification/plausible-clock.ts'
import { type MasaLocation, masaLocation } from './masa-location.ts'

export interface ManufacturerOptions {
  /** As it stands in certificates and declarations; at most 40 characters. */
  readonly name: string
  readonly store: Store
  readonly keys: KeyStore
  /** Holds the key of the MASA's TLS certificate, which OpenSSL has to reach; `keys` when absent. */
  readonly tlsKeys?: KeyStore
  readonly clock: Clock
  readonly random: Random
  /** Host with an optional port, or an https URL; goes into every IDevID. */
  readonly masaUrl: string
  /** Further names and addresses of the MASA's TLS certificate. */
  readonly hosts?: readonly string[]
  readonly curve?: Curve
}

/** One key of the manufacturer with its certificate. */
export interface Office extends Issuer {
  /** `voucher-1`: the record in the table of issuers, and the label in the key store. */
  readonly name: string
  /** Own certificate first, up to but without the root. */
  readonly chain: readonly Certificate[]
}

/**
 * A manufacturer with its two hierarchies. Devices hang below one root, and what the manufacturer says about devices -
 * vouchers, declarations, manifests - below the other: else the key out of any one device could sign a voucher for all.
 */
export interface Manufacturer {
  readonly name: string
  readonly masa: MasaLocation
  /** The manufacturer as the first owner of each device. Known by the key of the MASA root, which outlasts all signers. */
  readonly party: Party
  /** Root of the IDevIDs: a registrar trusts devices by it. */
  readonly deviceRoot: Certificate
  /** Root of vouchers, declarations, manifests and the MASA's TLS certificate: devices carry it. */
  readonly masaRoot: Certificate
  readonly deviceAnchors: readonly TrustAnchor[]
  readonly masaAnchors: readonly TrustAnchor[]
  /** Issuing CA of IDevIDs. */
  readonly idevid: Office
  readonly voucher: Office
  /** Signs declarations and manifests. */
  readonly manifest: Office
  readonly tls: Office
}

const year = 365 * 86_400_000
/** Certificates begin a little earlier, for peers whose clocks lag. */
const skew = 300_000

/**
 * Makes the manufacturer's keys and certificates, or finds the ones made before: run again after a crash it goes on where
 * it stopped. Afterwards the keys of `device-root-1` and `masa-root-1` are not needed and can be kept offline. Signers
 * are renewed with a new key when less than a third of their life is left, the TLS one also when the MASA moves.
 *
 * Throws OnboardingError `issuer-key-missing` when a certificate is on record and its key is needed and not in `keys`,
 * and `input-invalid` for a name or URL that cannot stand in a certificate.
 */
export async function setUpManufacturer(options: ManufacturerOptions): Promise<Manufacturer> {
  const { name } = options
  const masa = masaLocation(options.masaUrl)
  const deviceRoot = await root(options, 'device-root-1', `${name} device root`)
  const masaRoot = await root(options, 'masa-root-1', `${name} MASA root`)
  const idevid = await authority(options, 'idevid-1', `${name} device CA 1`, deviceRoot)
  const services = await authority(options, 'masa-1', `${name} MASA CA 1`, masaRoot)
  return {
    name,
    masa,
    party: { id: name, name, domains: domainIds(masaRoot.certificate) },
    deviceRoot: deviceRoot.certificate,
    masaRoot: masaRoot.certificate,
    deviceAnchors: [{ name, certificate: deviceRoot.certificate }],
    masaAnchors: [{ name, certificate: masaRoot.certificate }],
    idevid: officeOf(idevid.name, await idevid.open(), []),
    voucher: await endEntity(options, services, 'voucher', {
      title: 'voucher signer',
      years: 5,
      extensions: [makeExtension(extensionKinds.keyUsage, ['digitalSignature'])],
    }),
    manifest: await endEntity(options, services, 'manifest', {
      title: 'manifest signer',
      years: 5,
      extensions: [
        makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
        makeExtension(extensionKinds.extendedKeyUsage, [documentSigning]),
      ],
    }),
    tls: await endEntity({ ...options, keys: options.tlsKeys ?? options.keys }, services, 'tls', {
      title: 'MASA server',
      years: 2,
      extensions: tlsExtensions(options, masa),
    }),
  }
}

function root(options: ManufacturerOptions, label: string, title: string): Promise<EstablishedIssuer> {
  const at = options.clock()
  return establishIssuer(options, label, async signer => ({
    subject: subjectOf(options, title),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    serialNumber: serialNumber(options.random),
    notBefore: new Date(at - skew),
    notAfter: new Date(plausibleTime(at) + 30 * year),
    extensions: caExtensions(1),
  }))
}

/** An issuing CA. It ends with its root: devices below it have no end, and what they chain to should not go before. */
function authority(
  options: ManufacturerOptions,
  label: string,
  title: string,
  above: EstablishedIssuer,
): Promise<EstablishedIssuer> {
  return establishIssuer(options, label, async signer => ({
    subject: subjectOf(options, title),
    spkiDer: signer.spkiDer,
    issuer: await above.open(),
    serialNumber: serialNumber(options.random),
    notBefore: new Date(options.clock() - skew),
    notAfter: above.certificate.validity.notAfter,
    extensions: caExtensions(0),
  }))
}

interface EndEntityTerms {
  readonly title: string
  readonly years: number
  readonly extensions: readonly Extension[]
}

/** The newest generation that is still good, else the next one with a key of its own. */
async function endEntity(
  options: ManufacturerOptions,
  issuer: EstablishedIssuer,
  role: string,
  { title, years, extensions }: EndEntityTerms,
): Promise<Office> {
  const at = options.clock()
  const life = years * year
  for (let generation = 1; ; generation++) {
    const found = await establishIssuer(options, `${role}-${generation}`, async signer => ({
      subject: subjectOf(options, `${options.name} ${title} ${generation}`),
      spkiDer: signer.spkiDer,
      issuer: await issuer.open(),
      serialNumber: serialNumber(options.random),
      notBefore: new Date(at - skew),
      notAfter: new Date(Math.min(at + life, issuer.certificate.validity.notAfter.getTime())),
      extensions: [makeExtension(extensionKinds.basicConstraints, { cA: false }), ...extensions],
    }))
    const { notAfter } = found.certificate.validity
    const renewable = issuer.certificate.validity.notAfter.getTime() > notAfter.getTime()
    if (renewable && notAfter.getTime() - at < life / 3) continue
    if (!sameNames(found.certificate, extensions)) continue
    return officeOf(found.name, await found.open(), [issuer.certificate])
  }
}

function officeOf(name: string, issuer: Issuer, above: readonly Certificate[]): Office {
  return { ...issuer, name, chain: [issuer.certificate, ...above] }
}

function sameNames(certificate: Certificate, wanted: readonly Extension[]): boolean {
  const [has, wants] = [certificate.extensions, wanted].map(
    list => findExtension(list, extensionKinds.subjectAltName)?.value ?? Buffer.alloc(0),
  )
  return Buffer.compare(has!, wants!) === 0
}

function tlsExtensions({ hosts = [] }: ManufacturerOptions, masa: MasaLocation): Extension[] {
  return [
    makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
    makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.serverAuth]),
    makeExtension(extensionKinds.subjectAltName, [masa.host, ...hosts.map(hostName)]),
  ]
}

function subjectOf({ name }: ManufacturerOptions, commonName: string): Buffer {
  return encodeName({ organizationName: name, commonName })
}

/** 126 random bits, always positive and of one length (RFC 5280 section 4.1.2.2). */
function serialNumber(random: Random): Uint8Array {
  const octets = Uint8Array.from(random(16))
  octets[0] = (octets[0]! & 0x3f) | 0x40
  return octets
}
