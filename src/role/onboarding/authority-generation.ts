import type { Certificate } from '../../codec/x509/certificate.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { caExtensions, type Issuer } from '../../crypto/issue.ts'
import type { Curve, KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { type EstablishedIssuer, establishIssuer, openIfHere } from '../certification/issuer-record.ts'
import { plausibleTime } from '../certification/plausible-clock.ts'

/*
 * Generations of a site's authority. `root` and `issuing-1` are the first; a later root is `root-<n>` and stands beside
 * the ones before, with a certificate of its key by the root before it, `cross-<n>`. The roots have different names: MASAs
 * and TLS stacks look for issuers by name, and find the way from a new registrar to an old anchor without special rules.
 */

const day = 86_400_000
/** Certificates begin a little earlier, for devices whose clocks lag. */
const skew = 300_000
const rootLife = 20 * 365 * day
const issuingLife = 10 * 365 * day
/** More generations than a century has. */
const most = 64

export interface AuthorityOptions {
  readonly store: Store
  /** Holds the keys of root and issuing CA. */
  readonly keys: KeyStore
  /** Holds the registrar's key, which TLS has to reach; `keys` when absent. */
  readonly tlsKeys?: KeyStore
  readonly clock: Clock
  /** Identifier of the network; stands in the names of its certificates. */
  readonly network: string
  /** Names and addresses under which devices reach the registrar. */
  readonly hosts: readonly string[]
  readonly curve: Curve
}

/** An issuing CA, and the root above it. */
export interface Generation {
  readonly name: string
  readonly certificate: Certificate
  readonly root: Certificate
  /** With its key, when that is here: it then signs its own revocation lists, for as long as it lasts. */
  readonly issuer?: NamedIssuer
}

export type NamedIssuer = Issuer & { readonly name: string }

export type RolloverKind = 'issuing' | 'root'

export interface Hierarchy {
  readonly issuing: NamedIssuer
  /** From `issuing` to the oldest root that has not ended: what registrar and devices show of themselves. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly crosses: readonly Certificate[]
  readonly generations: readonly Generation[]
  readonly overdue: readonly string[]
}

interface Root extends EstablishedIssuer {
  readonly cross?: Certificate
}

/** Finds all generations, and makes the ones that are missing or due. Throws OnboardingError `clock-wrong`, `issuer-key-missing`. */
export async function openHierarchy(options: AuthorityOptions): Promise<Hierarchy> {
  const overdue: string[] = []
  const roots = await openRoots(options, overdue)
  const root = roots.at(-1)
  if (root === undefined) throw new OnboardingError('internal')
  const issuers = await openIssuers(options, root, overdue)
  const generations = await Promise.all(issuers.reverse().map(each => generationOf(each, roots)))
  const at = options.clock()
  const here = generations.filter(({ issuer }) => issuer !== undefined)
  const begun = here.find(({ certificate }) => certificate.validity.notBefore.getTime() <= at) ?? here.at(-1)
  // Says which key it is that is missing.
  const issuing = begun?.issuer ?? { ...(await issuers[0]!.open()), name: issuers[0]!.name }
  return {
    issuing,
    chain: chainOf(issuing.certificate, roots, at),
    roots: roots.map(({ certificate }) => certificate).reverse(),
    crosses: roots.flatMap(({ cross }) => cross ?? []).reverse(),
    generations,
    overdue,
  }
}

/**
 * Makes the next generation now, ahead of its time; a new root brings an issuing CA with it. That it has begun is on record
 * first: asked again after a crash, it goes on with the same generation, and makes no second one.
 */
export async function rollAuthority(options: AuthorityOptions, kind: RolloverKind, by: string): Promise<string> {
  const roots = await openRoots(options, undefined)
  const made = await begunGeneration(options, kind, by)
  const isKnownRoot = roots.some(({ name }) => name === made)
  const root = kind === 'root' && !isKnownRoot ? await nextRoot(options, roots) : roots.at(-1)
  if (root === undefined) throw new OnboardingError('internal')
  const issuers = await openIssuers(options, root, undefined)
  const newest = issuers.at(-1)
  const isThere = kind === 'root' || newest?.name === made
  const fresh = isThere ? newest : await makeIssuing(options, root, issuers.length + 1)
  if (fresh === undefined) throw new OnboardingError('internal')
  await options.store.transaction(async tx => {
    await tx.append(streamName('authority', made), 1, [
      { kind: 'authority-rolled', body: { made, issuing: fresh.name, by } },
    ])
  })
  return made
}

/** The generation whose making was broken off, or else the next one. @returns its name */
async function begunGeneration(options: AuthorityOptions, kind: RolloverKind, by: string): Promise<string> {
  const { store } = options
  // The first root has no number in its name.
  let number = kind === 'root' ? 2 : 1
  while (number < most && (await isKnown(options, `${kind}-${number}`))) number++
  const begun = async (name: string) => (await store.history(streamName('authority', name), 0, 2)).length === 1
  for (const name of [`${kind}-${number - 1}`, `${kind}-${number}`]) if (await begun(name)) return name
  const made = `${kind}-${number}`
  await store.transaction(async tx => {
    await tx.append(streamName('authority', made), 0, [{ kind: 'authority-roll-begun', body: { made, by } }])
  })
  return made
}

async function openRoots(options: AuthorityOptions, overdue: string[] | undefined): Promise<Root[]> {
  const roots: Root[] = [await firstRoot(options)]
  while (roots.length < most && (await isKnown(options, `root-${roots.length + 1}`))) {
    roots.push(await nextRoot(options, roots))
  }
  const newest = roots.at(-1)!
  if (overdue === undefined || !isDue(newest.certificate, options.clock())) return roots
  if ((await openIfHere(newest)) === undefined) overdue.push(newest.name)
  else roots.push(await nextRoot(options, roots))
  return roots
}

async function openIssuers(
  options: AuthorityOptions,
  root: Root,
  overdue: string[] | undefined,
): Promise<EstablishedIssuer[]> {
  const issuers: EstablishedIssuer[] = []
  while (issuers.length < most && (await isKnown(options, `issuing-${issuers.length + 1}`))) {
    issuers.push(await makeIssuing(options, root, issuers.length + 1))
  }
  const newest = issuers.at(-1)
  const under = newest !== undefined && isBelow(newest.certificate, root.certificate)
  const due = newest !== undefined && overdue !== undefined && isDue(newest.certificate, options.clock())
  // No issuing CA outlasts its root: in the root's last years a new one would gain nothing.
  const gains = newest === undefined || newest.certificate.validity.notAfter < root.certificate.validity.notAfter
  if (under && !(due && gains)) return issuers
  if (newest !== undefined && (await openIfHere(root)) === undefined) overdue?.push(newest.name)
  else issuers.push(await makeIssuing(options, root, issuers.length + 1))
  return issuers
}

async function isKnown({ store }: AuthorityOptions, name: string): Promise<boolean> {
  return (await store.read(tables => tables.issuer.get(name))) !== undefined
}

/** In the last third of its life, as it is counted from its beginning; made by a clock that was ahead, it is not. */
export function isDue({ validity }: Certificate, at: number): boolean {
  return at >= dueAt({ validity })
}

/** When its successor is made by itself, milliseconds since 1970. */
export function dueAt({ validity }: Pick<Certificate, 'validity'>): number {
  const [from, until] = [validity.notBefore.getTime(), validity.notAfter.getTime()]
  return until - (until - from) / 3
}

function rootName(network: string, generation: number): Buffer {
  const commonName = generation === 1 ? `${network} root` : `${network} root ${generation}`
  return encodeName({ organizationName: network, commonName })
}

/** Without a limit to the path: below the first root there may one day be several, each certified by the one before. */
async function firstRoot(options: AuthorityOptions): Promise<Root> {
  const at = options.clock()
  return establishIssuer(options, 'root', async signer => ({
    subject: rootName(options.network, 1),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore: new Date(at - skew),
    notAfter: new Date(plausibleTime(at) + rootLife),
    extensions: caExtensions(),
  }))
}

/** The cross certificate first: a root that is on record always has one. */
async function nextRoot(options: AuthorityOptions, roots: readonly Root[]): Promise<Root> {
  const before = roots.at(-1)
  if (before === undefined) throw new OnboardingError('internal')
  const at = options.clock()
  const generation = roots.length + 1
  const label = `root-${generation}`
  const subject = rootName(options.network, generation)
  const notBefore = new Date(at - skew)
  const notAfter = new Date(plausibleTime(at) + rootLife)
  const cross = await establishIssuer({ ...options, keyLabel: label }, `cross-${generation}`, async signer => ({
    subject,
    spkiDer: signer.spkiDer,
    issuer: await before.open(),
    notBefore,
    // RFC 4210 section 4.4.1 would end it with the old root. But manufacturers know the owner, and devices without a clock
    // their network, by the key of that root and not by its lifetime; both may be away for longer.
    notAfter,
    extensions: caExtensions(),
  }))
  const root = await establishIssuer(options, label, async signer => ({
    subject,
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore,
    notAfter,
    extensions: caExtensions(),
  }))
  return { ...root, cross: cross.certificate }
}

async function makeIssuing(options: AuthorityOptions, root: Root, generation: number): Promise<EstablishedIssuer> {
  const at = options.clock()
  return establishIssuer(options, `issuing-${generation}`, async signer => ({
    subject: encodeName({
      organizationName: options.network,
      commonName: `${options.network} issuing CA ${generation}`,
    }),
    spkiDer: signer.spkiDer,
    issuer: await root.open(),
    notBefore: new Date(at - skew),
    notAfter: new Date(Math.min(at + issuingLife, root.certificate.validity.notAfter.getTime())),
    extensions: caExtensions(0),
  }))
}

async function generationOf(established: EstablishedIssuer, roots: readonly Root[]): Promise<Generation> {
  const { name, certificate } = established
  const root = roots.find(each => isBelow(certificate, each.certificate)) ?? roots[0]
  if (root === undefined) throw new OnboardingError('internal')
  const opened = await openIfHere(established)
  return { name, certificate, root: root.certificate, ...(opened === undefined ? {} : { issuer: { ...opened, name } }) }
}

function isBelow({ authorityKeyIdentifier }: Certificate, { subjectKeyIdentifier: own }: Certificate): boolean {
  const named = authorityKeyIdentifier?.keyIdentifier
  return named !== undefined && own !== undefined && Buffer.compare(named, own) === 0
}

/**
 * Over the cross certificates up to the oldest root that they lead to. A manufacturer knows the owner by the root of the
 * day of the purchase (RFC 8995 section 5.5), a device that was away by the root of its last renewal.
 */
function chainOf(issuing: Certificate, roots: readonly Root[], at: number): Certificate[] {
  const chain = [issuing]
  let place = roots.findIndex(({ certificate }) => isBelow(issuing, certificate))
  for (; place > 0; place--) {
    const cross = roots[place]?.cross
    if (cross === undefined || cross.validity.notAfter.getTime() < at) break
    chain.push(cross)
  }
  const top = roots[Math.max(place, 0)]
  return top === undefined ? chain : [...chain, top.certificate]
}
