import type { ErrorCode, ErrorDetail } from '../../domain/error.ts'
import { type Attempt, withoutAttempt } from './pledge-record.ts'
import { backoff, earliest, replaceTrack, type Track } from './pledge-schedule.ts'
import type { Base, Effect, Progress, State, Transition } from './pledge-state.ts'

/** RFC 8995 section 5.6: longer than a long weekend. */
const maxAttemptMs = 4 * 86_400_000
/** After this many failures in a row a registrar that once was accepted no longer keeps the device from others. */
const maxLoyalty = 10

export interface Moment {
  readonly at: number
  readonly random: Uint8Array
}

export function stay(state: State): Transition {
  return { state, effects: [] }
}

export function report(progress: Progress): Effect {
  return { type: 'report', progress }
}

/** Goes to the registrar whose turn it is, or rests until one is due. */
export function next(given: Base, at: number): Transition {
  const base = forgetOld(given, at)
  const track = earliest(eligible(base))
  if (track === undefined) return { state: { type: 'unprovisioned', base }, effects: [] }
  if (track.due <= at) return seek(base, track)
  // A clock that was set back must not make the device sleep for years.
  const milliseconds = Math.min(track.due - at, base.profile.retry.maxMs)
  const type = base.record.attempts.length > 0 ? 'waiting' : 'unprovisioned'
  return {
    state: { type, base },
    effects: [report({ type: 'resting', milliseconds }), { type: 'set-timer', milliseconds }],
  }
}

/** The registrar that is due first, whatever the clock says: its timer has fired. */
export function wake(given: Base, at: number): Transition {
  const base = forgetOld(given, at)
  const track = earliest(eligible(base))
  return track === undefined ? stay({ type: 'unprovisioned', base }) : seek(base, track)
}

export function seek(base: Base, track: Track): Transition {
  const { candidate } = track
  const origin = attemptOf(base, candidate)?.origin ?? track.hop ?? candidate
  return {
    state: { type: 'seeking', base, candidate, origin },
    effects: [report({ type: 'trying', candidate }), { type: 'connect', origin, credential: 'birth' }],
  }
}

export function attemptOf(base: Base, candidate: string): Attempt | undefined {
  return base.record.attempts.find(attempt => attempt.candidate === candidate)
}

/** A registrar whose voucher was accepted has the device to itself, while it makes use of that. */
function eligible({ record, tracks }: Base): readonly Track[] {
  const bound = tracks.filter(
    track =>
      track.failures < maxLoyalty &&
      record.attempts.some(attempt => attempt.candidate === track.candidate && attempt.voucher !== undefined),
  )
  return bound.length > 0 ? bound : tracks
}

function forgetOld(base: Base, at: number): Base {
  const attempts = base.record.attempts.filter(attempt => at - attempt.startedAt <= maxAttemptMs)
  return attempts.length === base.record.attempts.length ? base : { ...base, record: { ...base.record, attempts } }
}

function trackOf(base: Base, candidate: string, at: number): Track {
  return base.tracks.find(track => track.candidate === candidate) ?? { candidate, failures: 0, due: at }
}

/** Puts the attempt aside with all that was reached, to go on with it in `waitMs`. */
export function park(base: Base, candidate: string, waitMs: number, { at }: Moment): Transition {
  const track = { ...trackOf(base, candidate, at), failures: 0, due: at + waitMs }
  return leave({ ...base, tracks: replaceTrack(base.tracks, track) }, at, [
    report({ type: 'waiting', candidate, milliseconds: waitMs }),
  ])
}

export interface Failure {
  readonly code: ErrorCode
  readonly detail?: ErrorDetail
  /** The same request is worth another try; otherwise a later try begins with a new one. */
  readonly keep?: boolean
  /** The registrar asked for that much. */
  readonly waitMs?: number
}

/** The same request is worth another try, unless it was answered with something that is no answer. */
export function lost({ unreadable = false }: { readonly unreadable?: boolean }): Failure {
  return unreadable
    ? { code: 'registrar-answer-invalid', detail: { rule: 'http' } }
    : { code: 'registrar-unreachable', keep: true }
}

/** Notes a failure; the candidate's next turn is later each time. */
export function demote(base: Base, candidate: string, failure: Failure, { at, random }: Moment): Base {
  const { hop: _, ...track } = trackOf(base, candidate, at)
  const failures = track.failures + 1
  const { retry } = base.profile
  const wait = Math.max(backoff(retry, failures, random), Math.min(failure.waitMs ?? 0, retry.maxMs))
  return {
    ...base,
    record: failure.keep === true ? base.record : withoutAttempt(base.record, candidate),
    tracks: replaceTrack(base.tracks, { ...track, failures, due: at + wait }),
  }
}

export function refusal(candidate: string, { code, detail = {} }: Failure): Effect {
  return report({ type: 'refused', candidate, code, detail })
}

/** Gives this candidate up for now and goes on to the next one. */
export function refuse(base: Base, candidate: string, failure: Failure, moment: Moment): Transition {
  return leave(demote(base, candidate, failure, moment), moment.at, [refusal(candidate, failure)])
}

/** Closes the connection and goes on. */
export function leave(base: Base, at: number, first: readonly Effect[] = []): Transition {
  const { state, effects } = next(base, at)
  return { state, effects: [...first, { type: 'disconnect' }, ...effects] }
}
