import { hash } from 'node:crypto'
import { decode, encode } from '../../codec/der/codec.ts'
import { nullValue } from '../../codec/der/primitive.ts'
import { CodecError } from '../../codec/error.ts'
import {
  type CertID,
  decodeOcspRequest,
  encodeOcspError,
  encodeOcspResponse,
  encodeOcspResponseData,
  type OcspAnswer,
  type OcspRequest,
  ocspOid,
} from '../../codec/ocsp.ts'
import { type Certificate, SubjectPublicKeyInfo } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import type { Issuer } from '../../crypto/issue.ts'
import { keyIdentifier } from '../../crypto/key.ts'
import { algorithmIdentifier, type KeyStore } from '../../crypto/signer.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Store } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import { establishIssuer, openIfHere } from '../certification/issuer-record.ts'
import type { Generation, NamedIssuer, SiteAuthority } from './authority.ts'

const day = 86_400_000
const skew = 300_000
const responderLife = 90 * day
/** How long an answer may be kept. */
const validity = 3_600_000
/** Answers to one address; each costs a signature. */
const perMinute = 600

export const ocspPath = '/ocsp'

export interface OcspOptions {
  readonly store: Store
  readonly keys: KeyStore
  readonly clock: Clock
  readonly network: string
  readonly authority: () => SiteAuthority
}

/**
 * Says whether a certificate of this site is good, revoked and why, or unknown (RFC 6960), to anybody: POST, and GET with the
 * request in the path. Each issuing CA has a responder of its own, with a key that can sign nothing else.
 */
export function createOcsp(options: OcspOptions): Endpoint {
  const limit = createRateLimit({ perMinute, clock: options.clock })
  const responders = new Map<string, Issuer>()
  const responder = async (issuer: NamedIssuer): Promise<Issuer> => {
    const known = responders.get(issuer.name)
    if (known !== undefined && isFresh(known.certificate, issuer, options.clock())) return known
    const found = await responderOf(options, issuer)
    responders.set(issuer.name, found)
    return found
  }
  return {
    async handle(request) {
      const asked = askedIn(request)
      if (asked === undefined) return undefined
      if (asked === 'method') return { status: 405, headers: { allow: 'GET, POST' } }
      try {
        limit(request.peer.address.replace(/:\d+$/, ''))
        return reply(await answer(options, responder, decodeOcspRequest(asked)))
      } catch (error) {
        if (error instanceof CodecError) return reply(encodeOcspError('malformedRequest'))
        if (error instanceof OnboardingError && error.code === 'rate-limited') return reply(encodeOcspError('tryLater'))
        throw error
      }
    },
  }
}

function reply(body: Buffer): EndpointReply {
  return { status: 200, headers: { 'content-type': 'application/ocsp-response', 'cache-control': 'no-store' }, body }
}

/** RFC 6960 appendix A.1: the base64 of a GET comes as it is, or with its reserved characters escaped. */
function askedIn({ method, path, body }: EndpointRequest): Uint8Array | 'method' | undefined {
  if (path === ocspPath) return method === 'POST' ? body : 'method'
  if (!path.startsWith(`${ocspPath}/`)) return undefined
  if (method !== 'GET') return 'method'
  const text = path.slice(ocspPath.length + 1).replace(/%(2B|2F|3D)/gi, coded => decodeURIComponent(coded))
  return /^[A-Za-z0-9+/]{1,2000}={0,2}$/.test(text) ? Buffer.from(text, 'base64') : new Uint8Array()
}

async function answer(
  options: OcspOptions,
  responderFor: (issuer: NamedIssuer) => Promise<Issuer>,
  { certificates, nonce }: OcspRequest,
): Promise<Buffer> {
  const { store, clock, authority } = options
  const current = authority()
  const generation = certificates
    .map(id => current.generations.find(each => isIssuerOf(each.certificate, id)))
    .find(Boolean)
  // RFC 5019 section 2.2.3: not ours to speak about.
  if (generation?.issuer === undefined) return encodeOcspError('unauthorized')
  const responder = await responderFor(generation.issuer)
  const answers: { certificate: CertID; answer: OcspAnswer }[] = []
  for (const id of certificates) {
    const known = isIssuerOf(generation.certificate, id) ? await statusOf(store, generation, id, current) : undefined
    answers.push({ certificate: id, answer: known ?? { type: 'unknown' } })
  }
  const at = clock()
  const data = encodeOcspResponseData({
    responderKeyHash: keyIdentifier(responder.certificate.spkiDer),
    producedAt: new Date(at),
    nextUpdate: new Date(at + validity),
    answers,
    ...(nonce === undefined ? {} : { nonce }),
  })
  const algorithm = algorithmIdentifier[responder.signer.algorithm]
  return encodeOcspResponse(data, algorithm, await responder.signer.sign(data), [responder.certificate.der])
}

const digests: Readonly<Record<string, 'sha1' | 'sha256' | 'sha384' | 'sha512'>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** SHA-1 too: here it names an issuer and protects nothing (RFC 9654 says no word against it). */
function isIssuerOf({ subject, spkiDer }: Certificate, id: CertID): boolean {
  const digest = digests[id.hashAlgorithm.algorithm]
  if (digest === undefined) return false
  const key = decode(SubjectPublicKeyInfo, spkiDer).subjectPublicKey
  return (
    hash(digest, subject.der, 'buffer').equals(id.issuerNameHash) &&
    hash(digest, key, 'buffer').equals(id.issuerKeyHash)
  )
}

/** Undefined: it was never issued here, or is only planned (RFC 6960 section 2.2). */
async function statusOf(
  store: Store,
  { name }: Generation,
  { serialNumber }: CertID,
  { registrar }: SiteAuthority,
): Promise<OcspAnswer | undefined> {
  const serialHex = Buffer.from(serialNumber).toString('hex')
  if (serialHex === registrar.certificate.serialHex) return { type: 'good' }
  const [record] = await store.read(tables => tables.credential.find({ serialHex }, { limit: 1 }))
  return record === undefined || record.issuer !== name ? undefined : answerFor(record)
}

function answerFor({
  status,
  revokedAt,
  revocationReason,
  heldAt,
  notBefore,
}: CredentialRecord): OcspAnswer | undefined {
  switch (status) {
    case 'issued':
      return { type: 'good' }
    case 'planned':
      return undefined
    case 'held':
      return { type: 'revoked', at: new Date(heldAt ?? notBefore), reason: 'certificateHold' }
    case 'revoked':
      return { type: 'revoked', at: new Date(revokedAt ?? notBefore), reason: revocationReason ?? 'unspecified' }
    case 'superseded':
      return { type: 'revoked', at: new Date(revokedAt ?? notBefore), reason: 'superseded' }
  }
}

/** RFC 6960 section 4.2.2.2: issued by the CA that it speaks for, for that purpose alone, and too short to be asked about. */
async function responderOf(options: OcspOptions, issuer: NamedIssuer): Promise<Issuer> {
  const at = options.clock()
  const end = issuer.certificate.validity.notAfter.getTime()
  for (let generation = 1; ; generation++) {
    const found = await establishIssuer(options, `ocsp-${issuer.name}-${generation}`, async signer => ({
      subject: encodeName({ organizationName: options.network, commonName: `${options.network} OCSP` }),
      spkiDer: signer.spkiDer,
      issuer,
      notBefore: new Date(at - skew),
      notAfter: new Date(Math.min(at + responderLife, end)),
      extensions: [
        makeExtension(extensionKinds.basicConstraints, { cA: false }),
        makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
        makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.OCSPSigning]),
        { id: ocspOid.noCheck, critical: false, value: encode(nullValue, null) },
      ],
    }))
    if (!isFresh(found.certificate, issuer, at)) continue
    const opened = await openIfHere(found)
    if (opened !== undefined) return opened
  }
}

/** Begun, and not in the last third of its life unless the CA ends with it. */
function isFresh({ validity }: Certificate, { certificate }: Issuer, at: number): boolean {
  const [from, until] = [validity.notBefore.getTime(), validity.notAfter.getTime()]
  const renewable = certificate.validity.notAfter.getTime() > until
  return from <= at && !(renewable && until - at < responderLife / 3)
}
