import type { MasaClient } from '../../domain/port.ts'
import type { DeviceModel } from '../../role/device/model.ts'
import type { ManufacturerSite } from '../manufacturer.ts'
import type { Site } from '../site.ts'
import type { Ledger } from './ledger.ts'

export const host = '127.0.0.1'

/** A maker of devices, with its MASA at a port of this machine. */
export interface Maker extends Ledger {
  readonly site: ManufacturerSite
  readonly model: DeviceModel
  /** Directory of its keys and its store. */
  readonly data: string
}

/** A network with its registrar at a port of this machine. */
export interface Network extends Ledger {
  readonly site: Site
  /** Id of its owner. */
  readonly owner: string
  readonly origin: string
  /** Directory of its keys and its store. */
  readonly data: string
  /** The registrar's way to the MASAs. */
  readonly masa: MasaClient
}
