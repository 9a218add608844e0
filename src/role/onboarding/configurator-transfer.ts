import { Secret } from '../../crypto/secret.ts'
import type { ConfiguratorKeyRecord } from '../../domain/configurator-key.ts'
import { OnboardingError } from '../../domain/error.ts'
import { coded } from '../../domain/failure.ts'
import type { Random } from '../../domain/port.ts'
import { exportConfigurator, exportHostapKey, importConfigurator, importHostapKey } from '../../protocol/dpp/backup.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import type { DppKeyPair } from '../../protocol/dpp/key.ts'
import type { ConfiguratorKeys as KeyPackageEntry } from '../../protocol/dpp/key-package.ts'
import type { ConfiguratorKeys } from './configurator-key.ts'

/*
 * A Configurator is its C-sign key and its ppKey: who has both signs Connectors for its networks and knows its devices when they
 * come back. They leave a site for a second one, for a safe, or for hostap, and come from there.
 */

/** As a key package holds them, at most. */
const most = 16
/** hostap writes a constant there, too: a template without secrets that nobody reads. */
const configurationTemplate = '{"wi-fi_tech":"infra","discovery":{"ssid":""},"cred":{"akm":"dpp"}}'

const unreadable = {
  malformed: 'configurator-keys-unreadable',
  signature: 'configurator-keys-unreadable',
  path: 'configurator-keys-unreadable',
} as const

/** A file with all C-sign keys, current ones first, sealed under a passphrase; PEM. Throws OnboardingError `not-found`. */
export async function exportKeys(keys: ConfiguratorKeys, passphrase: Secret, random: Random): Promise<string> {
  const all = await keys.all('c-sign')
  if (all.length === 0) throw new OnboardingError('not-found', { key: 'c-sign' })
  const entries = await Promise.all(
    all.slice(0, most).map(async ({ pair }): Promise<KeyPackageEntry> => {
      const { pair: ppKey } = await keys.current('pp', pair.curve)
      return { csign: pair, ppKey, configurationTemplate }
    }),
  )
  return exportConfigurator(entries, passphrase, { salt: random(64), contentKey: random(64) })
}

/** The current keys of a curve as hostap takes them: `key=` and `ppkey=`, each on its line. Not sealed. Throws as `exportKeys`. */
export async function exportForHostap(keys: ConfiguratorKeys, curve: DppCurve): Promise<Secret> {
  const all = await keys.all('c-sign')
  const csign = all.find(({ record, pair }) => record.state === 'current' && pair.curve === curve)
  if (csign === undefined) throw new OnboardingError('not-found', { key: 'c-sign', curve })
  using key = exportHostapKey(csign.pair)
  using ppKey = exportHostapKey((await keys.current('pp', curve)).pair)
  return new Secret(`key=${key.revealText()}\nppkey=${ppKey.revealText()}\n`)
}

/**
 * Takes the keys of such a file in; of each curve the first becomes the current one. What is current already stays. Throws
 * OnboardingError `configurator-keys-unreadable`, also for another passphrase.
 */
export async function importKeys(
  keys: ConfiguratorKeys,
  text: string,
  passphrase: Secret,
  by: string,
): Promise<readonly ConfiguratorKeyRecord[]> {
  const entries = await importConfigurator(text, passphrase).catch((error: unknown) => {
    throw coded(error, unreadable)
  })
  return adoptAll(keys, entries, by)
}

/** Takes the C-sign key of `key=` in, and the ppKey of `ppkey=` where it is there. Throws as `importKeys`. */
export async function importFromHostap(
  keys: ConfiguratorKeys,
  text: Secret,
  by: string,
): Promise<readonly ConfiguratorKeyRecord[]> {
  const csign = hostapKey(text, 'key')
  if (csign === undefined) throw new OnboardingError('configurator-keys-unreadable', { rule: 'no key=' })
  const ppKey = hostapKey(text, 'ppkey')
  if (ppKey !== undefined && ppKey.curve !== csign.curve) {
    throw new OnboardingError('configurator-keys-unreadable', { rule: 'key= and ppkey= are on two curves' })
  }
  return adoptAll(keys, [{ csign, ...(ppKey !== undefined && { ppKey }) }], by)
}

function hostapKey(text: Secret, name: string): DppKeyPair | undefined {
  const [, hex] = new RegExp(`(?:^|\\s)${name}=(\\S+)`).exec(text.revealText()) ?? []
  if (hex === undefined) return undefined
  try {
    return importHostapKey(new Secret(hex))
  } catch (error) {
    throw coded(error, unreadable)
  }
}

/** From the last to the first, since each takes the place of the one before. */
async function adoptAll(
  keys: ConfiguratorKeys,
  entries: readonly { readonly csign: DppKeyPair; readonly ppKey?: DppKeyPair }[],
  by: string,
): Promise<readonly ConfiguratorKeyRecord[]> {
  const taken: ConfiguratorKeyRecord[] = []
  for (const { csign, ppKey } of entries.toReversed()) {
    for (const [use, pair] of [
      ['c-sign', csign],
      ['pp', ppKey],
    ] as const) {
      if (pair === undefined || (await isThere(keys, use, pair))) continue
      taken.push((await keys.adopt(use, pair, by)).record)
    }
  }
  return taken
}

async function isThere(keys: ConfiguratorKeys, use: 'c-sign' | 'pp', { curve, point }: DppKeyPair): Promise<boolean> {
  const all = await keys.all(use)
  return all.some(({ record, pair }) => pair.curve === curve && record.state === 'current' && pair.point.equals(point))
}
