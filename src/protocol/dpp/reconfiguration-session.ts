import { CryptoError } from '../../crypto/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type AuthenticatedSession, type AuthenticationFailed, failed, failureOf, kept } from './authentication.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import type { DppKeyPair, DppPublicKey } from './key.ts'
import { hkdf } from './key-schedule.ts'

/** ke = HKDF(C-nonce | E-nonce, M.x, "dpp reconfig key"). @param m x of cI * (CR + PR) = (cR + pR) * CI */
export function reconfigurationKey(
  curve: DppCurve,
  configuratorNonce: Uint8Array,
  enrolleeNonce: Uint8Array,
  m: Uint8Array,
): Buffer {
  return hkdf(curve, Buffer.concat([configuratorNonce, enrolleeNonce]), m, 'dpp reconfig key')
}

/**
 * What follows a reconfiguration is the configuration that follows an authentication. There is no bk: who derives secrets
 * from it finds zeros, as at hostap.
 *
 * @param own of the Enrollee the key that becomes its netAccessKey; `peer` the same at the Configurator
 */
export function reconfigurationSession(
  ke: Secret,
  role: AuthenticatedSession['role'],
  peerVersion: number,
  keys: { readonly own: DppKeyPair; readonly peer: DppPublicKey },
): AuthenticatedSession {
  const { curve } = keys.own
  return {
    curve,
    role,
    // Both have shown a Connector of one Configurator, and the key that belongs to it.
    mutual: true,
    peerVersion,
    ke,
    bk: kept(Buffer.alloc(curveProfile(curve).hashSize)),
    ownProtocolKey: keys.own,
    peerProtocolKey: keys.peer,
  }
}

/** For what a peer can cause, its Connector included; any other error is ours and goes on. */
export function reconfigurationFailure(error: unknown): AuthenticationFailed {
  if (error instanceof OnboardingError) return failed('not-authentic', error.message)
  return failureOf(error)
}

/** Throws CryptoError `key-mismatch`. */
export function requireCurve(curve: DppCurve, key: { readonly curve: DppCurve }, whose: string): void {
  if (key.curve !== curve) throw new CryptoError('key-mismatch', `${whose} is on ${key.curve}, not on ${curve}`)
}

/** Throws CryptoError `key-mismatch`. */
export function requireNonce(curve: DppCurve, nonce: Uint8Array): void {
  if (nonce.length === curveProfile(curve).nonceSize) return
  throw new CryptoError('key-mismatch', `a nonce of ${nonce.length} octets on ${curve}`)
}
