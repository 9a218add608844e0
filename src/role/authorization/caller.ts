import { hash } from 'node:crypto'
import { decodeCertificateList } from '../../codec/crl.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName } from '../../codec/x509/name.ts'
import { verifyCrl } from '../../crypto/crl.ts'
import { publicKeyOf } from '../../crypto/key.ts'
import type { RoleName } from '../../domain/authority.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { coded, withCodes } from '../../domain/failure.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import type { CallerAuthority, CertificateCaller } from '../../domain/site.ts'
import { readableIdentity } from './caller-certificate.ts'

/**
 * Whose certificates count for calling the API: authorities that certify people and organizations, and whom of those that they
 * certify the site lets in, as what.
 */
export interface CallerDirectory {
  /** Trusts an authority, or changes its anchors; the CRLs go. Throws OnboardingError `anchor-invalid`. */
  trust(request: { name: string; anchors: readonly Uint8Array[]; by: string } & Assigning): Promise<CallerAuthority>
  /** Its certificates open nothing from now on. Throws OnboardingError `not-found`. */
  distrust(name: string, by: string, assigning?: Assigning): Promise<CallerAuthority>
  /** The newest CRL of each anchor that has one. Throws OnboardingError `not-found`, `crl-invalid`. */
  giveCrls(request: { name: string; crls: readonly Uint8Array[]; by: string }): Promise<CallerAuthority>
  /** Lets in whoever the authority certifies under this identity. Throws OnboardingError `not-found`, `input-invalid`. */
  admit(request: AdmittedCaller): Promise<CertificateCaller>
  /** Throws OnboardingError `not-found`. */
  remove(id: string, by: string): Promise<CertificateCaller>
}

/**
 * Throws when who asks may not give or take roles: asked of those that somebody has already. Whoever names the CA of an
 * administrator is one, and who is let in anew as less has lost the rest. Absent: the site itself asks.
 */
export interface Assigning {
  readonly assign?: (roles: readonly RoleName[]) => void
}

export interface AdmittedCaller
  extends Pick<CertificateCaller, 'authority' | 'identity' | 'party' | 'roles'>,
    Assigning {
  readonly lifetimeDays?: number
  readonly by: string
  /** `token/<id>` or `caller/<id>` of whoever lets in. */
  readonly madeBy?: string
}

const maxAnchors = 16

export function createCallerDirectory({
  store,
  clock,
  own,
}: {
  readonly store: Store
  readonly clock: Clock
  /** Certificates of the site itself: what they certify are devices, and a device is nobody who calls. */
  readonly own: () => readonly Certificate[]
}): CallerDirectory {
  return {
    trust({ name, anchors, by, assign }) {
      const read = anchors.map(readAnchor)
      if (read.length === 0 || read.length > maxAnchors) {
        throw new OnboardingError('input-invalid', { field: 'anchors', rule: `1 to ${maxAnchors}` })
      }
      for (const anchor of read) refuseOwn(anchor, own())
      const texts = read.map(({ der }) => Buffer.from(der).toString('base64'))
      return store.transaction(async tx => {
        const known = await tx.callerAuthority.get(name)
        // Two decisions about one CA under two names share no stream: this row lets the second wait for the first.
        await tx.setting.put({ name: 'last-trusted-caller-authority', value: name })
        await refuseShared(tx, name, read)
        await checkCertified(tx, name, clock(), assign)
        const base = { name, anchors: texts, addedAt: clock(), version: (known?.version ?? 0) + 1 }
        // Whom a CRL has ended does not come back because an anchor was added.
        const crls = known?.crls.filter(text => isFromOneOf(base, text)) ?? []
        const next = { ...base, crls }
        await tx.callerAuthority.put(next)
        const body = { anchors: texts, crlHashes: crls.map(hashOf), by }
        await append(tx, 'callerAuthority', name, next.version, 'caller-authority-trusted', body)
        return next
      })
    },
    distrust: (name, by, { assign } = {}) =>
      store.transaction(async tx => {
        const known = await trustedAuthority(tx, name)
        await checkCertified(tx, name, clock(), assign)
        const next = { ...known, removedAt: clock(), version: known.version + 1 }
        await tx.callerAuthority.put(next)
        await append(tx, 'callerAuthority', name, next.version, 'caller-authority-distrusted', { by })
        return next
      }),
    giveCrls: ({ name, crls, by }) =>
      store.transaction(async tx => {
        const known = await trustedAuthority(tx, name)
        const texts = checkedCrls(known, crls, clock())
        const next = { ...known, crls: texts, version: known.version + 1 }
        await tx.callerAuthority.put(next)
        const crlHashes = texts.map(hashOf)
        await append(tx, 'callerAuthority', name, next.version, 'caller-crls-given', { crlHashes, by })
        return next
      }),
    admit({ by, assign, lifetimeDays, identity, roles, ...request }) {
      const text = readableIdentity(identity)
      const id = hash('sha256', JSON.stringify([request.authority, text]), 'hex').slice(0, 18)
      return store.transaction(async tx => {
        const known = await tx.caller.get(id)
        await trustedAuthority(tx, request.authority)
        const addedAt = clock()
        if (known !== undefined && isStanding(known, addedAt)) assign?.(known.roles)
        const expires = lifetimeDays === undefined ? {} : { expiresAt: addedAt + lifetimeDays * 86_400_000 }
        const terms = { ...request, identity: text, roles: [...new Set(roles)], ...expires }
        const next = { id, ...terms, addedAt, version: (known?.version ?? 0) + 1 }
        await tx.caller.put(next)
        await append(tx, 'caller', id, next.version, 'caller-admitted', { ...terms, by })
        return next
      })
    },
    remove: (id, by) =>
      store.transaction(async tx => {
        const known = await tx.caller.get(id)
        if (known === undefined) throw new OnboardingError('not-found', { caller: id })
        if (known.removedAt !== undefined) return known
        const next = { ...known, removedAt: clock(), version: known.version + 1 }
        await tx.caller.put(next)
        await append(tx, 'caller', id, next.version, 'caller-removed', { by })
        return next
      }),
  }
}

function isStanding({ removedAt, expiresAt }: CertificateCaller, at: number): boolean {
  return removedAt === undefined && (expiresAt === undefined || expiresAt > at)
}

/** Of all that the authority certifies, or would again. */
async function checkCertified(tx: Tx, authority: string, at: number, assign: Assigning['assign']): Promise<void> {
  if (assign === undefined) return
  for (let after = ''; ; ) {
    const page = await tx.caller.find({ authority }, { after, limit: 1000 })
    for (const caller of page) if (isStanding(caller, at)) assign(caller.roles)
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    after = last.id
  }
}

async function append(
  tx: Tx,
  noun: 'caller' | 'callerAuthority',
  key: string,
  version: number,
  kind: string,
  body: Parameters<Tx['append']>[2][number]['body'],
): Promise<void> {
  await tx.append(streamName(noun, key), version - 1, [{ kind, body }])
}

async function trustedAuthority(tables: Tables, name: string): Promise<CallerAuthority> {
  const known = await tables.callerAuthority.get(name)
  if (known === undefined || known.removedAt !== undefined) throw new OnboardingError('not-found', { authority: name })
  return known
}

const anchorFailure = { malformed: 'anchor-invalid', signature: 'anchor-invalid', path: 'anchor-invalid' } as const

function readAnchor(der: Uint8Array): Certificate {
  try {
    const certificate = decodeCertificate(der)
    publicKeyOf(certificate)
    const { basicConstraints, keyUsage, subject } = certificate
    if (basicConstraints?.cA === true && keyUsage?.includes('keyCertSign') !== false) return certificate
    throw new OnboardingError('anchor-invalid', { rule: 'not-a-ca', subject: formatName(subject) })
  } catch (error) {
    throw coded(error, anchorFailure)
  }
}

function refuseOwn(anchor: Certificate, own: readonly Certificate[]): void {
  if (!own.some(({ spkiDer }) => Buffer.compare(spkiDer, anchor.spkiDer) === 0)) return
  throw new OnboardingError('anchor-invalid', { rule: 'certifies-devices', subject: formatName(anchor.subject) })
}

/** By key: under two names, one certificate would be two callers. */
async function refuseShared(tx: Tx, name: string, anchors: readonly Certificate[]): Promise<void> {
  for (const other of await tx.callerAuthority.find({}, { limit: 1000 })) {
    if (other.name === name || other.removedAt !== undefined) continue
    const held = other.anchors.map(text => decodeCertificate(Buffer.from(text, 'base64')).spkiDer)
    const shared = anchors.find(({ spkiDer }) => held.some(each => Buffer.compare(each, spkiDer) === 0))
    if (shared === undefined) continue
    const subject = formatName(shared.subject)
    throw new OnboardingError('anchor-invalid', { rule: 'trusted-under-another-name', subject, name: other.name })
  }
}

const crlFailure = { malformed: 'crl-invalid', signature: 'crl-invalid', path: 'crl-invalid' } as const

/** Base64, one for each issuer: those given, and those known that none replaces. An older one would bring somebody back. */
function checkedCrls(authority: CallerAuthority, given: readonly Uint8Array[], at: number): string[] {
  const known = new Map(authority.crls.map(text => [issuerOf(authority, Buffer.from(text, 'base64')), text]))
  const next = new Map(known)
  for (const der of given) {
    const issuer = issuerOf(authority, der)
    const { thisUpdate, nextUpdate } = decodeCertificateList(der)
    const before = known.get(issuer)
    if (before !== undefined && decodeCertificateList(Buffer.from(before, 'base64')).thisUpdate > thisUpdate) {
      throw new OnboardingError('crl-invalid', { rule: 'older', issued: thisUpdate.toISOString() })
    }
    if (thisUpdate.getTime() > at || nextUpdate === undefined || nextUpdate.getTime() <= at) {
      throw new OnboardingError('crl-invalid', { rule: 'not-current', issued: thisUpdate.toISOString() })
    }
    next.set(issuer, Buffer.from(der).toString('base64'))
  }
  return [...next.values()]
}

function isFromOneOf(authority: Pick<CallerAuthority, 'anchors'>, text: string): boolean {
  try {
    issuerOf(authority, Buffer.from(text, 'base64'))
    return true
  } catch (error) {
    if (error instanceof OnboardingError) return false
    throw error
  }
}

/** Of base64 text. */
function hashOf(text: string): string {
  return hash('sha256', Buffer.from(text, 'base64'))
}

/** Fingerprint of the anchor that signed it. */
function issuerOf({ anchors }: Pick<CallerAuthority, 'anchors'>, der: Uint8Array): string {
  return withCodes(crlFailure, () => {
    const list = decodeCertificateList(der)
    let failure: unknown
    for (const text of anchors) {
      const anchor = decodeCertificate(Buffer.from(text, 'base64'))
      try {
        verifyCrl(list, anchor)
        return hash('sha256', anchor.spkiDer)
      } catch (error) {
        failure ??= error
      }
    }
    throw failure
  })
}
