import { enrolling, issued } from './pledge-enrolment.ts'
import { confirmed, enrolled, enter, hasExpired, presented, reporting } from './pledge-network.ts'
import { emptyRecord, keyLabels, type PledgeRecord } from './pledge-record.ts'
import { connected, renew, renewed, renewing } from './pledge-renewal.ts'
import { tracksFor } from './pledge-schedule.ts'
import { leave, next, stay, wake } from './pledge-search.ts'
import type { Base, Input, PledgeProfile, Rejected, State, Transition, Unpowered } from './pledge-state.ts'
import { accepted, pinned, prepared, provisional, requested, seeking } from './pledge-voucher.ts'

export type { Effect, Input, PledgeProfile, Progress, State, Transition } from './pledge-state.ts'

/*
 * The pledge of RFC 8995 from its first power-up to its renewals, without a socket, a clock or a key: what it wants done
 * are effects, what happened are inputs. An input that a state does not wait for changes nothing, so that a late answer
 * or a hostile one cannot skip a check.
 */

export function unpowered(profile: PledgeProfile): Unpowered {
  return { type: 'unpowered', profile }
}

export function step(state: State, input: Input): Transition {
  if (state.type === 'unpowered') return input.type === 'power-restored' ? powerUp(state, input) : stay(state)
  if (input.type === 'candidates-found') return choose(state, input.candidates, input.at)
  switch (state.type) {
    case 'unprovisioned':
    case 'waiting':
      return input.type === 'timer-fired' ? wake(state.base, input.at) : stay(state)
    case 'seeking':
      return seeking(state, input)
    case 'provisional':
      return provisional(state, input)
    case 'prepared':
      return prepared(state, input)
    case 'requested':
      return requested(state, input)
    case 'accepted':
      return accepted(state, input)
    case 'pinned':
      return pinned(state, input)
    case 'enrolling':
      return enrolling(state, input)
    case 'issued':
      return issued(state, input)
    case 'rejected':
      return rejected(state, input)
    case 'enrolled':
      return enrolled(state, input)
    case 'reporting':
      return reporting(state, input)
    case 'confirmed':
      return confirmed(state, input)
    case 'presented':
      return presented(state, input)
    case 'connected':
      return connected(state, input)
    case 'renewing':
      return renewing(state, input)
    case 'renewed':
      return renewed(state, input)
  }
}

function powerUp({ profile }: Unpowered, { record: found, at }: { record?: PledgeRecord; at: number }): Transition {
  const record = settled(found ?? emptyRecord, at)
  const remembered = record.attempts.map(({ candidate }) => candidate)
  const base: Base = { profile, record, tracks: tracksFor([], [], remembered, at) }
  const { state, effects } = start(base, at)
  // Keys of steps that the power loss undid.
  return { state, effects: [{ type: 'keep-keys', labels: keyLabels(record) }, ...effects] }
}

function start(base: Base, at: number): Transition {
  if (base.record.credential === undefined) return next(base, at)
  return hasExpired(base, at) ? renew({ base, failures: 0 }) : enter(base)
}

/** A clock that starts again from nothing cannot say how old an attempt is: it counts from now. */
function settled(record: PledgeRecord, at: number): PledgeRecord {
  return {
    ...record,
    attempts: record.attempts.map(attempt => ({ ...attempt, startedAt: Math.min(attempt.startedAt, at) })),
  }
}

function choose(state: Exclude<State, Unpowered>, candidates: readonly string[], at: number): Transition {
  const { record, tracks } = state.base
  const remembered = record.attempts.map(({ candidate }) => candidate)
  const base = { ...state.base, tracks: tracksFor(candidates, tracks, remembered, at) }
  const idle = state.type === 'unprovisioned' || state.type === 'waiting'
  return idle ? next(base, at) : stay({ ...state, base })
}

/** Whatever came of the telemetry: this registrar is done with. */
function rejected(state: Rejected, input: Input): Transition {
  const over = input.type === 'replied' || input.type === 'connection-lost'
  return over ? leave(state.base, input.at) : stay(state)
}
