import { hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import * as z from 'zod'
import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { type CertificateList, decodeCertificateList } from '../../codec/crl.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../../codec/json.ts'
import { decodeJws, encodeJws } from '../../codec/jws.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { verifyCrl } from '../../crypto/crl.ts'
import { CryptoError } from '../../crypto/error.ts'
import { signJws } from '../../crypto/jws.ts'
import type { Signer } from '../../crypto/signer.ts'
import { ComponentList, componentSnapshot } from '../../domain/component.ts'
import type { DeviceInformationDeclaration, Party } from '../../domain/declaration.ts'
import { declarationReader, openSigned, type SignerTrust, validateSigner } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { coded } from '../../domain/failure.ts'
import { keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'

/*
 * A manifest is lines of JSON. The first is a JWS over the head: who sells what to whom, how many units follow, and the
 * SHA-256 of all that follows. Then one line for each unit. A forgery so costs its reader one signature and one hash, and
 * no line is parsed that a trusted manufacturer did not sign for.
 */

export const manifestType = 'device-manifest+jws'

export const manifestLimits = { bytes: 50 * 0x10_0000, units: 100_000 } as const

const headLimits = { size: 0x4_0000, depth: 6, count: 4000 }
const lineLimits = { size: 0x4000, depth: 3, count: 20 }

const Text = z.string().min(1).max(200)
const Hash = z.string().regex(/^[0-9a-f]{64}$/)
const Base64Url = z.string().regex(/^[A-Za-z0-9_-]+$/)
const Certificates = z.array(z.base64().max(8000)).max(16)

/** Strict: a member that is not listed, a private key say, makes the manifest unreadable. */
const Head = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** The manufacturer's own name, as in its declarations. */
  manufacturer: Text,
  /** Milliseconds since 1970. */
  issuedAt: z.int().nonnegative(),
  buyer: z.strictObject({ id: Text, name: Text, domains: z.array(Text).min(1).max(16) }),
  masaUrl: Text,
  /** Roots of the devices and of the MASA, DER base64: for people to compare, trusted by nobody on this account. */
  anchors: Certificates,
  masaAnchors: Certificates,
  /** Of the CA of its signer: delegates that may not sign any more. DER base64. */
  crl: z.base64().max(90_000).optional(),
  /** Protected headers of the declarations, which thousands share; lines refer to them by number. */
  declarationHeaders: z.array(Base64Url.max(40_000)).max(16),
  /** What units are made of; lines refer to them by number, too. */
  componentLists: z.array(ComponentList).max(8).default([]),
  units: z.strictObject({ count: z.int().nonnegative(), sha256: Hash }),
})

const Line = z.strictObject({
  serial: Text,
  model: Text,
  /** SHA-256 of SubjectPublicKeyInfo and of the IDevID. */
  keyHash: Hash,
  certificateHash: Hash,
  mudUrl: z.string().max(255).optional(),
  components: z.int().nonnegative().optional(),
  /** Bootstrapping URI of Wi-Fi Easy Connect. */
  bootstrapping: z.string().startsWith('DPP:').max(2048).optional(),
  /** Number of the protected header, payload and signature of the declaration's JWS. */
  declaration: z.tuple([z.int().nonnegative(), Base64Url, Base64Url]),
})
type Line = z.infer<typeof Line>

/** One unit as the manufacturer hands it over. */
export interface ManifestUnit {
  readonly serial: string
  readonly model: string
  /** SHA-256 of SubjectPublicKeyInfo and of the IDevID, hex. */
  readonly keyHash: string
  readonly certificateHash: string
  readonly mudUrl?: string
  /** What it is made of, as the factory measured it. */
  readonly components?: ComponentList
  /** `DPP:…;;`, of units that can be onboarded by Wi-Fi Easy Connect. */
  readonly bootstrapping?: string
  /** JWS in General JSON Serialization. */
  readonly declaration: string
}

export interface ManifestHead {
  /** 32 hex digits. */
  readonly id: string
  readonly manufacturer: string
  readonly issuedAt: number
  readonly buyer: Party
  readonly masaUrl: string
  /** DER, base64. */
  readonly anchors: readonly string[]
  readonly masaAnchors: readonly string[]
  readonly crl?: string
}

/** What a trusted manufacturer signed: the head, each line, and each declaration. */
export interface VerifiedManifest extends ManifestHead {
  /** SHA-256 of the bytes, hex. */
  readonly hash: string
  /** Name of the anchor that the signer chains to: what the operator calls the manufacturer. */
  readonly trustedAs: string
  readonly units: readonly (Omit<ManifestUnit, 'declaration'> & {
    readonly declared: DeviceInformationDeclaration
    /** As it was signed; for units with a bootstrapping key, which hold it against their manufacturer's root themselves. */
    readonly declaration?: string
  })[]
}

/** The signed file. Throws OnboardingError `manifest-too-large` or `input-invalid`. */
export async function signManifest(
  head: ManifestHead,
  units: AsyncIterable<ManifestUnit> | Iterable<ManifestUnit>,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  const headers: string[] = []
  const parts = new Map<string, ComponentList>()
  const lines: Buffer[] = []
  let bytes = 0
  for await (const unit of units) {
    const line = Buffer.from(`${encodeCanonicalJson(lineOf(unit, headers, parts))}\n`)
    lines.push(line)
    bytes += line.length
    if (lines.length > manifestLimits.units) throw tooLarge(lines.length, 'units')
    if (bytes > manifestLimits.bytes) throw tooLarge(bytes, 'bytes')
  }
  const body = Buffer.concat(lines)
  const value = {
    version: 1,
    ...head,
    declarationHeaders: headers,
    ...(parts.size === 0 ? {} : { componentLists: [...parts.values()] }),
    units: { count: lines.length, sha256: hash('sha256', body) },
  }
  const parsed = Head.safeParse(value)
  if (!parsed.success) throw new OnboardingError('input-invalid', { field: 'manifest', rule: issueOf(parsed.error) })
  const first = await signJws({
    payload: Buffer.from(encodeCanonicalJson(value)),
    header: { typ: manifestType },
    signer: by.signer,
    certificates: by.chain,
  })
  const manifest = Buffer.concat([first, Buffer.from('\n'), body])
  if (manifest.length > manifestLimits.bytes) throw tooLarge(manifest.length, 'bytes')
  return manifest
}

/** Adds the protected header of the declaration to `headers`, and the components to `parts`, when they are new ones. */
function lineOf(
  { declaration, components, ...unit }: ManifestUnit,
  headers: string[],
  parts: Map<string, ComponentList>,
): Line {
  const { payloadText, signatures } = decodeJws(Buffer.from(declaration))
  const { protectedText, signature } = signatures[0]!
  if (!headers.includes(protectedText)) headers.push(protectedText)
  const made = components === undefined ? {} : { components: numberOf(components, parts) }
  return { ...unit, ...made, declaration: [headers.indexOf(protectedText), payloadText, encodeBase64Url(signature)] }
}

function numberOf(components: ComponentList, parts: Map<string, ComponentList>): number {
  const snapshot = componentSnapshot(components)
  parts.set(snapshot, components)
  return [...parts.keys()].indexOf(snapshot)
}

const failure = { malformed: 'manifest-invalid', signature: 'manifest-invalid', path: 'manifest-invalid' } as const

/**
 * Reads a manifest and verifies its signature, the path of its signer, every line and every declaration. Lets other work
 * in between. Throws OnboardingError `manifest-invalid` (detail `rule`) or `manifest-too-large`.
 */
export async function openManifest(bytes: Uint8Array, trust: SignerTrust): Promise<VerifiedManifest> {
  if (bytes.length > manifestLimits.bytes) throw tooLarge(bytes.length, 'bytes')
  try {
    return await open(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), trust)
  } catch (error) {
    throw coded(error, failure)
  }
}

type Trust = Parameters<typeof openManifest>[1]

async function open(bytes: Buffer, known: Trust): Promise<VerifiedManifest> {
  const end = bytes.indexOf(0x0a)
  if (end < 0) throw new CodecError('truncated', 'a manifest has a head and lines', 0)
  const signed = openSigned(bytes.subarray(0, end), manifestType)
  const anchor = validateSigner(signed.chain, known)
  const { spkiDer } = anchor.certificate
  // A MASA that serves several manufacturers: its signature alone does not say whose devices these are.
  const shared = known.anchors.some(
    other => other.name !== anchor.name && Buffer.compare(other.certificate.spkiDer, spkiDer) === 0,
  )
  if (shared) throw new OnboardingError('manifest-invalid', { rule: 'ambiguous-anchor', manufacturer: anchor.name })
  const {
    version: _,
    declarationHeaders,
    componentLists,
    units,
    crl,
    ...head
  } = parse(Head, decodeJsonObject(signed.payload, headLimits))
  const trust = crl === undefined ? known : { ...known, crls: [...(known.crls ?? []), signersList(crl, signed.chain)] }
  // A list that comes with it counts for it, too.
  if (crl !== undefined) validateSigner(signed.chain, trust)
  if (units.count > manifestLimits.units) throw tooLarge(units.count, 'units')
  const body = bytes.subarray(end + 1)
  if (hash('sha256', body) !== units.sha256) throw new CryptoError('bad-signature', 'the units are not the signed ones')
  const reader = lineReader(head.manufacturer, { headers: declarationHeaders, componentLists }, trust)
  const read: VerifiedManifest['units'][number][] = []
  for (let at = 0; at < body.length; ) {
    const next = body.indexOf(0x0a, at)
    if (next < 0) throw new CodecError('truncated', 'the last line has no end', end + 1 + at)
    if (read.length === units.count) throw new CodecError('too-many', 'more units than the head says')
    read.push(reader(body.subarray(at, next)))
    at = next + 1
    if (read.length % 128 === 0) await setImmediate()
  }
  if (read.length !== units.count) throw new CodecError('truncated', 'fewer units than the head says')
  const listed = crl === undefined ? {} : { crl }
  return { ...head, ...listed, hash: hash('sha256', bytes), trustedAs: anchor.name, units: read }
}

/** A revocation list by the CA of the signer itself: a delegate can revoke nobody. Throws CodecError, CryptoError. */
function signersList(crl: string, [, issuer]: readonly Certificate[]): CertificateList {
  if (issuer === undefined) throw new CryptoError('key-mismatch', 'a revocation list needs the CA of the signer')
  return verifyCrl(decodeCertificateList(Buffer.from(crl, 'base64')), issuer).list
}

/** Reads one line after the other; knows what came before, so that nothing comes twice. */
function lineReader(
  manufacturer: string,
  shared: { readonly headers: readonly string[]; readonly componentLists: readonly ComponentList[] },
  trust: Trust,
) {
  const { headers, componentLists } = shared
  const openDeclaration = declarationReader(trust)
  const seen = new Set<string>()
  return (bytes: Uint8Array): VerifiedManifest['units'][number] => {
    const {
      declaration,
      mudUrl,
      components: made,
      bootstrapping,
      ...unit
    } = parse(Line, decodeJsonObject(bytes, lineLimits))
    const once = [`serial ${unit.serial}`, `key ${unit.keyHash}`, `certificate ${unit.certificateHash}`]
    for (const value of bootstrapping === undefined ? once : [...once, `bootstrapping key ${keyIn(bootstrapping)}`]) {
      if (seen.has(value)) throw new CodecError('duplicate', `${value} is there twice`)
      seen.add(value)
    }
    const [header, payloadText, signature] = declaration
    const protectedText = headers[header]
    if (protectedText === undefined) throw new CodecError('bad-value', `no declaration header ${header}`)
    const signed = encodeJws({
      payloadText,
      signatures: [{ protectedText, protected: {}, header: {}, signature: decodeBase64Url(signature) }],
    })
    const declared = openDeclaration(signed)
    const same =
      declared.manufacturer === manufacturer && declared.serial === unit.serial && declared.model === unit.model
    if (!same) throw new CryptoError('bad-signature', `the declaration of ${unit.serial} is about another device`)
    const components = made === undefined ? undefined : componentLists[made]
    if (made !== undefined && components === undefined) throw new CodecError('bad-value', `no components ${made}`)
    return {
      ...unit,
      ...(mudUrl === undefined ? {} : { mudUrl }),
      ...(components === undefined ? {} : { components }),
      ...(bootstrapping === undefined ? {} : { bootstrapping, declaration: signed.toString('utf8') }),
      declared,
    }
  }
}

/** Throws CodecError for what is no bootstrapping URI. */
function keyIn(bootstrapping: string): string {
  return keyHash(parseBootstrappingUri(bootstrapping)).toString('hex')
}

function parse<T extends z.ZodType>(schema: T, json: unknown): z.infer<T> {
  const result = schema.safeParse(json)
  if (!result.success) throw new CodecError('bad-value', issueOf(result.error))
  return result.data
}

function issueOf(error: z.ZodError): string {
  const [issue] = error.issues
  return issue === undefined ? 'not a manifest' : `${issue.path.join('.')}: ${issue.message}`.slice(0, 200)
}

function tooLarge(found: number, what: keyof typeof manifestLimits): OnboardingError {
  return new OnboardingError('manifest-too-large', { [what]: found, limit: manifestLimits[what] })
}
