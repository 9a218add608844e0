import { encodeName } from '../../codec/x509/name.ts'
import { createCsr } from '../../crypto/csr.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { UnitPort } from '../factory/line.ts'
import { birthKeyLabel, writeBirth } from './birth.ts'
import { makeBootstrapping } from './bootstrapping.ts'
import type { DeviceModel } from './model.ts'
import type { DeviceStore } from './port.ts'

/** The parts of a device that hold something: what a soldered board is to the line. */
export interface Housing {
  readonly keys: KeyStore
  readonly store: DeviceStore
}

/**
 * The line's access to simulated devices. The birth key is made in the device's own key store when the line first asks,
 * and the line gets to see a CSR.
 * @param housing the device with that serial number; the same one each time
 */
export function simulatedUnit(model: DeviceModel, housing: (serial: string) => Promise<Housing>): UnitPort {
  return {
    async csr(serial, product) {
      const { keys } = await housing(serial)
      const signer = (await keys.open(birthKeyLabel)) ?? (await keys.generate(birthKeyLabel, model.curve))
      return createCsr({ subject: encodeName({ commonName: product, serialNumber: serial }) }, signer)
    },
    async bootstrap(serial, curve, fields) {
      if (curve !== 'P-256' && curve !== 'P-384' && curve !== 'P-521') {
        throw new OnboardingError('input-invalid', { field: 'dpp-curve', rule: 'P-256, P-384 or P-521 when simulated' })
      }
      return makeBootstrapping(await housing(serial), { curve, ...fields })
    },
    async install(serial, idevid, chain, anchors) {
      const { store } = await housing(serial)
      await writeBirth(store, { model: model.name, idevid, chain, anchors })
    },
  }
}
