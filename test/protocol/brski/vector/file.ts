import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { decodeEstBase64 } from '../../../../src/codec/base64.ts'
import { decodePemBlock } from '../../../../src/codec/pem.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import type { TrustAnchor } from '../../../../src/crypto/trust.ts'

export const root = join(import.meta.dirname, '../../../vector/brski')

const read = new Set<string>()

/** Files of the folder that no test has read. */
export function unread(): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .filter(name => !read.has(name))
}

/** The files of one folder of vectors. */
export function folder(name: string) {
  const bytes = (file: string): Buffer => {
    read.add(join(name, file))
    return readFileSync(join(root, name, file))
  }
  const text = (file: string) => bytes(file).toString('utf8')
  const certificate = (file: string): Certificate =>
    decodeCertificate(decodePemBlock('CERTIFICATE', text(`${file}.cert.pem`)))
  const key = (file: string): KeyObject => createPrivateKey(text(`${file}.key.pem`))
  return { bytes, text, certificate, key, base64: (file: string) => decodeEstBase64(text(file)) }
}

export function anchors(...certificates: readonly Certificate[]): TrustAnchor[] {
  return certificates.map((certificate, i) => ({ name: `anchor-${i}`, certificate }))
}

/** The SubjectPublicKeyInfo that belongs to a private key. */
export function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

/** JSON without the whitespace in which a draft printed it: what was sent. */
export function compact(printed: Buffer): Buffer {
  return Buffer.from(JSON.stringify(JSON.parse(printed.toString())))
}

export const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')
