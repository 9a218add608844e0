import type { Certificate } from '../../codec/x509/certificate.ts'
import {
  type Extension,
  extendedKeyUsageOid,
  extensionKinds,
  findExtension,
  makeExtension,
} from '../../codec/x509/extension.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { encodeName, sameName } from '../../codec/x509/name.ts'
import type { Issuer } from '../../crypto/issue.ts'
import { OnboardingError } from '../../domain/error.ts'
import { establishIssuer, openIfHere } from '../certification/issuer-record.ts'
import { type AuthorityOptions, type Generation, type NamedIssuer, openHierarchy } from './authority-generation.ts'
import type { RegistrarCredential } from './masa-exchange.ts'

export type { AuthorityOptions, Generation, NamedIssuer } from './authority-generation.ts'

const day = 86_400_000
/** Certificates begin a little earlier, for devices whose clocks lag. */
const skew = 300_000

/**
 * The certification authority of a site. A root signs issuing CAs and the next root, and can be taken off the machine in
 * between. Generations overlap: the newest signs, all that have not ended are accepted and handed out.
 */
export interface SiteAuthority {
  /** The newest. */
  readonly root: Certificate
  /** The newest whose key is here. */
  readonly issuing: NamedIssuer
  /** Newest first. */
  readonly roots: readonly Certificate[]
  /** Newest first. */
  readonly generations: readonly Generation[]
  /** Keys of roots, certified by the root before (RFC 4210 section 4.4.1: new with old); newest first. */
  readonly crosses: readonly Certificate[]
  /** The registrar's end-entity certificate and what stands above it. */
  readonly registrar: RegistrarCredential
  /** Label of the registrar's key. */
  readonly registrarLabel: string
  /** A successor is due and cannot be made here, since the root's key is elsewhere. */
  readonly overdue: readonly string[]
}

/**
 * Makes the site's certificates, or finds the ones made before: run again after a crash it goes on where it stopped. In
 * the last third of their lives root and issuing CA get successors, if the root's key is here, and the registrar's
 * certificate is renewed with a new key; that one also when it lacks a host or its issuer is not the newest.
 */
export async function setUpAuthority(options: AuthorityOptions): Promise<SiteAuthority> {
  const hierarchy = await openHierarchy(options)
  const { issuing, chain, roots, crosses, generations, overdue } = hierarchy
  const { label: registrarLabel, ...registrar } = await registrarCredential(options, issuing, chain)
  const root = roots[0]
  if (root === undefined) throw new OnboardingError('internal')
  return { root, issuing, roots, crosses, generations, overdue, registrar, registrarLabel }
}

/**
 * The first generation that is still good and whose key is here, else the next one with a key of its own. A key is not
 * here when another machine made it: whoever holds the key of the issuing CA can have a certificate for itself.
 */
async function registrarCredential(
  options: AuthorityOptions,
  issuing: Issuer,
  chain: readonly Certificate[],
): Promise<RegistrarCredential & { readonly label: string }> {
  const at = options.clock()
  const life = 365 * day
  const end = issuing.certificate.validity.notAfter.getTime()
  const extensions = registrarExtensions(options.hosts)
  for (let generation = 1; ; generation++) {
    const label = `registrar-${generation}`
    const found = await establishIssuer({ ...options, keys: options.tlsKeys ?? options.keys }, label, async signer => ({
      subject: encodeName({ organizationName: options.network, commonName: `${options.network} registrar` }),
      spkiDer: signer.spkiDer,
      issuer: issuing,
      notBefore: new Date(at - skew),
      notAfter: new Date(Math.min(at + life, end)),
      extensions,
    }))
    const { notBefore, notAfter } = found.certificate.validity
    // Renewal cannot outlast the issuing CA; without this a site in its last months would make keys for ever.
    const renewable = end > notAfter.getTime()
    if (renewable && notAfter.getTime() - at < life / 3) continue
    // Made while the clock was ahead, for devices that will not take it yet.
    if (notBefore.getTime() > at) continue
    if (!isIssuedBy(found.certificate, issuing.certificate)) continue
    if (!sameNames(found.certificate, extensions)) continue
    const opened = await openIfHere(found)
    if (opened !== undefined) return { ...opened, chain, label }
  }
}

function isIssuedBy({ issuer, authorityKeyIdentifier }: Certificate, { subject, subjectKeyIdentifier }: Certificate) {
  const [named, own] = [authorityKeyIdentifier?.keyIdentifier, subjectKeyIdentifier]
  return sameName(issuer, subject) && named !== undefined && own !== undefined && Buffer.compare(named, own) === 0
}

function sameNames(certificate: Certificate, wanted: readonly Extension[]): boolean {
  const [has, wants] = [certificate.extensions, wanted].map(
    list => findExtension(list, extensionKinds.subjectAltName)?.value ?? Buffer.alloc(0),
  )
  return Buffer.compare(has ?? Buffer.alloc(0), wants ?? Buffer.alloc(0)) === 0
}

/** RFC 8995 section 5.5.4 wants cmcRA; devices want serverAuth, a MASA may want clientAuth. */
function registrarExtensions(hosts: readonly string[]): Extension[] {
  const { cmcRA, serverAuth, clientAuth } = extendedKeyUsageOid
  return [
    makeExtension(extensionKinds.basicConstraints, { cA: false }),
    makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
    makeExtension(extensionKinds.extendedKeyUsage, [cmcRA, serverAuth, clientAuth]),
    ...(hosts.length === 0 ? [] : [makeExtension(extensionKinds.subjectAltName, hosts.map(hostName))]),
  ]
}
