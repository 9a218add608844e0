import { hash } from 'node:crypto'
import { encodeBase64 } from '../codec/base64.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { keyIdentifier } from '../crypto/key.ts'
import type { TrustAnchor } from '../crypto/trust.ts'
import {
  checkDeclaration,
  type DeclaredIntent,
  type DeviceInformationDeclaration,
  declarationHash,
  type Party,
} from './declaration.ts'
import { declarationReader } from './declaration-jws.ts'
import { type ErrorCode, OnboardingError } from './error.ts'
import { type FailureCodes, withCodes } from './failure.ts'

/** Who asks for a change, and on what knowledge. */
export interface DeclarationChange {
  /** Domain ids of keys whose possession the requester has proven. */
  readonly by: readonly string[]
  /** The version that the requester knows; a change of any other is refused. */
  readonly version: number
  readonly at: number
}

/**
 * The two names of a key in declarations, base64: SHA-1 of the public key (RFC 5280 section 4.2.1.2 (1), the usual
 * SubjectKeyIdentifier, which RFC 8995 section 5.8.2 makes the domainID) and SHA-256 of the SubjectPublicKeyInfo. Both
 * are computed: the extension of a stranger's certificate may claim any SubjectKeyIdentifier, the owner's too.
 */
export function domainIds(certificate: Pick<Certificate, 'spkiDer'>): readonly [string, string] {
  const known = idsOf.get(certificate)
  if (known !== undefined) return known
  const { spkiDer } = certificate
  const ids = [encodeBase64(keyIdentifier(spkiDer)), encodeBase64(hash('sha256', spkiDer, 'buffer'))] as const
  idsOf.set(certificate, ids)
  return ids
}

/** The same registrar comes with every request. */
const idsOf = new WeakMap<Pick<Certificate, 'spkiDer'>, readonly [string, string]>()

/** The first declaration of a device; its owner is the manufacturer (white paper Table 3-1). */
export function newDeclaration(facts: {
  readonly manufacturer: string
  readonly serial: string
  readonly model: string
  readonly owner: Party
  readonly authorizedOnboarders?: readonly Party[]
  readonly at: number
}): DeviceInformationDeclaration {
  const { manufacturer, serial, model, owner, authorizedOnboarders = [], at } = facts
  return checkDeclaration({
    version: 1,
    manufacturer,
    serial,
    model,
    owner,
    authorizedOnboarders,
    issuedAt: at,
    previous: '',
  })
}

/**
 * Event E1. The former owner's onboarders go with the former owner; the new owner's may be named at once. Ask
 * `mayTransferOwnership` first: this function does not know the state of the device.
 * @throws OnboardingError `not-owner`, `declaration-stale`, `input-invalid`
 */
export function transferOwnership(
  declaration: DeviceInformationDeclaration,
  change: DeclarationChange,
  to: { readonly owner: Party; readonly authorizedOnboarders?: readonly Party[] },
): DeviceInformationDeclaration {
  const { owner, authorizedOnboarders = [] } = to
  return successor(declaration, change, { owner, authorizedOnboarders })
}

/** Event E2. An onboarder of the same id is replaced. Throws as `transferOwnership` does. */
export function grantOnboarder(
  declaration: DeviceInformationDeclaration,
  change: DeclarationChange,
  onboarder: Party,
): DeviceInformationDeclaration {
  const others = declaration.authorizedOnboarders.filter(({ id }) => id !== onboarder.id)
  return successor(declaration, change, { authorizedOnboarders: [...others, onboarder] })
}

/** Event E3. Throws as `transferOwnership` does, and `not-found` when nobody of that id is authorized. */
export function revokeOnboarder(
  declaration: DeviceInformationDeclaration,
  change: DeclarationChange,
  id: string,
): DeviceInformationDeclaration {
  const others = declaration.authorizedOnboarders.filter(onboarder => onboarder.id !== id)
  const revoked = successor(declaration, change, { authorizedOnboarders: others })
  if (others.length === declaration.authorizedOnboarders.length)
    throw new OnboardingError('not-found', { onboarder: id })
  return revoked
}

/** Does one of these keys belong to the one who keeps the MUD file, in the place of `maker` who keeps it first? */
export function isKeeper({ intent }: DeviceInformationDeclaration, domains: readonly string[], maker: Party): boolean {
  return isKnownBy(intent?.keeper ?? maker, domains)
}

/**
 * The duty to keep the MUD file passes to another, or the file to another place (white paper section 4.1, rebranding). By the
 * keeper alone, whoever owns the device. @throws OnboardingError `not-keeper`, `declaration-stale`, `input-invalid`
 */
export function declareIntent(
  declaration: DeviceInformationDeclaration,
  change: DeclarationChange,
  to: DeclaredIntent & { readonly maker: Party },
): DeviceInformationDeclaration {
  const { serial } = declaration
  const { maker, ...intent } = to
  if (!isKeeper(declaration, change.by, maker)) throw new OnboardingError('not-keeper', { serial })
  return next(declaration, change, { intent })
}

/** Ids of all keys whose holders may onboard the device, the owner's first. */
export function declaredDomains({ owner, authorizedOnboarders }: DeviceInformationDeclaration): readonly string[] {
  return [owner, ...authorizedOnboarders].flatMap(party => party.domains)
}

export type OnboardingRight =
  | { readonly allowed: true; readonly as: 'owner' | 'authorized-onboarder'; readonly party: Party }
  | { readonly allowed: false; readonly code: ErrorCode & 'owner-mismatch' }

/** May the holder of these keys take control of the device? `domains`: ids of the keys of a validated chain. */
export function mayOnboard(declaration: DeviceInformationDeclaration, domains: readonly string[]): OnboardingRight {
  const { owner, authorizedOnboarders } = declaration
  if (isKnownBy(owner, domains)) return { allowed: true, as: 'owner', party: owner }
  const party = authorizedOnboarders.find(onboarder => isKnownBy(onboarder, domains))
  return party === undefined
    ? { allowed: false, code: 'owner-mismatch' }
    : { allowed: true, as: 'authorized-onboarder', party }
}

const invalid = 'declaration-invalid'
const declarationFailure: FailureCodes = { malformed: invalid, signature: invalid, path: invalid }

/**
 * One signed declaration, whose signer the manufacturer of these anchors entitled to sign it.
 * @throws OnboardingError `declaration-invalid`; its detail `rule` tells altered from untrusted from not entitled
 */
export function verifyDeclaration(
  jws: Uint8Array,
  trust: { readonly anchors: readonly TrustAnchor[]; readonly at: Date },
): DeviceInformationDeclaration {
  return withCodes(declarationFailure, () => declarationReader(trust)(jws))
}

/**
 * The declaration to go by for one who knows `known` and is shown `shown`, both verified.
 * @throws OnboardingError `declaration-stale` when the one shown is older; `declaration-invalid` when it is about another
 * device, or of the same line and yet another: two declarations of one version, or a next one that follows no known one
 */
export function newestDeclaration(
  known: DeviceInformationDeclaration | undefined,
  shown: DeviceInformationDeclaration,
): DeviceInformationDeclaration {
  if (known === undefined) return shown
  const refused = (rule: string) => new OnboardingError(invalid, { rule, serial: shown.serial, version: shown.version })
  if (known.manufacturer !== shown.manufacturer || known.serial !== shown.serial) throw refused('other-device')
  if (shown.version < known.version) {
    throw new OnboardingError('declaration-stale', {
      serial: shown.serial,
      version: shown.version,
      known: known.version,
    })
  }
  const knownHash = declarationHash(known)
  if (shown.version === known.version) {
    if (declarationHash(shown) !== knownHash) throw refused('forked')
    return known
  }
  if (shown.version === known.version + 1 && shown.previous !== knownHash) throw refused('forked')
  return shown
}

/** The newest of a whole history, from the first version on without a gap. Throws as `newestDeclaration` does. */
export function verifyDeclarationHistory(
  history: readonly DeviceInformationDeclaration[],
): DeviceInformationDeclaration {
  let newest: DeviceInformationDeclaration | undefined
  for (const declaration of history) {
    if (declaration.version !== (newest?.version ?? 0) + 1) {
      throw new OnboardingError(invalid, {
        rule: 'gap',
        serial: declaration.serial,
        version: declaration.version,
      })
    }
    newest = newestDeclaration(newest, declaration)
  }
  if (newest === undefined) throw new OnboardingError(invalid, { rule: 'empty' })
  return newest
}

/** The owner alone moves a declaration; an authorized onboarder cannot authorize another (white paper section 5). */
function successor(
  declaration: DeviceInformationDeclaration,
  change: DeclarationChange,
  members: Partial<Pick<DeviceInformationDeclaration, 'owner' | 'authorizedOnboarders'>>,
): DeviceInformationDeclaration {
  const { serial, owner } = declaration
  if (!isKnownBy(owner, change.by)) throw new OnboardingError('not-owner', { serial })
  return next(declaration, change, members)
}

function next(
  declaration: DeviceInformationDeclaration,
  { version, at }: DeclarationChange,
  members: Partial<DeviceInformationDeclaration>,
): DeviceInformationDeclaration {
  const { serial } = declaration
  if (version !== declaration.version) {
    throw new OnboardingError('declaration-stale', { serial, version, known: declaration.version })
  }
  return checkDeclaration({
    ...declaration,
    ...members,
    version: version + 1,
    issuedAt: at,
    previous: declarationHash(declaration),
  })
}

function isKnownBy(party: Party, domains: readonly string[]): boolean {
  return party.domains.some(domain => domains.includes(domain))
}
