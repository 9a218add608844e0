import { CodecError } from '../../codec/error.ts'

/** Names of the ways to authenticate to an access point, as `cred.akm` spells them. */
export const akms = ['dpp', 'psk', 'sae', 'psk+sae', 'dpp+sae', 'dpp+psk+sae', 'dot1x'] as const
export type Akm = (typeof akms)[number]

/** One AKM suite of a name. */
export type AkmSuite = 'dpp' | 'psk' | 'sae' | 'dot1x'

/** AKM suite selectors (OUI and type, hex): several ask for the same credential. */
const suiteBySelector: ReadonlyMap<string, AkmSuite> = new Map([
  ['506F9A02', 'dpp'],
  ['000FAC08', 'sae'],
  ['000FAC09', 'sae'],
  ['000FAC02', 'psk'],
  ['000FAC06', 'psk'],
  ['000FAC01', 'dot1x'],
  ['000FAC05', 'dot1x'],
])

/** As hostap writes them. */
const selectors: Readonly<Record<Akm, string>> = {
  dpp: '506F9A02',
  psk: '000FAC02+000FAC06',
  sae: '000FAC08',
  'psk+sae': '000FAC02+000FAC06+000FAC08',
  'dpp+sae': '506F9A02+000FAC08',
  'dpp+psk+sae': '506F9A02+000FAC08+000FAC02+000FAC06',
  dot1x: '000FAC01+000FAC05',
}

export function suitesOf(akm: Akm): readonly AkmSuite[] {
  return akm.split('+') as AkmSuite[]
}

export function hasSuite(akm: Akm, suite: AkmSuite): boolean {
  return suitesOf(akm).includes(suite)
}

/**
 * Reads `cred.akm`: a name, or selectors joined by `+` of which unknown ones are passed over. Throws CodecError
 * `unsupported` when nothing is left that one credential can serve.
 */
export function decodeAkm(text: string): Akm {
  const named = akms.find(akm => akm === text)
  if (named !== undefined) return named
  if (!/^[0-9A-Fa-f]{8}(\+[0-9A-Fa-f]{8}){0,15}$/.test(text)) throw unsupported(text)
  const found = new Set(
    text
      .toUpperCase()
      .split('+')
      .map(selector => suiteBySelector.get(selector)),
  )
  const akm = akms.find(each => sameSuites(suitesOf(each), found))
  if (akm === undefined) throw unsupported(text)
  return akm
}

function sameSuites(wanted: readonly AkmSuite[], found: ReadonlySet<AkmSuite | undefined>): boolean {
  const known = [...found].filter(suite => suite !== undefined)
  return known.length === wanted.length && wanted.every(suite => found.has(suite))
}

function unsupported(text: string): CodecError {
  return new CodecError('unsupported', `akm ${JSON.stringify(text.slice(0, 40))} is not known`)
}

export function akmSelectors(akm: Akm): string {
  return selectors[akm]
}
