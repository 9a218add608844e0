import { type Codec, decode, encode, type Infer } from '../der/codec.ts'
import { oid } from '../der/oid.ts'
import { boolean, flags, integer, octetString, smallInteger } from '../der/primitive.ts'
import { ia5String } from '../der/string.ts'
import {
  any,
  choice,
  defaulted,
  element,
  explicit,
  implicit,
  optional,
  sequence,
  sequenceOf,
} from '../der/structure.ts'
import { CodecError } from '../error.ts'
import { GeneralName, GeneralNames } from './general-name.ts'

/** RFC 5280 4.1: `value` is what the extnValue OCTET STRING holds. */
export const Extension = sequence({ id: oid, critical: defaulted(boolean, false), value: octetString })
export type Extension = Infer<typeof Extension>

export const Extensions = sequenceOf(Extension, { min: 1 })

/** A kind of extension: its identifier, whether it is critical when we write it, and the type of its value. */
export interface ExtensionKind<T> {
  readonly id: string
  readonly critical: boolean
  readonly codec: Codec<T>
}

export const BasicConstraints = sequence({
  cA: defaulted(boolean, false),
  pathLenConstraint: optional(smallInteger),
})
export type BasicConstraints = Infer<typeof BasicConstraints>

export const KeyUsage = flags([
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
])
export type KeyUsage = Infer<typeof KeyUsage>

export const AuthorityKeyIdentifier = sequence({
  keyIdentifier: optional(implicit(0, octetString)),
  authorityCertIssuer: optional(implicit(1, GeneralNames)),
  authorityCertSerialNumber: optional(implicit(2, integer)),
})
export type AuthorityKeyIdentifier = Infer<typeof AuthorityKeyIdentifier>

/** RFC 5280 4.2.1.10: within PKIX `minimum` is 0 and `maximum` absent; who checks names refuses others. */
export const GeneralSubtree = sequence({
  base: GeneralName,
  minimum: defaulted(implicit(0, smallInteger), 0),
  maximum: optional(implicit(1, smallInteger)),
})
export type GeneralSubtree = Infer<typeof GeneralSubtree>

const generalSubtrees = sequenceOf(GeneralSubtree, { min: 1 })

export const NameConstraints = sequence({
  permittedSubtrees: optional(implicit(0, generalSubtrees)),
  excludedSubtrees: optional(implicit(1, generalSubtrees)),
})
export type NameConstraints = Infer<typeof NameConstraints>

/** Reasons that a distribution point covers (RFC 5280 4.2.1.13). */
export const ReasonFlags = flags([
  'unused',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
])

/** `nameRelativeToCRLIssuer`, which RFC 5280 advises against, is kept as its DER. */
export const DistributionPoint = sequence({
  distributionPoint: optional(
    explicit(0, choice({ fullName: implicit(0, GeneralNames), nameRelativeToCRLIssuer: element(0xa1) })),
  ),
  reasons: optional(implicit(1, ReasonFlags)),
  cRLIssuer: optional(implicit(2, GeneralNames)),
})
export type DistributionPoint = Infer<typeof DistributionPoint>

export const AccessDescription = sequence({ accessMethod: oid, accessLocation: GeneralName })
export type AccessDescription = Infer<typeof AccessDescription>

export const PolicyInformation = sequence({
  policyIdentifier: oid,
  policyQualifiers: optional(sequenceOf(sequence({ policyQualifierId: oid, qualifier: any }), { min: 1 })),
})
export type PolicyInformation = Infer<typeof PolicyInformation>

const kind = <T>(id: string, critical: boolean, codec: Codec<T>): ExtensionKind<T> => ({ id, critical, codec })

/**
 * The extensions that a certificate is read with, by their standard names. The values are those of RFC 5280 4.2, and:
 * `masaUrl` RFC 8995 2.3.2, `mudUrl` RFC 8520 11. All but basicConstraints and keyUsage are written non-critical unless
 * `makeExtension` is told otherwise.
 */
export const extensionKinds = {
  basicConstraints: kind('2.5.29.19', true, BasicConstraints),
  keyUsage: kind('2.5.29.15', true, KeyUsage),
  extendedKeyUsage: kind('2.5.29.37', false, sequenceOf(oid, { min: 1 })),
  subjectKeyIdentifier: kind('2.5.29.14', false, octetString),
  authorityKeyIdentifier: kind('2.5.29.35', false, AuthorityKeyIdentifier),
  subjectAltName: kind('2.5.29.17', false, GeneralNames),
  nameConstraints: kind('2.5.29.30', true, NameConstraints),
  cRLDistributionPoints: kind('2.5.29.31', false, sequenceOf(DistributionPoint, { min: 1 })),
  authorityInfoAccess: kind('1.3.6.1.5.5.7.1.1', false, sequenceOf(AccessDescription, { min: 1 })),
  certificatePolicies: kind('2.5.29.32', false, sequenceOf(PolicyInformation, { min: 1 })),
  masaUrl: kind('1.3.6.1.5.5.7.1.32', false, ia5String),
  mudUrl: kind('1.3.6.1.5.5.7.1.25', false, ia5String),
} as const

type Kinds = typeof extensionKinds
type KindValue<K> = K extends ExtensionKind<infer T> ? T : never

/** The values of those extensions that are there. */
export type KnownExtensions = { readonly [K in keyof Kinds]?: KindValue<Kinds[K]> }

/** Object identifiers of extended key usages (RFC 5280 4.2.1.12, RFC 6402 2.10). */
export const extendedKeyUsageOid = {
  anyExtendedKeyUsage: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  OCSPSigning: '1.3.6.1.5.5.7.3.9',
  cmcCA: '1.3.6.1.5.5.7.3.27',
  cmcRA: '1.3.6.1.5.5.7.3.28',
} as const

/** @example makeExtension(extensionKinds.keyUsage, ['digitalSignature']) */
export function makeExtension<T>(of: ExtensionKind<T>, value: T, critical: boolean = of.critical): Extension {
  return { id: of.id, critical, value: encode(of.codec, value) }
}

export function findExtension(
  extensions: readonly Extension[],
  { id }: { readonly id: string },
): Extension | undefined {
  return extensions.find(extension => extension.id === id)
}

/** The value of one extension of a list (of a request, say); undefined when it is absent. */
export function extensionValue<T>(extensions: readonly Extension[], of: ExtensionKind<T>): T | undefined {
  const found = findExtension(extensions, of)
  return found && decode(of.codec, found.value)
}

/** The extnValue with its OCTET STRING header, the form of BRSKI's idevid-issuer (RFC 8366 5.3, erratum 7263). */
export function extnValue(extension: Extension): Buffer {
  return encode(octetString, extension.value)
}

/** RFC 5280 4.2: no extension twice. Throws CodecError `duplicate`. */
export function refuseDuplicates(extensions: readonly { readonly id: string }[]): void {
  const seen = new Set<string>()
  for (const { id } of extensions) {
    if (seen.has(id)) throw new CodecError('duplicate', `extension ${id} is there twice`)
    seen.add(id)
  }
}

const byId = new Map<string, readonly [keyof Kinds, Codec<unknown>]>(
  Object.entries(extensionKinds).map(([name, { id, codec }]) => [id, [name as keyof Kinds, codec]]),
)

/**
 * Values of the known extensions in `extensions`. Throws CodecError when one is malformed or when any, known or not, is
 * there twice (RFC 5280 4.2). `whole` is what the extensions are a view of: error offsets count from its start.
 */
export function readKnownExtensions(extensions: readonly Extension[], whole?: Uint8Array): KnownExtensions {
  const known: Record<string, unknown> = {}
  refuseDuplicates(extensions)
  for (const { id, value } of extensions) {
    const entry = byId.get(id)
    if (entry === undefined) continue
    known[entry[0]] = decodeAt(entry[1], value, whole === undefined ? 0 : value.byteOffset - whole.byteOffset)
  }
  return known
}

function decodeAt(codec: Codec<unknown>, value: Uint8Array, offset: number): unknown {
  try {
    return decode(codec, value)
  } catch (error) {
    if (offset === 0 || !(error instanceof CodecError)) throw error
    throw new CodecError(error.code, error.message.replace(/ \(at byte \d+\)$/, ''), error.offset + offset)
  }
}
