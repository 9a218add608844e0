import type { Certificate } from '../codec/x509/certificate.ts'
import { extensionKinds, findExtension, type GeneralSubtree } from '../codec/x509/extension.ts'
import type { GeneralName } from '../codec/x509/general-name.ts'
import { attributeValues, formatName, type Name } from '../codec/x509/name.ts'
import { PathError } from './path-error.ts'
import { cachedNameKey } from './trust.ts'

/** What the CAs of a path allow those below them to be called (RFC 5280 6.1.2 b, c). */
export interface NameConstraintState {
  /** One list for each CA that has permittedSubtrees: a name must be within every list that speaks of its form. */
  readonly permitted: readonly (readonly GeneralSubtree[])[]
  readonly excluded: readonly GeneralSubtree[]
  readonly effort: NameEffort
}

/**
 * What comparing names may still cost. Names and constraints both come from strangers, have hundreds of entries, and a
 * labyrinth of certificates multiplies them by its paths: so one purse for the whole search, not one a certificate.
 */
export interface NameEffort {
  comparisons: number
}

export function nameEffort(): NameEffort {
  return { comparisons: 50_000 }
}

export function noNameConstraints(effort: NameEffort): NameConstraintState {
  return { permitted: [], excluded: [], effort }
}

/**
 * The state after `ca` (RFC 5280 6.1.4 g). Throws PathError `name-constraint` for subtrees that we cannot apply: another
 * form than the five below when the extension is critical, a minimum or maximum, or a base that is malformed.
 */
export function constrainNames(state: NameConstraintState, ca: Certificate): NameConstraintState {
  const { nameConstraints: own } = ca
  if (own === undefined) return state
  const { permittedSubtrees = [], excludedSubtrees = [] } = own
  const critical = findExtension(ca.extensions, extensionKinds.nameConstraints)?.critical === true
  for (const subtree of [...permittedSubtrees, ...excludedSubtrees]) checkSubtree(ca, subtree, critical)
  return {
    permitted: permittedSubtrees.length === 0 ? state.permitted : [...state.permitted, permittedSubtrees],
    excluded: [...state.excluded, ...excludedSubtrees],
    effort: state.effort,
  }
}

/**
 * Throws PathError `name-constraint` unless each name of `certificate` is permitted and none excluded (RFC 5280 6.1.3 b,
 * c): its subject, emailAddress attributes in it, and its subjectAltName. A commonName is never taken for a DNS name.
 */
export function checkNames({ permitted, excluded, effort }: NameConstraintState, certificate: Certificate): void {
  if (permitted.length === 0 && excluded.length === 0) return
  const names = namesOf(certificate)
  const subtrees = permitted.reduce((sum, list) => sum + list.length, excluded.length)
  effort.comparisons -= names.length * subtrees
  if (effort.comparisons < 0) throw refusal(certificate, 'too many names under too many constraints')
  for (const name of names) {
    const breaks = (why: string) => refusal(certificate, `the name ${describe(name)} is ${why}`)
    for (const { base } of excluded) {
      if (base.type === name.type && within(name, base, 'excluded') !== false) throw breaks('excluded')
    }
    for (const list of permitted) {
      const ofForm = list.filter(({ base }) => base.type === name.type)
      if (ofForm.length > 0 && !ofForm.some(({ base }) => within(name, base, 'permitted') === true)) {
        throw breaks('not permitted')
      }
    }
  }
}

function namesOf({ subject, subjectAltName = [] }: Certificate): GeneralName[] {
  const names: GeneralName[] = [...subjectAltName]
  if (subject.rdns.length > 0) names.push({ type: 'directoryName', value: subject })
  for (const value of attributeValues(subject, 'emailAddress')) names.push({ type: 'rfc822Name', value })
  return names
}

function checkSubtree(ca: Certificate, { base, minimum, maximum }: GeneralSubtree, critical: boolean): void {
  if (minimum !== 0 || maximum !== undefined) throw refusal(ca, 'a name constraint has a minimum or maximum')
  switch (base.type) {
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
    case 'directoryName':
      return
    case 'iPAddress':
      if (base.value.length === 8 || base.value.length === 32) return
      throw refusal(ca, 'a name constraint has a malformed IP address range')
    case 'otherName':
    case 'x400Address':
    case 'ediPartyName':
    case 'registeredID':
      if (critical) throw refusal(ca, `a name constraint is of the form ${base.type}, which is not supported`)
  }
}

/**
 * Whether `name` is in the subtree `base` of the same form; undefined when that cannot be told, which is a breach of
 * either kind of constraint.
 */
function within(name: GeneralName, base: GeneralName, kind: 'permitted' | 'excluded'): boolean | undefined {
  if (name.type === 'dNSName' && base.type === 'dNSName') return withinDns(name.value, base.value, kind)
  if (name.type === 'rfc822Name' && base.type === 'rfc822Name') return withinMail(name.value, base.value)
  if (name.type === 'iPAddress' && base.type === 'iPAddress') return withinAddress(name.value, base.value)
  if (name.type === 'directoryName' && base.type === 'directoryName') return withinDirectory(name.value, base.value)
  if (name.type === 'uniformResourceIdentifier' && base.type === 'uniformResourceIdentifier') {
    return withinUri(name.value, base.value)
  }
  return undefined
}

function withinDns(name: string, base: string, kind: 'permitted' | 'excluded'): boolean {
  const host = normalHost(name)
  const domain = normalHost(base)
  if (domain === '' || host === domain || isBelow(host, domain)) return true
  // *.example.com also stands for the excluded secret.example.com.
  return kind === 'excluded' && host.startsWith('*.') && isBelow(domain, host.slice(2))
}

/** A leading dot, which RFC 5280 has for URIs and mail alone, means the same in DNS constraints of other CAs. */
function isBelow(host: string, domain: string): boolean {
  return host.endsWith(domain.startsWith('.') ? domain : `.${domain}`)
}

/** A domain as `.example.com` has those below it only; as `example.com`, that host only. */
function withinHost(host: string, base: string): boolean {
  const domain = normalHost(base)
  return domain.startsWith('.') ? isBelow(host, domain) : host === domain
}

function normalHost(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}

function withinMail(name: string, base: string): boolean | undefined {
  const at = name.lastIndexOf('@')
  if (at < 1 || at === name.length - 1) return undefined
  const host = normalHost(name.slice(at + 1))
  const baseAt = base.lastIndexOf('@')
  if (baseAt < 0) return base === '' || withinHost(host, base)
  // RFC 5280 7.5: only the host part is compared without regard to case.
  return name.slice(0, at) === base.slice(0, baseAt) && host === normalHost(base.slice(baseAt + 1))
}

/** RFC 3986 3.2: the host of the authority. */
const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/?#]*@)?([^@:/?#[\]]+)(?::[0-9]*)?(?:[/?#]|$)/i

function withinUri(name: string, base: string): boolean | undefined {
  const host = authority.exec(name)?.[1]
  // RFC 5280 4.2.1.10: a URI without a host, or with an address for it, is rejected.
  if (host === undefined || /^[0-9.]+$/.test(host)) return undefined
  return base === '' || withinHost(normalHost(host), base)
}

function withinAddress(name: Uint8Array, base: Uint8Array): boolean | undefined {
  const size = name.length
  if (size !== 4 && size !== 16) return undefined
  if (base.length !== 2 * size) return false
  for (let i = 0; i < size; i++) {
    if (((name[i]! ^ base[i]!) & base[size + i]!) !== 0) return false
  }
  return true
}

function withinDirectory(name: Name, base: Name): boolean {
  if (base.rdns.length === 0) return true
  // A name key is a JSON list of RDNs: without its last bracket it begins the key of every name below it.
  const prefix = cachedNameKey(base).slice(0, -1)
  const key = cachedNameKey(name)
  return key.startsWith(prefix) && (key[prefix.length] === ',' || key[prefix.length] === ']')
}

function describe(name: GeneralName): string {
  switch (name.type) {
    case 'directoryName':
      return formatName(name.value)
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      return JSON.stringify(name.value)
    case 'iPAddress':
      return `IP ${Buffer.from(name.value).toString('hex')}`
    case 'otherName':
    case 'x400Address':
    case 'ediPartyName':
    case 'registeredID':
      return `of the form ${name.type}`
  }
}

function refusal(certificate: Certificate, message: string): PathError {
  return new PathError('name-constraint', message, formatName(certificate.subject))
}
