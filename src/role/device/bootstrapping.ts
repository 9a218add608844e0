import { CodecError } from '../../codec/error.ts'
import type { Curve, KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type DppKeyPair, dppKeyPair, exportSpki } from '../../protocol/dpp/key.ts'
import { type BootstrappingUri, formatBootstrappingUri, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import type { DeviceStore } from './port.ts'

/** Label of the bootstrapping key; made on the line or at the first start, and kept by a factory reset. */
export const bootstrappingKeyLabel = 'dpp-bootstrapping'
/** Name in the device store: the URI as it is on the label. */
export const bootstrappingName = 'bootstrapping'

/** By what others know a device before they have met it. */
export interface Bootstrapping {
  /** `DPP:…;;` */
  readonly text: string
  readonly uri: BootstrappingUri
  readonly pair: DppKeyPair
}

interface Housing {
  readonly keys: KeyStore
  readonly store: DeviceStore
}

/** What the label says beside the key. */
export type BootstrappingFields = Pick<BootstrappingUri, 'mac' | 'channels' | 'information' | 'version'>

/**
 * The URI of this device. The key is made here, in the device's own key store, when there is none yet: who asks, as the line
 * does, gets to see the public half. The same answer each time; the fields of the first one count.
 */
export async function makeBootstrapping(
  { keys, store }: Housing,
  { curve, ...fields }: BootstrappingFields & { readonly curve: Curve },
): Promise<string> {
  const known = await store.read(bootstrappingName)
  if (known !== undefined) return Buffer.from(known).toString()
  if ((await keys.open(bootstrappingKeyLabel)) === undefined) await keys.generate(bootstrappingKeyLabel, curve)
  const pair = await openPair(keys)
  const text = formatBootstrappingUri({ publicKey: exportSpki(pair), curve: pair.curve, version: 3, ...fields })
  await store.write(bootstrappingName, Buffer.from(text))
  return text
}

/** Throws OnboardingError `bootstrapping-key-missing` for a device that has none, `input-invalid` for a damaged URI. */
export async function readBootstrapping({ keys, store }: Housing): Promise<Bootstrapping> {
  const bytes = await store.read(bootstrappingName)
  if (bytes === undefined) throw new OnboardingError('bootstrapping-key-missing')
  const text = Buffer.from(bytes).toString()
  const pair = await openPair(keys)
  try {
    return { text, uri: parseBootstrappingUri(text), pair }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new OnboardingError('input-invalid', { field: bootstrappingName, reason: error.message }, { cause: error })
  }
}

/** Authentication needs scalar and point arithmetic with the key, which no token offers: it is in a store of files. */
async function openPair(keys: KeyStore): Promise<DppKeyPair> {
  const key = await keys.tlsKey?.(bootstrappingKeyLabel)
  if (key === undefined) throw new OnboardingError('bootstrapping-key-missing')
  return dppKeyPair(key)
}
