import * as est from '../est/client.ts'
import { credentialOf, enrollStatus, enter, keyEffects } from './pledge-network.ts'
import {
  type Attempt,
  type NetworkCredential,
  nextKeyLabel,
  type PledgeEnrolment,
  withAttempt,
  withCredential,
} from './pledge-record.ts'
import { demote, type Failure, lost, type Moment, park, refusal, refuse, report, stay } from './pledge-search.ts'
import type { Enrolling, Input, Issued, Pinned, Transition } from './pledge-state.ts'

export function beginEnrolment(state: Pinned, moment: Moment): Transition {
  return follow(state, est.begin(profileOf(state)), moment)
}

/** The same CSR as before: one request, one credential (RFC 7030 section 4.2.3). */
export function resumeEnrolment(state: Pinned, enrolment: PledgeEnrolment, moment: Moment): Transition {
  return follow(state, est.resume(profileOf(state), enrolment), moment)
}

function profileOf({ base, chain }: Pinned): est.EstProfile {
  const { idevid, serialNumber, curve, curves, clockTrusted, estLabel } = base.profile
  return {
    operation: 'simpleenroll',
    defaults: { subject: idevid.subject.der, serialNumber, curve, curves },
    clockTrusted,
    serverChain: chain,
    ...(estLabel === undefined ? {} : { label: estLabel }),
  }
}

export function enrolling(state: Enrolling, input: Input): Transition {
  const { base, candidate } = state
  switch (input.type) {
    case 'connection-lost':
      return refuse(base, candidate, lost(input), input)
    case 'key-failed':
      return refuse(base, candidate, { code: 'device-key-failed', keep: true }, input)
    case 'persist-failed':
      return forgetEnrolment(state, input)
    case 'csr-made':
      // A network credential with the birth key would tie the two lives together.
      if (equal(input.spki, base.profile.idevid.spkiDer)) {
        return refuse(base, candidate, { code: 'csr-reuses-birth-key' }, input)
      }
      return follow(state, est.step(state.est, input), input)
    case 'replied':
    case 'persisted':
      return follow(state, est.step(state.est, input), input)
    case 'power-restored':
    case 'candidates-found':
    case 'connected':
    case 'connection-failed':
    case 'request-signed':
    case 'timer-fired':
    case 'renewal-asked':
      return stay(state)
  }
}

/** What could not be written must not be sent: the next turn makes another request. */
function forgetEnrolment({ base, candidate, attempt }: Enrolling, moment: Moment): Transition {
  const { enrolment: _, ...rest } = attempt
  const record = withAttempt(base.record, rest)
  return refuse({ ...base, record }, candidate, { code: 'device-storage-failed', keep: true }, moment)
}

type Going = Pinned | Enrolling

function follow(state: Going, { state: inner, effects }: est.Transition, moment: Moment): Transition {
  const { base, candidate } = state
  switch (inner.type) {
    case 'waiting':
      return park(base, candidate, Math.max(inner.waitMs, 1000), moment)
    case 'rejected':
      return rejected(state, inner, moment)
    case 'enrolled':
      return issue(state, inner, moment)
    case 'unanchored':
    case 'anchored':
    case 'planned':
    case 'prepared':
    case 'submitted': {
      const going: Enrolling = { ...state, type: 'enrolling', est: inner }
      const effect = effects[0]
      if (effect === undefined) return stay(going)
      if (effect.type === 'persist') return keep(going, effect.enrolment)
      return { state: going, effects: effect.type === 'send' ? [effect] : keyEffects(base.record, effect.plan) }
    }
  }
}

function keep(state: Enrolling, enrolment: est.Enrolment): Transition {
  const { base } = state
  const keyLabel = nextKeyLabel(base.record)
  const attempt: Attempt = { ...state.attempt, enrolment: { ...enrolment, keyLabel } }
  const record = withAttempt({ ...base.record, keys: base.record.keys + 1 }, attempt)
  return { state: { ...state, base: { ...base, record }, attempt }, effects: [{ type: 'persist', record }] }
}

function rejected({ base, candidate }: Going, inner: est.Rejected, moment: Moment): Transition {
  const { code, detail, transient, waitMs } = inner
  const failure: Failure = { code, detail, keep: transient, ...(waitMs === undefined ? {} : { waitMs }) }
  if (transient) return refuse(base, candidate, failure, moment)
  // RFC 8995 section 5.9.4: a failure is told on the connection that it happened on.
  return {
    state: { type: 'rejected', base: demote(base, candidate, failure, moment), candidate },
    effects: [refusal(candidate, failure), enrollStatus({ status: false, reason: code })],
  }
}

function issue(state: Going, inner: est.Enrolled, { at }: Moment): Transition {
  const { base, attempt, origin, chain } = state
  const { enrolment } = attempt
  if (enrolment === undefined) return stay(state)
  const credential: NetworkCredential = {
    ...credentialOf(inner, enrolment.keyLabel, at),
    origin,
    registrar: chain[0]!.der,
  }
  const { candidate } = state
  return {
    state: { type: 'issued', base, candidate, origin, chain, attempt, credential },
    effects: [{ type: 'persist', record: withCredential(base.record, credential) }],
  }
}

export function issued(state: Issued, input: Input): Transition {
  const { base, candidate, credential } = state
  if (input.type === 'persist-failed') {
    return refuse(base, candidate, { code: 'device-storage-failed', keep: true }, input)
  }
  if (input.type !== 'persisted') return stay(state)
  const record = withCredential(base.record, credential)
  const entered = enter({ ...base, record })
  return {
    state: entered.state,
    effects: [
      report({ type: 'climbed', rung: 'credentialed', candidate }),
      { type: 'keep-keys', labels: [credential.keyLabel] },
      { type: 'disconnect' },
      ...entered.effects,
    ],
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
