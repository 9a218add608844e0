import { CodecError } from '../../codec/error.ts'
import type { Json, JsonObject } from '../../codec/json.ts'
import { isJsonObject } from '../../codec/json.ts'
import { CryptoError } from '../../crypto/error.ts'
import { type DppPublicKey, exportJwk, importJwk } from './key.ts'

/** A C-sign key as it travels. */
export interface SigningKey {
  readonly key: DppPublicKey
  /** Names the key in the header of a Connector. */
  readonly kid: string
}

const maxKid = 128

/** A public key of the six curves, member `name` of something. Throws CodecError, also for a point off its curve. */
export function decodeJwk(jwk: Json | undefined, name: string): DppPublicKey {
  if (jwk === undefined) throw new CodecError('bad-value', `${name} is missing`)
  try {
    return importJwk(jwk)
  } catch (error) {
    if (error instanceof CryptoError) throw new CodecError('bad-value', `${name}: ${error.message}`)
    if (error instanceof CodecError) throw new CodecError(error.code, `${name}: ${error.message}`)
    throw error
  }
}

/** As `decodeJwk`, with the `kid` that a C-sign key has beside. Throws CodecError. */
export function decodeSigningJwk(jwk: Json | undefined, name: string): SigningKey {
  const key = decodeJwk(jwk, name)
  const kid = isJsonObject(jwk) ? jwk['kid'] : undefined
  if (typeof kid === 'string' && kid !== '' && kid.length <= maxKid) return { key, kid }
  throw new CodecError('bad-value', `${name}: kid is missing`)
}

export function encodeSigningJwk({ key, kid }: SigningKey): JsonObject {
  return { ...exportJwk(key), kid }
}
