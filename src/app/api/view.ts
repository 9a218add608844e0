import { hash } from 'node:crypto'
import { encodePem } from '../../codec/pem.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName } from '../../codec/x509/name.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import type { Device } from '../../domain/device.ts'
import { errorCatalogue } from '../../domain/error.ts'
import type { StoredEvent } from '../../domain/event.ts'
import { possibleMoves } from '../../domain/lifecycle.ts'
import {
  type AccessToken,
  type ManifestRecord,
  type TrustedManufacturer,
  tokenParty,
  tokenRoles,
  type VoucherRecord,
} from '../../domain/site.ts'
import type { EventView } from './contract/audit.ts'
import type { CredentialView } from './contract/credential.ts'
import type { DeviceView } from './contract/device.ts'
import type { ManifestView } from './contract/manifest.ts'
import type { TokenView } from './contract/token.ts'
import type { ManufacturerView } from './contract/trust.ts'
import type { VoucherView } from './contract/voucher.ts'

/** Records as the API shows them: times in RFC 3339, certificates in PEM, and nothing that is not listed. */

export const instant = (at: number): string => new Date(at).toISOString()

/** `{ [name]: instant }`, or nothing when there is no such time. */
export function instants<N extends string>(times: { readonly [K in N]: number | undefined }): { [K in N]?: string } {
  const shown: { [K in N]?: string } = {}
  for (const name in times) {
    const at = times[name]
    if (at !== undefined) shown[name] = instant(at)
  }
  return shown
}

function holdView({ hold, birthBound }: Device): Pick<DeviceView, 'hold' | 'birthBound'> {
  const places = hold?.places?.map(({ place, at }) => ({ place, at: instant(at) }))
  return {
    ...(hold === undefined
      ? {}
      : { hold: { ...hold, at: instant(hold.at), ...(places === undefined ? {} : { places }) } as DeviceView['hold'] }),
    ...(birthBound === undefined ? {} : { birthBound: { place: birthBound.place, until: instant(birthBound.until) } }),
  }
}

export function deviceView(device: Device): DeviceView {
  const { id, manufacturer, serial, model, lifecycle, rung, standing, owner, mudUrl, credential, refusal } = device
  const { firstHeardAt, lastHeardAt, connectedAt, recalls, entered, wiped, broken, handOver } = device
  const { awaits, posture } = device
  return {
    id,
    manufacturer,
    serial,
    model,
    lifecycle,
    rung,
    standing,
    owner,
    ...(mudUrl === undefined ? {} : { mudUrl }),
    ...(credential === undefined ? {} : { credential }),
    ...(refusal === undefined ? {} : { refusal: refusalView(refusal) }),
    ...instants({ firstHeardAt, lastHeardAt, connectedAt, since: entered?.at, wipedAt: wiped?.at }),
    ...(broken === undefined ? {} : { broken }),
    ...(handOver === undefined ? {} : { handOverTo: handOver.to }),
    ...(recalls === undefined ? {} : { recalls: [...recalls] }),
    ...holdView(device),
    components: componentsView(device),
    ...(awaits === undefined ? {} : { awaits }),
    ...(posture === undefined ? {} : { posture }),
    ...policyMembers(device),
    possible: possibleMoves(lifecycle).map(({ event }) => event),
  }
}

/** What is absent is said, too. */
function componentsView({ components, expectedComponents }: Device): DeviceView['components'] {
  if (components === undefined) {
    return { verdict: expectedComponents === undefined ? 'not-declared' : 'not-stated', differences: 0 }
  }
  const { verdict, at, differences } = components
  const code = verdict === 'differ' ? { code: 'components-differ' } : {}
  return { verdict, ...code, at: instant(at), differences }
}

/** What the policies say of it. */
function policyMembers({ terms, stay }: Device): Pick<DeviceView, 'segment' | 'services' | 'stay'> {
  const granted = terms === undefined ? {} : { services: [...terms.services] }
  return {
    ...(terms?.segment === undefined ? granted : { ...granted, segment: terms.segment }),
    ...(stay === undefined
      ? {}
      : { stay: { verdict: stay.verdict, policies: [...stay.policies], at: instant(stay.at) } }),
  }
}

function refusalView({ code, at }: NonNullable<Device['refusal']>) {
  const { title, action } = errorCatalogue[code]
  return { code, title, action, at: instant(at) }
}

export function eventView({ lane, sequence, stream, version, at, kind, body, hash }: StoredEvent): EventView {
  return { lane, sequence, stream, version, at: instant(at), kind, body, hash }
}

export function manufacturerView(manufacturer: TrustedManufacturer): ManufacturerView {
  const { name, anchors, masaUrl, masaAnchors, masaPrivateAddress, ignoreIdevidLifetime, quirks, addedAt } =
    manufacturer
  return {
    name,
    anchors: anchors.map(anchorView),
    ...(masaUrl === undefined ? {} : { masaUrl }),
    masaAnchors: masaAnchors.map(anchorView),
    masaPrivateAddress,
    ignoreIdevidLifetime,
    quirks: [...quirks],
    addedAt: instant(addedAt),
  }
}

export function anchorView(text: string) {
  const der = Buffer.from(text, 'base64')
  const { subject, validity } = decodeCertificate(der)
  return { subject: formatName(subject), fingerprint: fingerprint(der), notAfter: validity.notAfter.toISOString() }
}

export function credentialView(record: CredentialRecord): CredentialView {
  const { id, device, kind, status, serialHex, issuer, notBefore, notAfter } = record
  const { certificate, revokedAt, revocationReason } = record
  return {
    id,
    device,
    kind,
    status,
    serialHex,
    issuer,
    notBefore: instant(notBefore),
    notAfter: instant(notAfter),
    ...(certificate === undefined ? {} : shownCredential(record.form, Buffer.from(certificate, 'base64'))),
    ...instants({ revokedAt }),
    ...(revocationReason === undefined ? {} : { revocationReason }),
  }
}

function shownCredential(
  form: CredentialRecord['form'],
  bytes: Buffer,
): Pick<CredentialView, 'certificate' | 'connector'> {
  return form === 'connector' ? { connector: bytes.toString() } : { certificate: encodePem('CERTIFICATE', bytes) }
}

export function voucherView({ id, device, assertion, nonce, contentType, obtainedAt }: VoucherRecord): VoucherView {
  return { id, device, assertion, nonced: nonce !== '', contentType, obtainedAt: instant(obtainedAt) }
}

export function manifestView({ id, manufacturer, devices, importedAt, importedBy }: ManifestRecord): ManifestView {
  return { id, manufacturer, devices, importedAt: instant(importedAt), importedBy }
}

export function tokenView(token: AccessToken): TokenView {
  const { id, name, createdAt, expiresAt, revokedAt } = token
  const access = { party: tokenParty(token), roles: [...tokenRoles(token)] }
  return { id, name, ...access, createdAt: instant(createdAt), ...instants({ expiresAt, revokedAt }) }
}

/** A page of `limit` records, and where the next one begins when there may be more. */
export function pageView<R, V>(
  records: readonly R[],
  {
    view,
    key,
    limit,
  }: { readonly view: (record: R) => V; readonly key: (record: R) => string; readonly limit: number },
): { items: V[]; next?: string } {
  const last = records.length < limit ? undefined : records.at(-1)
  return { items: records.map(view), ...(last === undefined ? {} : { next: key(last) }) }
}

/** SHA-256 of the DER, as `openssl x509 -fingerprint -sha256` writes it: to be compared by people. */
export function fingerprint(der: Uint8Array): string {
  return hash('sha256', der).toUpperCase().match(/../g)!.join(':')
}
