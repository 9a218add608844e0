import type { Curve } from '../../crypto/signer.ts'
import type { ArtifactFormat } from '../../protocol/brski/artifact.ts'
import type { PledgeProfile } from '../../protocol/brski/pledge.ts'
import { presencePath } from '../onboarding/presence.ts'
import type { BirthCredential } from './birth.ts'

/** What all units of a product have in common; structurally a product of the factory. */
export interface DeviceModel {
  readonly name: string
  /** Of the maker. */
  readonly manufacturer: string
  readonly mudUrl?: string
  readonly hardwareType?: string
  /** Of the birth key, and of the network key where the network leaves the choice. */
  readonly curve: Curve
  readonly curves: readonly Curve[]
  readonly format: ArtifactFormat
  /** A battery-backed or network clock that can be believed before the device has a network. */
  readonly clockTrusted: boolean
  readonly nonceless: boolean
  readonly retry: { readonly firstMs: number; readonly maxMs: number }
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
}

const hour = 3_600_000

/** Mains-powered, with a clock of its own: judges lifetimes, dates its requests, and wants a fresh voucher. */
export const fjordClimate: DeviceModel = {
  name: 'Climate 2',
  manufacturer: 'Fjord Sensors',
  curve: 'P-256',
  curves: ['P-256', 'P-384'],
  format: 'voucher-cms+json',
  clockTrusted: true,
  nonceless: false,
  retry: { firstMs: 5_000, maxMs: hour },
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
}

/**
 * A battery meter: no clock to be believed after a power loss, a larger key, patient retries to spare the battery, a MUD
 * URL in its birth certificate, and a voucher without nonce will do, since it may be installed where no MASA is in reach.
 */
export const kestrelMeter: DeviceModel = {
  name: 'Meter 7',
  manufacturer: 'Kestrel Works',
  mudUrl: 'https://mud.kestrel.example/meter-7.json',
  hardwareType: '1.3.6.1.4.1.32473.7',
  curve: 'P-384',
  curves: ['P-256', 'P-384', 'P-521'],
  format: 'voucher-cms+json',
  clockTrusted: false,
  nonceless: true,
  retry: { firstMs: 30_000, maxMs: hour },
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 60_000,
}

/** A lamp: no plug for a cable. It has a radio, a code on its base and nothing to scan with, and joins by Easy Connect. */
export const lumenLamp: DeviceModel = {
  name: 'Lamp 3',
  manufacturer: 'Lumen Works',
  curve: 'P-256',
  curves: ['P-256'],
  format: 'voucher-cms+json',
  clockTrusted: true,
  nonceless: false,
  retry: { firstMs: 2_000, maxMs: hour },
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
}

export const deviceModels: readonly DeviceModel[] = [fjordClimate, kestrelMeter, lumenLamp]

/** How a unit of this model behaves as a pledge. */
export function profileOf(model: DeviceModel, birth: BirthCredential): PledgeProfile {
  const { serialNumber, idevid, anchors } = birth
  const { curve, curves, format, clockTrusted, nonceless, retry } = model
  return { serialNumber, idevid, anchors, curve, curves, format, clockTrusted, nonceless, retry, presencePath }
}
