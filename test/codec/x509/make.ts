import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { decodePemBlock } from '../../../src/codec/pem.ts'
import { ecdsaWithSHA256 } from '../../../src/codec/x509/algorithm.ts'
import {
  encodeCertificate,
  encodeTbsCertificate,
  type TbsCertificateFields,
} from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'

const vectors = new URL('../../vector/brski/', import.meta.url)

/** DER of every published certificate under test/vector/brski, by its path there. */
export function publishedCertificates(): Map<string, Buffer> {
  const found = readdirSync(vectors, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.cert.pem'))
  const read = (path: string) => decodePemBlock('CERTIFICATE', readFileSync(new URL(path, vectors), 'utf8'))
  return new Map(found.sort().map(path => [path, read(path)]))
}

export function publishedBytes(path: string): Buffer {
  return readFileSync(new URL(path, vectors))
}

export interface Party {
  readonly name: Buffer
  readonly privateKey: KeyObject
  readonly spkiDer: Buffer
}

export function party(commonName: string): Party {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    name: encodeName({ organizationName: 'Example', commonName }),
    privateKey,
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
  }
}

/** A certificate for `subject` by `issuer`, with what `fields` says differently. */
export function makeCertificate(issuer: Party, subject: Party, fields: Partial<TbsCertificateFields> = {}): Buffer {
  const tbs = encodeTbsCertificate({
    serialNumber: Buffer.from('0123456789', 'hex'),
    signature: ecdsaWithSHA256.identifier,
    issuer: issuer.name,
    validity: { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('9999-12-31T23:59:59Z') },
    subject: subject.name,
    spkiDer: subject.spkiDer,
    extensions: [],
    ...fields,
  })
  return encodeCertificate(tbs, ecdsaWithSHA256.identifier, sign('sha256', tbs, issuer.privateKey))
}
