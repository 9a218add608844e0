import { decodeBase64, encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, isJsonObject, type JsonObject } from '../../codec/json.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { CryptoError } from '../../crypto/error.ts'
import { signJws, verifyJws } from '../../crypto/jws.ts'
import { validatePath } from '../../crypto/path.ts'
import type { Signer } from '../../crypto/signer.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { DeviceInformationDeclaration } from '../../domain/declaration.ts'
import { openDeclaration } from '../../domain/declaration-cms.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import { declaredDomains, domainIds, mayOnboard } from '../../domain/ownership.ts'
import { type DppPublicKey, keyId } from './key.ts'

/*
 * How a device that has only its manufacturer's root learns whether the Configurator is its owner's. Three links: the
 * manufacturer's declaration names the keys of who may onboard it; a registrar below such a key states which C-sign key is
 * its network's; and the Connector, over a netAccessKey that is new each time, shows that the Configurator holds it.
 * Declaration and statement are no secrets, and copies of them are worth nothing without that key.
 */

/** Third-party member of a configuration object. */
export const declarationMember = 'org.mooring.declaration'

/** `typ` of the statement, so that no other signed object passes for one. */
export const networkStatementType = 'dpp-network+jws'

export interface OwnershipProof {
  /** Signed device information declaration, JWS or CMS. */
  readonly declaration: Uint8Array
  /** As `signNetworkStatement` makes it. */
  readonly network: Uint8Array
}

export function encodeOwnershipProof({ declaration, network }: OwnershipProof): JsonObject {
  return { [declarationMember]: { declaration: encodeBase64(declaration), network: encodeBase64(network) } }
}

/** Undefined when the object says nothing of it. Throws CodecError. */
export function decodeOwnershipProof(thirdParty: JsonObject): OwnershipProof | undefined {
  const member = thirdParty[declarationMember]
  if (member === undefined) return undefined
  const { declaration, network } = isJsonObject(member) ? member : {}
  if (typeof declaration !== 'string' || typeof network !== 'string')
    throw new CodecError('bad-value', `${declarationMember} without declaration and network`)
  return { declaration: decodeBase64(declaration), network: decodeBase64(network) }
}

/** Says of a C-sign key that it is this registrar's network's. The same for all devices, so made once per key. */
export function signNetworkStatement(
  csign: DppPublicKey,
  by: { readonly signer: Signer /** Up to the key that declarations name. */; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  return signJws({
    payload: Buffer.from(JSON.stringify({ csign: keyId(csign) })),
    header: { typ: networkStatementType },
    signer: by.signer,
    certificates: by.chain,
  })
}

export interface DeclarationContext {
  /** Roots of the manufacturer, built into the device. */
  readonly anchors: readonly TrustAnchor[]
  readonly serialNumber: string
  /** Absent: a device without a clock. */
  readonly at?: Date
  /** The newest version that the device has heard of. */
  readonly declarationVersion?: number
}

export interface OwnershipContext extends DeclarationContext {
  /** The key that signed the Connector. */
  readonly csign: DppPublicKey
}

const failures = { malformed: 'declaration-invalid', signature: 'declaration-invalid', path: 'owner-mismatch' } as const

/**
 * The declaration, when by it this network may onboard the device. Throws OnboardingError `declaration-invalid`,
 * `declaration-stale`, or `owner-mismatch` for a network that is neither the owner's nor authorized.
 */
export function verifyOwnershipProof(proof: OwnershipProof, context: OwnershipContext): DeviceInformationDeclaration {
  const declaration = openOwn(proof.declaration, context)
  const domains = withCodes(failures, () => statedDomains(proof.network, declaration, context))
  return permitted(declaration, domains)
}

/**
 * The same where the network gives certificates and no Connector: what was issued for a key that is new each time shows that
 * the owner's CA has a hand in it. The CA of the EAP server has to be the owner's too, since a certificate can be had
 * by others. Throws as `verifyOwnershipProof`.
 * @param issued the certificate for our own key, then what else came
 * @param server CA that the EAP server has to show a certificate of
 */
export function verifyCertifiedOwnership(
  signed: Uint8Array,
  { issued, server }: { readonly issued: readonly Certificate[]; readonly server: Certificate },
  context: DeclarationContext,
): DeviceInformationDeclaration {
  const declaration = openOwn(signed, context)
  const anchors = declaredAmong([...issued, server], declaration)
  const domains = withCodes(failures, () =>
    [issued, [server, ...issued]].map(chain => {
      const { path, anchor } = validatePath({ chain, anchors, at: context.at ?? youngest(chain) })
      return [...path, anchor.certificate].flatMap(domainIds)
    }),
  )
  for (const each of domains) permitted(declaration, each)
  return declaration
}

function openOwn(
  signed: Uint8Array,
  { anchors, serialNumber, at, declarationVersion: known = 0 }: DeclarationContext,
): DeviceInformationDeclaration {
  const declaration = openDeclaration(signed, { anchors, ...(at !== undefined && { at }) })
  const { serial, version } = declaration
  if (serial !== serialNumber) throw new OnboardingError('declaration-invalid', { rule: 'other-device', serial })
  if (version < known) throw new OnboardingError('declaration-stale', { serial, version, known })
  return declaration
}

function permitted(
  declaration: DeviceInformationDeclaration,
  domains: readonly string[],
): DeviceInformationDeclaration {
  const right = mayOnboard(declaration, domains)
  if (right.allowed) return declaration
  throw new OnboardingError(right.code, { serial: declaration.serial, owner: declaration.owner.name })
}

/** Certificates whose keys the manufacturer's declaration names: trust begins there, wherever they came from. */
function declaredAmong(chain: readonly Certificate[], declaration: DeviceInformationDeclaration): TrustAnchor[] {
  const declared = declaredDomains(declaration)
  return chain
    .filter(certificate => domainIds(certificate).some(id => declared.includes(id)))
    .map(certificate => ({ name: declaration.serial, certificate }))
}

/** Ids of the keys of the statement's chain. Throws CodecError, CryptoError or PathError. */
function statedDomains(
  statement: Uint8Array,
  declaration: DeviceInformationDeclaration,
  { csign, at }: OwnershipContext,
): string[] {
  const { payload, signatures } = verifyJws(statement)
  const [signature] = signatures
  if (signature === undefined || signatures.length !== 1 || signature.header['typ'] !== networkStatementType)
    throw new CryptoError('bad-signature', `not a ${networkStatementType} with one signature`)
  const chain = signature.certificates
  const anchors = declaredAmong(chain, declaration)
  // Only a registrar speaks for its domain: each device of it has a certificate from the same CA.
  const purpose = [extendedKeyUsageOid.cmcRA]
  const { path, anchor } = validatePath({ chain, anchors, at: at ?? youngest(chain), purpose })
  const { csign: stated } = decodeJsonObject(payload, { size: 1000, depth: 2, count: 10 })
  if (stated !== keyId(csign)) throw new CryptoError('key-mismatch', 'the statement is for another C-sign key')
  return [...path, anchor.certificate].flatMap(domainIds)
}

/** Without a clock, lifetimes are judged when the youngest began. */
function youngest(chain: readonly Certificate[]): Date {
  return new Date(Math.max(...chain.map(({ validity }) => validity.notBefore.getTime())))
}
