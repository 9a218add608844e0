import type { Certificate } from '../codec/x509/certificate.ts'
import { type Name, nameKey } from '../codec/x509/name.ts'
import { CryptoError } from './error.ts'
import { Recent } from './recent.ts'

/** A root that an operator chose to trust. Several anchors may share a name while a CA rolls its key over. */
export interface TrustAnchor {
  readonly name: string
  readonly certificate: Certificate
}

/** Anchors that do not change; a changed set is another store. */
export interface TrustStore {
  readonly anchors: readonly TrustAnchor[]
  named(name: string): readonly TrustAnchor[]
  /** The anchor with this certificate's subject and key; its name alone proves nothing, two CAs may share one. */
  holding(certificate: Certificate): TrustAnchor | undefined
}

/** Throws CryptoError `ambiguous-anchor` when one CA is there under two names: whose devices would its be? */
export function trustStore(given: Iterable<TrustAnchor>): TrustStore {
  const anchors = Object.freeze([...given])
  const byName = Map.groupBy(anchors, ({ name }) => name)
  const byEntity = new Map<string, TrustAnchor>()
  for (const anchor of anchors) {
    const entity = entityKey(anchor.certificate)
    const other = byEntity.get(entity)
    if (other !== undefined && other.name !== anchor.name) {
      throw new CryptoError('ambiguous-anchor', `one CA is trusted as ${other.name} and as ${anchor.name}`)
    }
    byEntity.set(entity, other ?? anchor)
  }
  bySubject.set(anchors, groupBySubject(anchors))
  return {
    anchors,
    named: name => byName.get(name) ?? [],
    holding: certificate => byEntity.get(entityKey(certificate)),
  }
}

type BySubject = ReadonlyMap<string, readonly TrustAnchor[]>

/** Of the frozen lists that trust stores hold; a list that may change is searched each time. */
const bySubject = new WeakMap<readonly TrustAnchor[], BySubject>()

function groupBySubject(anchors: readonly TrustAnchor[]): BySubject {
  return Map.groupBy(anchors, ({ certificate }) => cachedNameKey(certificate.subject))
}

/** Anchors that bear this name: candidates, of which the signature must choose. */
export function anchorsNamed(anchors: readonly TrustAnchor[], subject: Name): readonly TrustAnchor[] {
  const key = cachedNameKey(subject)
  return (
    bySubject.get(anchors)?.get(key) ?? anchors.filter(({ certificate }) => cachedNameKey(certificate.subject) === key)
  )
}

const nameKeys = new WeakMap<Name, string>()
/** By DER: the certificates of one issuer carry one name in many objects. */
const nameKeysByDer = new Recent<string>(256)

/** `nameKey`, which costs more than a lookup, once for each name. */
export function cachedNameKey(name: Name): string {
  const known = nameKeys.get(name)
  if (known !== undefined) return known
  const der = Buffer.from(name.der.buffer, name.der.byteOffset, name.der.length).toString('latin1')
  let key = nameKeysByDer.get(der)
  if (key === undefined) {
    key = nameKey(name)
    if (der.length <= 1024) nameKeysByDer.set(der, key)
  }
  nameKeys.set(name, key)
  return key
}

/** One CA, whoever signed for it: the same subject and the same key. */
export function sameEntity(a: Certificate, b: Certificate): boolean {
  // The key first: it differs nearly always, and a name costs more to compare.
  return Buffer.compare(a.spkiDer, b.spkiDer) === 0 && cachedNameKey(a.subject) === cachedNameKey(b.subject)
}

/** Equal for certificates with the same subject and the same key: one CA, whoever signed for it. */
export function entityKey({ subject, spkiDer }: Certificate): string {
  return `${cachedNameKey(subject)}\n${Buffer.from(spkiDer.buffer, spkiDer.byteOffset, spkiDer.length).toString('base64')}`
}
