/** Channels of the global operating classes (IEEE 802.11-2020 table E-4), as bootstrapping URIs and access points name them. */

type Band = '2.4 GHz' | '5 GHz' | '6 GHz' | '60 GHz'

interface OperatingClass {
  readonly band: Band
  readonly channels: readonly number[]
}

const every = (first: number, last: number, step: number): number[] =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, n) => first + n * step)

const classes: ReadonlyMap<number, OperatingClass> = new Map<number, OperatingClass>([
  [81, { band: '2.4 GHz', channels: every(1, 13, 1) }],
  [82, { band: '2.4 GHz', channels: [14] }],
  [83, { band: '2.4 GHz', channels: every(1, 9, 1) }],
  [84, { band: '2.4 GHz', channels: every(5, 13, 1) }],
  [115, { band: '5 GHz', channels: every(36, 48, 4) }],
  [116, { band: '5 GHz', channels: [36, 44] }],
  [117, { band: '5 GHz', channels: [40, 48] }],
  [118, { band: '5 GHz', channels: every(52, 64, 4) }],
  [119, { band: '5 GHz', channels: [52, 60] }],
  [120, { band: '5 GHz', channels: [56, 64] }],
  [121, { band: '5 GHz', channels: every(100, 144, 4) }],
  [122, { band: '5 GHz', channels: every(100, 140, 8) }],
  [123, { band: '5 GHz', channels: every(104, 144, 8) }],
  [124, { band: '5 GHz', channels: every(149, 161, 4) }],
  [125, { band: '5 GHz', channels: every(149, 177, 4) }],
  [126, { band: '5 GHz', channels: every(149, 173, 8) }],
  [127, { band: '5 GHz', channels: every(153, 177, 8) }],
  // Of wider channels Easy Connect names the 20 MHz one that frames are sent on, by any class of 20 MHz.
  [131, { band: '6 GHz', channels: every(1, 233, 4) }],
  [136, { band: '6 GHz', channels: [2] }],
  [180, { band: '60 GHz', channels: every(1, 6, 1) }],
])

/** A channel as a bootstrapping URI writes it: `81/6`. */
export interface Channel {
  readonly operatingClass: number
  readonly channel: number
}

/** Undefined when the text is not `class/channel`. */
export function parseChannel(text: string): Channel | undefined {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text)
  return match === null ? undefined : { operatingClass: Number(match[1]), channel: Number(match[2]) }
}

/** Undefined when there is no such class, or the class has no such channel. */
export function bandOf({ operatingClass, channel }: Channel): Band | undefined {
  const found = classes.get(operatingClass)
  return found?.channels.includes(channel) === true ? found.band : undefined
}

/**
 * A device may listen there, but must not be the first to send: radar has to be looked for first (5250 to 5350 and 5470 to
 * 5725 MHz). It is not where a device can announce itself.
 */
export function needsRadarDetection({ operatingClass, channel }: Channel): boolean {
  return bandOf({ operatingClass, channel }) === '5 GHz' && channel >= 52 && channel <= 144
}

/**
 * Channels on which every device announces itself beside those of its URI: one in each band (Easy Connect section 6.2).
 * 44 in the world, 149 in places.
 */
export const announcementChannels: readonly string[] = ['81/6', '115/44', '124/149', '180/2']

/** Whether the two name one 20 MHz channel, in whatever class. */
export function sameChannel(one: Channel, other: Channel): boolean {
  const band = bandOf(one)
  return band !== undefined && band === bandOf(other) && one.channel === other.channel
}
