import { randomBytes } from 'node:crypto'
import { type CertificateList, decodeCertificateList } from '../../../src/codec/crl.ts'
import type { Certificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { prepareCrl, signCrl } from '../../../src/crypto/crl.ts'
import type { TrustAnchor } from '../../../src/crypto/trust.ts'
import {
  type ArtifactFormat,
  type OpenedArtifact,
  openVoucherArtifact,
  signVoucherArtifact,
} from '../../../src/protocol/brski/artifact.ts'
import { idevidIssuer } from '../../../src/protocol/brski/idevid.ts'
import type { ArtifactKind, ArtifactValue, Voucher, VoucherRequest } from '../../../src/protocol/brski/voucher.ts'
import { type Certified, certify, type Entity, eku, end, now } from '../../crypto/pki.ts'

export const serial = 'JADA123456789'
export const formats: readonly ArtifactFormat[] = ['voucher-cms+json', 'voucher-jws+json', 'voucher+cose']

/** A manufacturer with one device, and a domain with one registrar. */
export interface Parties {
  readonly manufacturer: Entity
  readonly masa: Entity
  readonly pledge: Entity
  readonly domain: Entity
  readonly issuing: Entity
  readonly registrar: Entity
}

export async function parties(): Promise<Parties> {
  const manufacturer = await certify({ subject: 'Manufacturer Root', ca: true })
  const masa = await certify({ subject: 'MASA', issuer: manufacturer })
  const pledge = await certify({ subject: { commonName: 'Sensor', serialNumber: serial }, issuer: manufacturer })
  const domain = await certify({ subject: 'Domain Root', ca: true })
  const issuing = await certify({ subject: 'Domain Issuing CA', issuer: domain, ca: 0 })
  const registrar = await registrarOf(issuing)
  return { manufacturer, masa, pledge, domain, issuing, registrar }
}

export function registrarOf(issuer: Entity, change: Partial<Certified> = {}): Promise<Entity> {
  const { cmcRA, serverAuth, clientAuth } = extendedKeyUsageOid
  return certify({ subject: 'Registrar', issuer, extensions: [eku(cmcRA, serverAuth, clientAuth)], ...change })
}

export const anchor = (...entities: Entity[]): TrustAnchor[] =>
  entities.map(({ certificate }, i) => ({ name: `anchor-${i}`, certificate }))
export const certificatesOf = (...entities: Entity[]): Certificate[] => entities.map(({ certificate }) => certificate)

/** Signed and opened again. */
export async function sealed<K extends ArtifactKind>(
  kind: K,
  value: ArtifactValue[K],
  chain: readonly [Entity, ...Entity[]],
  format: ArtifactFormat = 'voucher-cms+json',
): Promise<OpenedArtifact<K>> {
  const bytes = await signVoucherArtifact({
    format,
    kind,
    value,
    signer: chain[0].signer,
    certificates: certificatesOf(...chain),
  })
  return openVoucherArtifact(bytes, { kind, format })
}

export const nonce = randomBytes(16)

export function pledgeRequestValue({ registrar }: Parties, change: Partial<VoucherRequest> = {}): VoucherRequest {
  return {
    assertion: 'proximity',
    'created-on': now,
    'serial-number': serial,
    nonce,
    'proximity-registrar-cert': registrar.certificate.der,
    ...change,
  }
}

/** A registrar's request around `prior`; null leaves a member out. */
export function registrarRequestValue(
  { pledge }: Parties,
  prior: OpenedArtifact<'request'>,
  change: { readonly [K in keyof VoucherRequest]?: VoucherRequest[K] | null } = {},
): VoucherRequest {
  const value = {
    'created-on': now,
    'serial-number': serial,
    nonce,
    'idevid-issuer': idevidIssuer(pledge.certificate),
    'prior-signed-voucher-request': prior.bytes,
    ...change,
  }
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null)) as unknown as VoucherRequest
}

export function voucherValue({ domain }: Parties, change: Partial<Record<keyof Voucher, unknown>> = {}): Voucher {
  return {
    assertion: 'proximity',
    'created-on': now,
    'serial-number': serial,
    nonce,
    'pinned-domain-cert': domain.certificate.der,
    ...(change as Partial<Voucher>),
  }
}

/** A CRL of `issuer`, in force, that lists these serial numbers. */
export async function crlOf(issuer: Entity, ...serials: readonly Uint8Array[]): Promise<CertificateList> {
  const revoked = serials.map(serialNumber => ({ serialNumber, revocationDate: now, reason: 'keyCompromise' as const }))
  const prepared = prepareCrl({ issuer, number: 1n, thisUpdate: now, nextUpdate: end, revoked })
  return decodeCertificateList(await signCrl(prepared, issuer.signer))
}
