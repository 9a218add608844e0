import { encodeName } from '../../codec/x509/name.ts'
import { createCsr } from '../../crypto/csr.ts'
import { type Curve, establishKey, type KeyStore } from '../../crypto/signer.ts'
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
    install,
  }
}
