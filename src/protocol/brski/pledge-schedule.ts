/** A registrar that may be asked, and when it is its turn. */
export interface Track {
  /** Origin, `https://host[:port]`. */
  readonly candidate: string
  /** Where the candidate sent us, if it did (RFC 8995 section 5.6: one hop). */
  readonly hop?: string
  /** In a row. */
  readonly failures: number
  /** Milliseconds since 1970. */
  readonly due: number
}

export interface RetrySchedule {
  /** After the first failure, milliseconds; doubles with each one more. */
  readonly firstMs: number
  readonly maxMs: number
}

/** More than this many networks at one socket are noise. */
const maxTracks = 16

/** RFC 8995 section 4.1: doubling up to an hour. Half of the time is chance, so that a street of devices does not return at once. */
export function backoff({ firstMs, maxMs }: RetrySchedule, failures: number, random: Uint8Array): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(full / 2 + (full / 2) * fraction(random))
}

/** In [0, 1), from four bytes. */
export function fraction(random: Uint8Array): number {
  let value = 0
  for (let i = 0; i < 4; i++) value = value * 256 + (random[i] ?? 0)
  return value / 2 ** 32
}

/** The origin of a candidate; undefined unless it is an https URL. */
export function originOf(candidate: string): string | undefined {
  if (candidate.length > 300 || !URL.canParse(candidate)) return undefined
  const url = new URL(candidate)
  return url.protocol === 'https:' && url.username === '' && url.password === '' ? url.origin : undefined
}

/** Tracks for `candidates`, in their order; what is known of a candidate stays, and so does one in `kept`. */
export function tracksFor(
  candidates: readonly string[],
  known: readonly Track[],
  kept: readonly string[],
  at: number,
): Track[] {
  const origins = candidates.flatMap(candidate => originOf(candidate) ?? [])
  const names = [...new Set([...origins, ...kept])].slice(0, maxTracks)
  return names.map(
    candidate => known.find(track => track.candidate === candidate) ?? { candidate, failures: 0, due: at },
  )
}

/** The first one in order among those that are due soonest. */
export function earliest(tracks: readonly Track[]): Track | undefined {
  return tracks.reduce<Track | undefined>((best, track) => (best && best.due <= track.due ? best : track), undefined)
}

export function replaceTrack(tracks: readonly Track[], track: Track): Track[] {
  return tracks.map(other => (other.candidate === track.candidate ? track : other))
}
