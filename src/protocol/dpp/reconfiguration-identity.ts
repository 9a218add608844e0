import { CryptoError } from '../../crypto/error.ts'
import { curveProfile } from './curve.ts'
import { type DppKeyPair, type DppPublicKey, importPoint } from './key.ts'
import { addPublicKeys, multiplyPoint, subtractPublicKeys } from './multiple.ts'

/*
 * A device that announces itself again and again must not be followed by it: E-id is a point that the device chose, and goes on
 * the air as E'-id = E-id + a * ppKey with A-NONCE = a * G (ElGamal). Only who has the private ppKey sees the same E-id again.
 */

export interface HiddenIdentity {
  readonly aNonce: DppPublicKey
  readonly ePrimeId: DppPublicKey
}

/**
 * @param identity E-id
 * @param a made for one announcement; the private half is the `a` of the standard
 * Throws CryptoError `key-mismatch` unless all three are on one curve.
 */
export function hideIdentity(identity: DppPublicKey, ppKey: DppPublicKey, a: DppKeyPair): HiddenIdentity {
  if (ppKey.curve !== a.curve) throw new CryptoError('key-mismatch', 'ppKey and A-NONCE are on two curves')
  const mask = multiplyPoint(ppKey, scalarOf(a))
  return { aNonce: importPoint(a.curve, a.point), ePrimeId: addPublicKeys(identity, mask) }
}

/** E-id = E'-id - pp * A-NONCE. Throws CryptoError, also for an identity at infinity, which is none. */
export function revealIdentity({ aNonce, ePrimeId }: HiddenIdentity, ppKey: DppKeyPair): DppPublicKey {
  if (ppKey.curve !== aNonce.curve) throw new CryptoError('key-mismatch', 'ppKey and A-NONCE are on two curves')
  return subtractPublicKeys(ePrimeId, multiplyPoint(aNonce, scalarOf(ppKey)))
}

function scalarOf({ privateKey, curve }: DppKeyPair): bigint {
  const scalar = privateKey.export({ format: 'raw-private' })
  const value = BigInt(`0x${scalar.toString('hex')}`) % curveProfile(curve).equation.q
  scalar.fill(0)
  return value
}
