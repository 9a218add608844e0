import { decode, encode } from './der/codec.ts'
import { bitString, enumerated, integer, smallInteger } from './der/primitive.ts'
import { element, explicit, optional, sequence, sequenceOf, signed } from './der/structure.ts'
import { time } from './der/time.ts'
import { CodecError } from './error.ts'
import { AlgorithmIdentifier, sameAlgorithm } from './x509/algorithm.ts'
import {
  type AuthorityKeyIdentifier,
  type Extension,
  type ExtensionKind,
  Extensions,
  extensionKinds,
  extensionValue,
  findExtension,
  refuseDuplicates,
} from './x509/extension.ts'
import { Name } from './x509/name.ts'

/** RFC 5280 5.3.1, by number; 7 is not used. */
export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const

export type RevocationReason = NonNullable<(typeof revocationReasons)[number]>

/** Extensions of a CRL (RFC 5280 5.2); authorityKeyIdentifier is among `extensionKinds`. */
export const crlExtensionKinds = {
  cRLNumber: { id: '2.5.29.20', critical: false, codec: integer },
  deltaCRLIndicator: { id: '2.5.29.27', critical: true, codec: integer },
} as const satisfies Record<string, ExtensionKind<Uint8Array>>

const ISSUING_DISTRIBUTION_POINT = '2.5.29.28'
const reasonCode = { id: '2.5.29.21', critical: false, codec: enumerated } as const

const RevokedEntry = sequence({
  userCertificate: integer,
  revocationDate: time,
  crlEntryExtensions: optional(Extensions),
})

const TBSCertList = sequence({
  version: optional(smallInteger),
  signature: AlgorithmIdentifier,
  issuer: Name,
  thisUpdate: time,
  nextUpdate: optional(time),
  revokedCertificates: optional(sequenceOf(RevokedEntry)),
  crlExtensions: optional(explicit(0, Extensions)),
})

const SignedCertList = sequence({
  tbsCertList: signed(TBSCertList),
  signatureAlgorithm: AlgorithmIdentifier,
  signatureValue: bitString,
})

export interface RevokedCertificate {
  readonly serialNumber: Uint8Array
  /** `serialNumber` in lower-case hexadecimal, as `Certificate.serialHex`. */
  readonly serialHex: string
  readonly revocationDate: Date
  /** `unspecified` when the entry gives none. */
  readonly reason: RevocationReason
  readonly extensions: readonly Extension[]
}

/** A CRL as it was read; nothing about it has been verified. Byte values are views into `der`. */
export interface CertificateList {
  readonly der: Uint8Array
  /** The bytes that `signature` covers. */
  readonly tbsDer: Uint8Array
  readonly issuer: Name
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  /** By `serialHex`. */
  readonly revoked: ReadonlyMap<string, RevokedCertificate>
  readonly extensions: readonly Extension[]
  readonly cRLNumber: Uint8Array | undefined
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | undefined
  /** The extension as it is; critical when the CRL does not speak for everything its issuer issued. */
  readonly issuingDistributionPoint: Extension | undefined
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

// Some 100 000 entries, read in about a fifth of a second.
const LIMITS = { size: 0x40_0000, depth: 16, count: 400_000 }

/**
 * Reads a version 1 or 2 CRL of at most 4 MiB. Throws CodecError unless it is strict DER of RFC 5280 5.1 with no serial
 * number and no extension twice. Critical extensions that are not members here are for the caller to refuse. `der` is
 * copied.
 */
export function decodeCertificateList(der: Uint8Array): CertificateList {
  if (der.length > LIMITS.size) throw new CodecError('too-large', 'CRL larger than 4 MiB', 0)
  const own = Buffer.from(der)
  const { tbsCertList, signatureAlgorithm, signatureValue } = decode(SignedCertList, own, LIMITS)
  const tbs = tbsCertList.value
  if (tbs.version !== undefined && tbs.version !== 1) throw new CodecError('unsupported', 'CRL version')
  // RFC 5280 5.1.1.2
  if (!sameAlgorithm(tbs.signature, signatureAlgorithm)) throw new CodecError('bad-value', 'two signature algorithms')
  const extensions = tbs.crlExtensions ?? []
  if (extensions.length > 0 && tbs.version !== 1) throw new CodecError('bad-value', 'extensions in a version 1 CRL')
  refuseDuplicates(extensions)
  return Object.freeze({
    der: own,
    tbsDer: tbsCertList.der,
    issuer: tbs.issuer,
    thisUpdate: tbs.thisUpdate,
    nextUpdate: tbs.nextUpdate,
    revoked: readRevoked(tbs.revokedCertificates ?? [], tbs.version === 1),
    extensions,
    cRLNumber: extensionValue(extensions, crlExtensionKinds.cRLNumber),
    authorityKeyIdentifier: extensionValue(extensions, extensionKinds.authorityKeyIdentifier),
    issuingDistributionPoint: findExtension(extensions, { id: ISSUING_DISTRIBUTION_POINT }),
    signatureAlgorithm,
    signature: signatureValue,
  })
}

type Entry = ReturnType<(typeof RevokedEntry)['read']>

function readRevoked(entries: readonly Entry[], version2: boolean): Map<string, RevokedCertificate> {
  const revoked = new Map<string, RevokedCertificate>()
  for (const { userCertificate, revocationDate, crlEntryExtensions: extensions = [] } of entries) {
    if (extensions.length > 0 && !version2) throw new CodecError('bad-value', 'extensions in a version 1 CRL')
    refuseDuplicates(extensions)
    const serialHex = Buffer.from(userCertificate).toString('hex')
    if (revoked.has(serialHex)) throw new CodecError('duplicate', `serial number ${serialHex} is revoked twice`)
    const reason = revocationReasons[extensionValue(extensions, reasonCode) ?? 0]
    if (reason === undefined) throw new CodecError('bad-value', 'reason code')
    revoked.set(serialHex, { serialNumber: userCertificate, serialHex, revocationDate, reason, extensions })
  }
  return revoked
}

/** What a CA says in a version 2 CRL. `issuer` is the DER of its name. */
export interface TbsCertListFields {
  readonly signature: AlgorithmIdentifier
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: Iterable<{
    readonly serialNumber: Uint8Array
    readonly revocationDate: Date
    readonly reason?: RevocationReason
  }>
  /** RFC 5280 5.2 wants authorityKeyIdentifier and cRLNumber: build them with `makeExtension`. */
  readonly extensions: readonly Extension[]
}

const WrittenTBSCertList = sequence({
  version: smallInteger,
  signature: AlgorithmIdentifier,
  issuer: element(0x30),
  thisUpdate: time,
  nextUpdate: time,
  revokedCertificates: optional(sequenceOf(RevokedEntry, { min: 1 })),
  crlExtensions: explicit(0, Extensions),
})

const WrittenCertList = sequence({
  tbsCertList: element(0x30),
  signatureAlgorithm: AlgorithmIdentifier,
  signatureValue: bitString,
})

/** DER of the TBSCertList, which is what gets signed. Throws CodecError `bad-value` or `duplicate`. */
export function encodeTbsCertList(fields: TbsCertListFields): Buffer {
  refuseDuplicates(fields.extensions)
  const entries = Array.from(fields.revoked, ({ serialNumber, revocationDate, reason }) => ({
    userCertificate: serialNumber,
    revocationDate,
    ...(reason !== undefined && reason !== 'unspecified' && { crlEntryExtensions: reasonExtension(reason) }),
  }))
  return encode(WrittenTBSCertList, {
    version: 1,
    signature: fields.signature,
    issuer: fields.issuer,
    thisUpdate: fields.thisUpdate,
    nextUpdate: fields.nextUpdate,
    // RFC 5280 5.1.2.6: absent, not empty.
    ...(entries.length > 0 && { revokedCertificates: entries }),
    crlExtensions: fields.extensions,
  })
}

function reasonExtension(reason: RevocationReason): Extension[] {
  const code = revocationReasons.indexOf(reason)
  if (code < 0) throw new CodecError('bad-value', `no revocation reason ${reason}`)
  return [{ id: reasonCode.id, critical: false, value: encode(enumerated, code) }]
}

/** The CRL from its TBSCertList, the algorithm named in it, and the signature over it. */
export function encodeCertificateList(
  tbsDer: Uint8Array,
  algorithm: AlgorithmIdentifier,
  signature: Uint8Array,
): Buffer {
  return encode(WrittenCertList, {
    tbsCertList: tbsDer,
    signatureAlgorithm: algorithm,
    signatureValue: signature,
  })
}
