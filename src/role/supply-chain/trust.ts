import { hash } from 'node:crypto'
import { type CertificateList, decodeCertificateList } from '../../codec/crl.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName, sameName } from '../../codec/x509/name.ts'
import { publicKeyOf } from '../../crypto/key.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { SignerTrust } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import { coded } from '../../domain/failure.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { masaBaseUrl } from '../../protocol/brski/endpoint.ts'
import { isQuirk } from '../../protocol/brski/quirk.ts'

/** What an operator decides about a manufacturer. Certificates are DER. */
export interface TrustDecision {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`; the site's own name for the manufacturer. */
  readonly name: string
  readonly anchors: readonly Uint8Array[]
  readonly masaUrl?: string
  readonly masaAnchors?: readonly Uint8Array[]
  readonly masaPrivateAddress?: boolean
  readonly ignoreIdevidLifetime?: boolean
  readonly quirks?: readonly string[]
}

/** Something to tell the operator; the decision stands all the same. */
export interface TrustWarning {
  readonly rule: 'not-a-root' | 'expired' | 'pinned-end-entity' | 'devices-can-vouch'
  /** RFC 4514 text. */
  readonly subject: string
  readonly message: string
}

export interface TrustResult {
  readonly manufacturer: TrustedManufacturer
  readonly warnings: readonly TrustWarning[]
}

const maxAnchors = 16

/**
 * Trusts a manufacturer, or changes how. Throws OnboardingError `anchor-invalid` for a certificate that cannot be one, or
 * that is trusted under another name already; `input-invalid` for a name, URL or quirk.
 */
export async function trustManufacturer(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  decision: TrustDecision,
  by: string,
): Promise<TrustResult> {
  const at = clock()
  const { anchors, masaAnchors, warnings } = readDecision(decision, at)
  const terms = {
    name: decision.name,
    anchors: anchors.map(({ der }) => der),
    ...(decision.masaUrl === undefined ? {} : { masaUrl: decision.masaUrl }),
    masaAnchors: masaAnchors.map(({ der }) => der),
    masaPrivateAddress: decision.masaPrivateAddress ?? false,
    ignoreIdevidLifetime: decision.ignoreIdevidLifetime ?? false,
    quirks: [...new Set(decision.quirks)].sort(),
  }
  const manufacturer = await onStream(store, decision.name, async tx => {
    const { name } = terms
    // Two decisions about one root under two names share no stream: this row lets the second wait for the first.
    await tx.setting.put({ name: 'last-trusted-manufacturer', value: name })
    await refuseShared(tx, name, anchors)
    const known = await tx.manufacturer.get(name)
    // What was learnt of its delegates is not a decision of the operator.
    const { statementCrls } = known ?? {}
    const learnt = statementCrls === undefined ? {} : { statementCrls }
    const next: TrustedManufacturer = { ...terms, ...learnt, addedAt: known?.addedAt ?? at }
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(next)) return { result: known }
    await tx.manufacturer.put(next)
    const lists = statementCrls === undefined ? {} : { crlHashes: crlHashes(statementCrls) }
    return { result: next, event: { kind: 'manufacturer-trusted', body: { ...terms, ...lists, by } } }
  })
  return { manufacturer, warnings }
}

function readDecision(decision: TrustDecision, at: number) {
  checkTerms(decision)
  const anchors = decision.anchors.map(der => readAnchor(der, at, false))
  const masaAnchors = (decision.masaAnchors ?? []).map(der => readAnchor(der, at, true))
  const warnings = [...anchors, ...masaAnchors].flatMap(each => each.warnings)
  return {
    anchors,
    masaAnchors,
    warnings: masaAnchors.length > 0 ? warnings : [...warnings, ...oneRoot(anchors)],
  }
}

/** What trusting a manufacturer so would change; names of certificates are RFC 4514 text. */
export interface TrustPreview {
  readonly known: boolean
  readonly anchors: AnchorChange
  readonly masaAnchors: AnchorChange
  /** Of its devices: on record, with a credential, and without one, who need a path to come in. */
  readonly devices: number
  readonly onboarded: number
  /** Anchors of before go, and devices that have yet to come in may hang below one of them. */
  readonly mayBeShutOut: number
  readonly warnings: readonly TrustWarning[]
}

export interface AnchorChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly kept: readonly string[]
}

/** The same decision, and nothing is written. Throws as `trustManufacturer` does. */
export async function previewTrust(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  decision: TrustDecision,
): Promise<TrustPreview> {
  const { anchors, masaAnchors, warnings } = readDecision(decision, clock())
  const { name: manufacturer } = decision
  return store.read(async tables => {
    await refuseShared(tables, manufacturer, anchors)
    const known = await tables.manufacturer.get(manufacturer)
    const change = anchorChange(known?.anchors ?? [], anchors)
    const counts = await countDevices(tables, manufacturer)
    return {
      known: known !== undefined,
      anchors: change,
      masaAnchors: anchorChange(known?.masaAnchors ?? [], masaAnchors),
      ...counts,
      mayBeShutOut: change.removed.length === 0 ? 0 : counts.devices - counts.onboarded,
      warnings,
    }
  })
}

/** By key: a root that was certified anew is the same root. */
function anchorChange(before: readonly string[], wanted: readonly ReadAnchor[]): AnchorChange {
  const old = before.map(text => decodeCertificate(Buffer.from(text, 'base64')))
  const now = wanted.map(({ certificate }) => certificate)
  const isIn = (list: readonly Certificate[]) => (one: Certificate) =>
    list.some(({ spkiDer }) => Buffer.compare(spkiDer, one.spkiDer) === 0)
  const names = (list: readonly Certificate[]) => list.map(({ subject }) => formatName(subject))
  return {
    added: names(now.filter(one => !isIn(old)(one))),
    removed: names(old.filter(one => !isIn(now)(one))),
    kept: names(now.filter(isIn(old))),
  }
}

async function countDevices(tables: Tables, manufacturer: string) {
  let [devices, onboarded] = [0, 0]
  for (let after = ''; ; ) {
    const page = await tables.device.find({ manufacturer }, { after, limit: 1000 })
    devices += page.length
    onboarded += page.filter(({ credential }) => credential !== undefined).length
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return { devices, onboarded }
    after = last.id
  }
}

/** RFC 8995 allows one root for devices and vouchers; then the key out of any one device could sign a voucher for all. */
function oneRoot(anchors: readonly ReadAnchor[]): TrustWarning[] {
  return anchors.map(({ certificate }) => ({
    rule: 'devices-can-vouch',
    subject: formatName(certificate.subject),
    message:
      'no MASA anchor: what the devices hang below also vouches for them; ask the maker for the root of its MASA',
  }))
}

/** Trust ends; the devices stay in the record. Throws OnboardingError `not-found`. */
export function distrustManufacturer(store: Store, name: string, by: string): Promise<TrustedManufacturer> {
  return onStream(store, name, async tx => {
    const known = await tx.manufacturer.get(name)
    if (known === undefined) throw new OnboardingError('not-found', { manufacturer: name })
    await tx.manufacturer.remove(name)
    return { result: known, event: { kind: 'manufacturer-distrusted', body: { by } } }
  })
}

/** All trusted manufacturers in order of name. */
export function listManufacturers(store: Store): Promise<readonly TrustedManufacturer[]> {
  return store.read(allManufacturers)
}

/** Whose signature counts for what a manufacturer says about devices: the MASA anchors, or the IDevID ones when none are given. */
export function statementAnchors(manufacturers: readonly TrustedManufacturer[]): readonly TrustAnchor[] {
  return manufacturers.flatMap(({ name, anchors, masaAnchors }) =>
    (masaAnchors.length > 0 ? masaAnchors : anchors).map(text => ({
      name,
      certificate: decodeCertificate(Buffer.from(text, 'base64')),
    })),
  )
}

/** By what statements of manufacturers are believed now, and by whom not any more. */
export function statementTrust(manufacturers: readonly TrustedManufacturer[], at: Date): SignerTrust {
  const crls = manufacturers.flatMap(({ statementCrls = [] }) => statementCrls.map(listOf))
  return { anchors: statementAnchors(manufacturers), at, ...(crls.length === 0 ? {} : { crls }) }
}

function listOf(text: string): CertificateList {
  return decodeCertificateList(Buffer.from(text, 'base64'))
}

/**
 * A revocation list that came with a statement and was verified: kept when it is newer than the one of the same CA. An older
 * one, brought again, brings no delegate back.
 */
export async function takeStatementCrl(store: Store, name: string, crl: string): Promise<void> {
  const list = listOf(crl)
  await onStream(store, name, async tx => {
    const known = await tx.manufacturer.get(name)
    if (known === undefined) throw new OnboardingError('not-found', { manufacturer: name })
    const lists = known.statementCrls ?? []
    const same = lists.find(each => sameName(listOf(each).issuer, list.issuer))
    if (same !== undefined && numberOf(listOf(same)) >= numberOf(list)) return { result: known }
    const statementCrls = [...lists.filter(each => each !== same), crl].slice(-maxAnchors)
    const next = { ...known, statementCrls }
    await tx.manufacturer.put(next)
    return { result: next, event: { kind: 'manufacturer-crl-taken', body: { crlHashes: crlHashes(statementCrls) } } }
  })
}

function numberOf({ cRLNumber = new Uint8Array() }: CertificateList): bigint {
  return BigInt(`0x0${Buffer.from(cRLNumber).toString('hex')}`)
}

function crlHashes(lists: readonly string[]): string[] {
  return lists.map(text => hash('sha256', Buffer.from(text, 'base64')))
}

async function allManufacturers(tables: Tables): Promise<readonly TrustedManufacturer[]> {
  const all: TrustedManufacturer[] = []
  for (let after = ''; ; after = all.at(-1)!.name) {
    const page = await tables.manufacturer.find({}, { after, limit: 1000 })
    all.push(...page)
    if (page.length < 1000) return all
  }
}

interface ReadAnchor {
  /** Base64. */
  readonly der: string
  readonly certificate: Certificate
  readonly warnings: readonly TrustWarning[]
}

const anchorFailure = { malformed: 'anchor-invalid', signature: 'anchor-invalid', path: 'anchor-invalid' } as const

function readAnchor(der: Uint8Array, at: number, pinnable: boolean): ReadAnchor {
  try {
    const certificate = decodeCertificate(der)
    publicKeyOf(certificate)
    const warnings = judgeAnchor(certificate, at, pinnable)
    return { der: Buffer.from(der).toString('base64'), certificate, warnings }
  } catch (error) {
    throw coded(error, anchorFailure)
  }
}

function judgeAnchor(certificate: Certificate, at: number, pinnable: boolean): TrustWarning[] {
  const subject = formatName(certificate.subject)
  const { basicConstraints, keyUsage, validity } = certificate
  const isCa = basicConstraints?.cA === true && keyUsage?.includes('keyCertSign') !== false
  const warnings: TrustWarning[] = []
  const warn = (rule: TrustWarning['rule'], message: string) => warnings.push({ rule, subject, message })
  if (!isCa) {
    if (!pinnable) throw new OnboardingError('anchor-invalid', { rule: 'not-a-ca', subject })
    warn('pinned-end-entity', 'not a certification authority: only this one signer is trusted, until it is renewed')
  } else if (!sameName(certificate.issuer, certificate.subject)) {
    warn('not-a-root', 'not self-signed: trusted all the same, and its own issuer is not')
  }
  if (validity.notAfter.getTime() < at) {
    warn('expired', `ended on ${validity.notAfter.toISOString().slice(0, 10)}: an anchor is trusted beyond its end`)
  }
  return warnings
}

/** By key: two names for one root would leave open whose devices are below it. */
async function refuseShared(tx: Tables, name: string, anchors: readonly ReadAnchor[]): Promise<void> {
  for (const other of await allManufacturers(tx)) {
    if (other.name === name) continue
    const held = other.anchors.map(text => decodeCertificate(Buffer.from(text, 'base64')))
    const shared = anchors.find(({ certificate }) =>
      held.some(({ spkiDer }) => Buffer.compare(spkiDer, certificate.spkiDer) === 0),
    )
    if (shared === undefined) continue
    const subject = formatName(shared.certificate.subject)
    throw new OnboardingError('anchor-invalid', { rule: 'trusted-under-another-name', subject, name: other.name })
  }
}

function checkTerms({ name, anchors, masaAnchors = [], masaUrl, quirks = [] }: TrustDecision): void {
  const refuse = (field: string, rule: string) => new OnboardingError('input-invalid', { field, rule })
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) throw refuse('name', '1 to 64 of A-Z a-z 0-9 . _ -')
  if (anchors.length === 0 || anchors.length > maxAnchors) throw refuse('anchors', `1 to ${maxAnchors}`)
  if (masaAnchors.length > maxAnchors) throw refuse('masaAnchors', `at most ${maxAnchors}`)
  if (masaUrl !== undefined) {
    try {
      masaBaseUrl(masaUrl)
    } catch {
      throw refuse('masaUrl', 'an https URL or a host, without user, query or fragment')
    }
  }
  const unknown = quirks.find(quirk => !isQuirk(quirk))
  if (unknown !== undefined) throw refuse('quirks', `no quirk is called ${unknown.slice(0, 64)}`)
}

interface Change {
  readonly result: TrustedManufacturer
  readonly event?: NewEvent
}

/** Decides on the manufacturer's stream as it stands; another decision in between makes it decide again. */
async function onStream(store: Store, name: string, decide: (tx: Tx) => Promise<Change>): Promise<TrustedManufacturer> {
  const stream = streamName('manufacturer', name)
  for (let attempt = 1; ; attempt++) {
    const version = await streamVersion(store, stream)
    try {
      return await store.transaction(async tx => {
        const { result, event } = await decide(tx)
        if (event !== undefined) await tx.append(stream, version, [event])
        return result
      })
    } catch (error) {
      if (!(error instanceof OnboardingError) || error.code !== 'store-conflict' || attempt === 5) throw error
    }
  }
}

async function streamVersion(store: Store, stream: string): Promise<number> {
  for (let version = 0; ; ) {
    const page = await store.history(stream, version, 1000)
    version += page.length
    if (page.length < 1000) return version
  }
}
