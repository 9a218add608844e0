import { decodeBase64Url, encodeBase64Url } from './base64.ts'
import { CodecError } from './error.ts'
import { decodeJsonObject, type JsonObject } from './json.ts'

/** A JWE in Compact Serialization (RFC 7516 section 7.1), taken apart; nothing has been decrypted. */
export interface Jwe {
  /** The protected header as it is authenticated: base64url text. */
  readonly protectedText: string
  readonly header: JsonObject
  /** Empty where the key was agreed upon directly. */
  readonly encryptedKey: Uint8Array
  readonly iv: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

const maxText = 0x4_0000
const limits = { size: 0x4000, depth: 4, count: 50 }

/** Throws CodecError. */
export function decodeJwe(text: string): Jwe {
  if (text.length > maxText) throw new CodecError('too-large', `${text.length} characters of JWE`, 0)
  const parts = text.split('.', 6)
  const [protectedText = '', encryptedKey = '', iv = '', ciphertext = '', tag = ''] = parts
  if (parts.length !== 5) throw new CodecError('bad-value', 'a JWE in Compact Serialization has five parts', 0)
  return {
    protectedText,
    header: decodeJsonObject(decodeBase64Url(protectedText), limits),
    encryptedKey: decodeBase64Url(encryptedKey),
    iv: decodeBase64Url(iv),
    ciphertext: decodeBase64Url(ciphertext),
    tag: decodeBase64Url(tag),
  }
}

export function encodeJwe({ protectedText, encryptedKey, iv, ciphertext, tag }: Omit<Jwe, 'header'>): string {
  return [protectedText, ...[encryptedKey, iv, ciphertext, tag].map(encodeBase64Url)].join('.')
}
