import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { type AlgorithmIdentifier, signatureAlgorithms } from '../../src/codec/x509/algorithm.ts'
import {
  type Certificate,
  decodeCertificate,
  encodeCertificate,
  encodeTbsCertificate,
} from '../../src/codec/x509/certificate.ts'
import { type Extension, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { encodeName, type NameFields } from '../../src/codec/x509/name.ts'
import { generateKey, keyIdentifier } from '../../src/crypto/key.ts'
import { algorithmIdentifier, keySigner, type Signer } from '../../src/crypto/signer.ts'

/** A signer that may use what `Signer` does not offer. */
export interface TestSigner extends Signer {
  readonly identifier?: AlgorithmIdentifier
}

/** A certificate and its key. */
export interface Entity {
  readonly certificate: Certificate
  readonly signer: TestSigner
}

export function rsaSigner(bits: number, hash: 'sha1' | 'sha256' = 'sha256'): TestSigner {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  const { identifier } = signatureAlgorithms.find(each => each.key === 'rsa' && each.hash === hash)!
  return otherSigner(privateKey, publicKey, hash, identifier)
}

/** ECDSA on a curve that `keySigner` does not know. */
export function curveSigner(namedCurve: string): TestSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return otherSigner(privateKey, publicKey, 'sha256', algorithmIdentifier.ES256)
}

function otherSigner(key: KeyObject, publicKey: KeyObject, hash: string, identifier: AlgorithmIdentifier): TestSigner {
  const spkiDer = publicKey.export({ type: 'spki', format: 'der' })
  return { algorithm: 'ES256', identifier, publicKey, spkiDer, sign: async data => sign(hash, data, key) }
}

export interface Certified {
  readonly subject: string | NameFields | Uint8Array
  /** Absent: self-signed. */
  readonly issuer?: Entity
  /** Absent: a new P-256 key. */
  readonly signer?: TestSigner
  /** Absent: no basicConstraints; a number: pathLenConstraint. */
  readonly ca?: boolean | number
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly extensions?: readonly Extension[]
  /** Left out of what is added by itself. */
  readonly without?: readonly ('keyUsage' | 'subjectKeyIdentifier' | 'authorityKeyIdentifier')[]
  readonly authorityKeyIdentifier?: Uint8Array
}

export const begin = new Date('2025-01-01T00:00:00Z')
export const end = new Date('2035-01-01T00:00:00Z')
export const now = new Date('2026-11-20T12:00:00Z')

/** Whatever is asked for, sense or nonsense: unlike src/crypto/issue.ts, it refuses nothing. */
export async function certify(wanted: Certified): Promise<Entity> {
  const signer: TestSigner = wanted.signer ?? keySigner(generateKey('P-256'))
  const by = wanted.issuer?.signer ?? signer
  const identifier = by.identifier ?? algorithmIdentifier[by.algorithm]
  const subject =
    wanted.subject instanceof Uint8Array
      ? wanted.subject
      : encodeName(typeof wanted.subject === 'string' ? { commonName: wanted.subject } : wanted.subject)
  const tbs = encodeTbsCertificate({
    serialNumber: Buffer.concat([Buffer.of(0x40), randomBytes(15)]),
    signature: identifier,
    issuer: wanted.issuer?.certificate.subject.der ?? subject,
    validity: { notBefore: wanted.notBefore ?? begin, notAfter: wanted.notAfter ?? end },
    subject,
    spkiDer: signer.spkiDer,
    extensions: extensionsOf(wanted, signer),
  })
  const der = encodeCertificate(tbs, identifier, await by.sign(tbs))
  return { certificate: decodeCertificate(der), signer }
}

function extensionsOf(
  { ca, extensions = [], issuer, without = [], ...wanted }: Certified,
  signer: Signer,
): Extension[] {
  const own = keyIdentifier(signer.spkiDer)
  const authority = wanted.authorityKeyIdentifier ?? issuer?.certificate.subjectKeyIdentifier ?? own
  const all = [...extensions]
  const add = (extension: Extension) => {
    if (!extensions.some(({ id }) => id === extension.id)) all.push(extension)
  }
  if (ca === true || ca === false) add(makeExtension(extensionKinds.basicConstraints, { cA: ca }))
  if (typeof ca === 'number') add(makeExtension(extensionKinds.basicConstraints, { cA: true, pathLenConstraint: ca }))
  if (ca !== undefined && ca !== false && !without.includes('keyUsage')) {
    add(makeExtension(extensionKinds.keyUsage, ['keyCertSign', 'cRLSign']))
  }
  if (!without.includes('subjectKeyIdentifier')) add(makeExtension(extensionKinds.subjectKeyIdentifier, own))
  if (!without.includes('authorityKeyIdentifier')) {
    add(makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: authority }))
  }
  return all
}

export const eku = (...usages: string[]) => makeExtension(extensionKinds.extendedKeyUsage, usages)
