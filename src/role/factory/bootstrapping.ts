import { OnboardingError } from '../../domain/error.ts'
import { bandOf, parseChannel } from '../../domain/operating-class.ts'
import type { Store, Tx } from '../../domain/port.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { exportSpki, importSpki } from '../../protocol/dpp/key.ts'
import { type BootstrappingUri, formatBootstrappingUri, keyHash } from '../../protocol/dpp/uri.ts'
import { checkBootstrappingUri } from '../../protocol/dpp/uri-check.ts'

/** What a batch of devices for Wi-Fi Easy Connect is made with. */
export interface BootstrappingTerms {
  readonly curve: DppCurve
  /** Of the protocol; 2 when absent. */
  readonly version?: number
  /** `81/6`: where the devices announce themselves and listen. */
  readonly channels: readonly string[]
  /** Twelve hex digits: that of the first unit; each next one has the next. Absent: units say themselves, or have none. */
  readonly firstMac?: string
}

/** What the label of one unit is to say beside its key. */
export type BootstrappingFields = Pick<BootstrappingUri, 'mac' | 'channels' | 'information' | 'version'>

/** As text, so that a batch is resumed with the terms that it was begun with. */
export function bootstrappingText({ curve, version = 2, channels, firstMac = '' }: BootstrappingTerms): string {
  return `${curve} V:${version} C:${channels.join(',')} M:${firstMac}`
}

/** Throws OnboardingError `input-invalid`. */
export function checkBootstrappingTerms(terms: BootstrappingTerms, count: number): void {
  const refuse = (field: string, rule: string) => new OnboardingError('input-invalid', { field, rule })
  const { version = 2, channels, firstMac } = terms
  if (![1, 2, 3].includes(version)) throw refuse('dpp-version', '1, 2 or 3')
  const unknown = channels.find(text => {
    const channel = parseChannel(text)
    return channel === undefined || bandOf(channel) === undefined
  })
  if (unknown !== undefined) throw refuse('dpp-channel', 'operating class and channel, 81/6')
  if (firstMac === undefined) return
  if (!/^[0-9a-f]{12}$/.test(firstMac) || (Number.parseInt(firstMac.slice(0, 2), 16) & 1) === 1) {
    throw refuse('dpp-first-mac', 'an address of a device, 00:11:22:00:00:01')
  }
  // The first half is the vendor's; the second must not run over into another one's.
  if (Number.parseInt(firstMac.slice(6), 16) + count - 1 > 0xff_ffff) {
    throw refuse('dpp-first-mac', `${count} addresses from there on, with the same first half`)
  }
}

/** @param index of the unit in its batch, from 1 */
export function fieldsOf(terms: BootstrappingTerms, serial: string, index: number): BootstrappingFields {
  const { version = 2, channels, firstMac } = terms
  return {
    version,
    information: `SN=${serial}`,
    ...(channels.length === 0 ? {} : { channels: channels.flatMap(text => parseChannel(text) ?? []) }),
    ...(firstMac === undefined ? {} : { mac: macAfter(firstMac, index - 1) }),
  }
}

function macAfter(first: string, steps: number): string {
  return first.slice(0, 6) + (Number.parseInt(first.slice(6), 16) + steps).toString(16).padStart(6, '0')
}

/**
 * The URI for a key that a unit made.
 * @param spki SubjectPublicKeyInfo, the point compressed or not
 * Throws OnboardingError `bootstrapping-uri-invalid`.
 */
export function composeUri(spki: Uint8Array, fields: BootstrappingFields): string {
  const key = importSpki(spki)
  return formatBootstrappingUri({ publicKey: exportSpki(key), curve: key.curve, ...fields })
}

/**
 * That a unit can be found by what its label will say. Throws OnboardingError `bootstrapping-uri-invalid` with the first
 * reason, `batch-differs` for a key on another curve than the batch has.
 */
export function requireUsable(
  text: string,
  serial: string,
  { curve }: Pick<BootstrappingTerms, 'curve'>,
  { mac }: BootstrappingFields,
): BootstrappingUri {
  const { uri, findings } = checkBootstrappingUri(text, { serial, ...(mac === undefined ? {} : { mac }) })
  const wrong = findings.find(({ severity }) => severity === 'error')
  if (wrong !== undefined || uri === undefined) {
    throw new OnboardingError('bootstrapping-uri-invalid', { serial, reason: wrong?.message ?? 'it cannot be read' })
  }
  if (uri.curve !== curve) throw new OnboardingError('bootstrapping-uri-invalid', { serial, reason: `not on ${curve}` })
  return uri
}

/**
 * No two units with one key: whoever has the one could be the other. Known by the hash for ever, also when the unit never
 * gets finished. Throws OnboardingError `unit-key-reused`.
 */
export async function claimBootstrappingKey(store: Store, uri: BootstrappingUri, serial: string): Promise<void> {
  const name = `bootstrapping-key/${keyHash(uri).toString('hex')}`
  const holder = await store.transaction(tx => claimed(tx, name, serial))
  if (holder !== serial) throw new OnboardingError('unit-key-reused', { serial, other: holder })
}

async function claimed(tx: Tx, name: string, serial: string): Promise<string> {
  const known = await tx.setting.get(name)
  if (typeof known?.value === 'string') return known.value
  await tx.setting.insert({ name, value: serial })
  return serial
}
