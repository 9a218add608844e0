import type { Akm } from '../../src/protocol/dpp/akm.ts'
import { akms } from '../../src/protocol/dpp/akm.ts'
import type { DppCurve } from '../../src/protocol/dpp/curve.ts'

/** One exchange over TCP between Mooring and an independent peer. */
export interface Cell {
  /** What Mooring is. */
  readonly mooring: 'controller' | 'enrollee'
  readonly peer: 'wpa_supplicant' | 'hostapd'
  /** Who sends the Authentication Request, and why: `chirp` is the Controller, after a presence announcement. */
  readonly begins: 'enrollee' | 'controller' | 'chirp'
  readonly authentication: 'one-way' | 'mutual'
  readonly curve: DppCurve
  readonly akm: Akm
  /** What is different from an exchange that goes well. */
  readonly variant?: string
}

export interface CellResult extends Cell {
  readonly result: 'pass' | 'fail'
  /** Why it failed. */
  readonly reason?: string
  readonly milliseconds: number
}

export const curves = ['P-256', 'P-384', 'P-521', 'BP-256'] as const satisfies readonly DppCurve[]
export const allAkms: readonly Akm[] = akms

/** hostap's names of the curves. */
export const peerCurve: Readonly<Record<(typeof curves)[number], string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  'BP-256': 'brainpoolP256r1',
}

export function describeCell(cell: Cell): string {
  const { mooring, peer, begins, authentication, curve, akm, variant } = cell
  const who = mooring === 'controller' ? `Mooring -> ${peer}` : `${peer} -> Mooring`
  return [who, `${begins} begins`, authentication, curve, akm, variant].filter(part => part !== undefined).join(', ')
}

/** What the peer of this version cannot do at all: no cell, but a reason. */
export const beyond: readonly { readonly what: string; readonly reason: string; readonly instead?: string }[] = [
  {
    what: 'PKEX over TCP',
    reason:
      'wpa_supplicant and hostapd 2.10 speak PKEX on the air alone (version 1); over TCP from 2.11 on (version 2)',
    instead: 'the recorded vectors of both versions; npm run lab -- wifi pkex',
  },
  {
    what: 'a presence announcement of the peer',
    reason: 'wpa_supplicant and hostapd 2.10 chirp on the air alone; what they send there, hostapd relays',
    instead: 'npm run lab -- wifi relay-chirp',
  },
  {
    what: 'protocol version 3',
    reason: '2.10 speaks versions 1 and 2: no NEW_KEY_NEEDED, SAE password identifiers, third-party members',
    instead: 'the machines of both sides against each other',
  },
  {
    what: 'Connection Status',
    reason:
      'without a radio its Enrollee has nothing to connect with; its Controller asks for it over TCP and drops what it gets',
    instead: 'a cell shows that it asks and that we go on; the recorded exchanges',
  },
]
