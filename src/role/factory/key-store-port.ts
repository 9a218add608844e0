import { encodeName } from '../../codec/x509/name.ts'
import { createCsr } from '../../crypto/csr.ts'
import { type Curve, establishKey, type KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { composeUri } from './bootstrapping.ts'
import type { UnitPort } from './line.ts'

/**
 * Units whose keys are made in a key store of the line, labelled with the serial number: secure elements that are
 * personalised before they are soldered, behind PKCS#11. Not for keys that a process could read out and keep.
 * @param install hands the certificates to the device or to the next station
 */
export function keyStoreUnits(options: {
  readonly keys: KeyStore
  readonly curve?: Curve
  readonly install: UnitPort['install']
}): UnitPort {
  const { keys, curve = 'P-256', install } = options
  return {
    async csr(serial, model) {
      const signer = await establishKey(keys, serial, curve)
      return createCsr({ subject: encodeName({ commonName: model, serialNumber: serial }) }, signer)
    },
    async bootstrap(serial, curve, fields) {
      const { spkiDer } = await establishKey(keys, `${serial}.dpp`, tokenCurve(curve), 'agree')
      return composeUri(spkiDer, fields)
    },
    install,
  }
}

/** Throws OnboardingError `input-invalid`: no token is known that makes keys on the others. */
function tokenCurve(curve: DppCurve): Curve {
  if (curve === 'P-256' || curve === 'P-384' || curve === 'P-521') return curve
  throw new OnboardingError('input-invalid', { field: 'dpp-curve', rule: 'P-256, P-384 or P-521 in a token' })
}
