import type { Akm } from '../../src/protocol/dpp/akm.ts'
import { hasSuite } from '../../src/protocol/dpp/akm.ts'
import { type DppKeyPair, exportDppKey } from '../../src/protocol/dpp/key.ts'

/** What every Enrollee is configured for. */
export const ssid = 'interop-net'
export const passphrase = 'secret-of-this-device'
export const serverName = 'radius.interop.example'

export const hex = (text: string): string => Buffer.from(text).toString('hex')

export function needsPassphrase(akm: Akm): boolean {
  return hasSuite(akm, 'psk') || hasSuite(akm, 'sae')
}

/** hostap writes the mixtures in another order. */
export const peerAkm: Readonly<Record<Akm, string>> = {
  dpp: 'dpp',
  psk: 'psk',
  sae: 'sae',
  'psk+sae': 'psk-sae',
  'dpp+sae': 'sae-dpp',
  'dpp+psk+sae': 'psk-sae-dpp',
  dot1x: 'dot1x',
}

/** `key=` of DPP_BOOTSTRAP_GEN and DPP_CONFIGURATOR_ADD. */
export function peerKey(pair: DppKeyPair): string {
  return exportDppKey(pair).reveal().toString('hex')
}
