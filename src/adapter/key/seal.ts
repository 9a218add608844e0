import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Secret } from '../../crypto/secret.ts'

/** AES-256-GCM; `box` is the ciphertext with its 16-byte tag. */
export const Sealed = z.strictObject({ nonce: z.base64().length(16), box: z.base64().max(2048) })
export type Sealed = z.infer<typeof Sealed>

/** `context` is not stored: what opens the box must know it, so a box cannot be put in another one's place. */
export function seal(key: Secret, plain: Uint8Array, context: string): Sealed {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.revealKey(), nonce).setAAD(Buffer.from(context))
  const box = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return { nonce: nonce.toString('base64'), box: box.toString('base64') }
}

/** Undefined when the key, the context or a single bit is not the one it was sealed with. */
export function openSealed(key: Secret, sealed: Sealed, context: string): Buffer | undefined {
  const box = Buffer.from(sealed.box, 'base64')
  if (box.length < 16) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key.revealKey(), Buffer.from(sealed.nonce, 'base64'), {
    authTagLength: 16,
  })
    .setAAD(Buffer.from(context))
    .setAuthTag(box.subarray(-16))
  const plain = decipher.update(box.subarray(0, -16))
  try {
    decipher.final()
    return plain
  } catch {
    plain.fill(0)
    return undefined
  }
}
