import type { Secret } from '../../crypto/secret.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { agree, type DppKeyPair, type DppPublicKey } from './key.ts'
import { dppHmac, hkdf } from './key-schedule.ts'

/**
 * The tag by which an Enrollee shows that it holds the new protocol key that NEW_KEY_NEEDED asked for (Easy Connect section
 * 6.4.3, version 3): an HMAC over nonce and both keys, with a key that both agree upon. Hashes stay those of the curve
 * of authentication, whatever the curve of the new keys. Throws CryptoError `key-mismatch` when those are on two.
 * @param exchange bk of the authentication, and its curve
 * @param own private half that the caller has: of the Enrollee's Pe, or of the Configurator's Pc
 */
export function newKeyTag(
  exchange: { readonly curve: DppCurve; readonly bk: Secret },
  enrolleeNonce: Uint8Array,
  keys: {
    readonly own: DppKeyPair
    readonly configurator: DppPublicKey
    readonly enrollee: DppPublicKey
  },
): Buffer {
  const { curve, bk } = exchange
  const { own, configurator, enrollee } = keys
  const s = agree(own, own.point.equals(enrollee.point) ? configurator : enrollee)
  const k = hkdf(curve, bk.reveal(), s, 'New DPP Protocol Key')
  const tag = dppHmac(curve, k, enrolleeNonce, xOf(configurator), xOf(enrollee))
  s.fill(0)
  k.fill(0)
  return tag
}

function xOf({ curve, point }: DppPublicKey): Uint8Array {
  return point.subarray(0, curveProfile(curve).coordinateSize)
}
