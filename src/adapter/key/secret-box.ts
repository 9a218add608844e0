import { hkdfSync } from 'node:crypto'
import * as z from 'zod'
import { Secret } from '../../crypto/secret.ts'
import { openSealed, Sealed, seal } from './seal.ts'

/**
 * Seals secrets of the record (AES-256-GCM) with a key of its own, derived from that of the party. A port of the onboarding
 * role (`SecretBox`).
 */
export function createSecretBox(partyKey: Secret, purpose: string) {
  const derived = Buffer.from(hkdfSync('sha256', partyKey.reveal(), '', purpose, 32))
  const key = new Secret(derived)
  derived.fill(0)
  return {
    seal: (plain: Secret, context: string): string => JSON.stringify(seal(key, plain.reveal(), context)),
    open(box: string, context: string): Secret | undefined {
      const sealed = parsed(box)
      const plain = sealed === undefined ? undefined : openSealed(key, sealed, context)
      if (plain === undefined) return undefined
      const secret = new Secret(plain)
      plain.fill(0)
      return secret
    },
  }
}

function parsed(text: string): Sealed | undefined {
  try {
    return Sealed.parse(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}
