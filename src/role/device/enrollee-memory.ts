import { z } from 'zod'
import { encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJson, encodeCanonicalJson } from '../../codec/json.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { Log } from '../../domain/port.ts'
import { type ConfigurationObject, decodeConfigurationObject } from '../../protocol/dpp/configuration-object.ts'
import {
  type DppKeyPair,
  type DppPublicKey,
  exportDppKey,
  exportSpki,
  importDppKey,
  importSpki,
} from '../../protocol/dpp/key.ts'
import type { DeviceStore } from './port.ts'

/** Name in the device store of what a Configurator gave; a factory reset forgets it. */
export const enrolleeName = 'enrollee'

/** Networks of a device and the key that it shows there. */
export interface StoredNetworks {
  /** Of the device, for EAP. */
  readonly name: string
  readonly networks: readonly ConfigurationObject[]
  readonly netAccessKey: DppKeyPair
  /** `host:port` of the Controller. */
  readonly origin: string
  /** E-id: by what the Configurator, and nobody else, recognises it when it asks for reconfiguration. */
  readonly identity?: DppPublicKey
}

/** As they came, so that nothing is lost in between. */
export interface Grant extends Omit<StoredNetworks, 'networks'> {
  readonly objects: readonly Uint8Array[]
}

const bytes = z.base64().transform(text => Buffer.from(text, 'base64'))
const Record = z.strictObject({
  version: z.literal(1),
  name: z.string().max(256),
  origin: z.string().max(300),
  objects: z.array(bytes).min(1).max(10),
  netAccessKey: bytes,
  identity: bytes.optional(),
})

const LIMITS = { size: 0x10_0000, depth: 3, count: 30 }

/** Whole or not at all, and durable when this resolves. */
export async function writeNetworks(store: DeviceStore, grant: Grant): Promise<void> {
  const { name, origin, objects, netAccessKey, identity } = grant
  using key = exportDppKey(netAccessKey)
  const record = {
    version: 1,
    name,
    origin,
    objects: objects.map(encodeBase64),
    netAccessKey: encodeBase64(key.reveal()),
    ...(identity !== undefined && { identity: encodeBase64(exportSpki(identity)) }),
  }
  const text = Buffer.from(encodeCanonicalJson(record))
  await store.write(enrolleeName, text)
  text.fill(0)
}

/** Undefined when there are none, or none that can be read: the device then asks again, which is always safe. */
export async function readNetworks(store: DeviceStore, log: Log): Promise<StoredNetworks | undefined> {
  const stored = await store.read(enrolleeName)
  if (stored === undefined) return undefined
  try {
    const { objects, netAccessKey, identity, ...record } = Record.parse(decodeJson(stored, LIMITS))
    return {
      name: record.name,
      origin: record.origin,
      networks: objects.map(decodeConfigurationObject),
      netAccessKey: importDppKey(netAccessKey),
      ...(identity !== undefined && { identity: importSpki(identity) }),
    }
  } catch (error) {
    const damaged = error instanceof CodecError || error instanceof CryptoError || error instanceof z.ZodError
    if (!damaged) throw error
    log.warn({ reason: error.name }, 'networks of the device cannot be read')
    return undefined
  }
}
