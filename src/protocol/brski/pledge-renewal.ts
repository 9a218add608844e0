import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { extensionKinds, findExtension } from '../../codec/x509/extension.ts'
import * as est from '../est/client.ts'
import {
  authenticate,
  connectEffect,
  credentialIn,
  credentialOf,
  enter,
  hasExpired,
  isDisowned,
  keyEffects,
  renewalDue,
  rest,
  startOver,
  withDenial,
} from './pledge-network.ts'
import { nextKeyLabel, type PledgeRecord, withCredential, withoutRenewal } from './pledge-record.ts'
import { backoff } from './pledge-schedule.ts'
import { type Failure, lost, type Moment, refusal, report, stay } from './pledge-search.ts'
import type { Base, Connected, Input, Renewed, Renewing, Transition } from './pledge-state.ts'

export function connected(state: Connected, input: Input): Transition {
  const { base, failures } = state
  if (input.type === 'renewal-asked') return renew(state)
  if (input.type !== 'timer-fired') return stay(state)
  const due =
    hasExpired(base, input.at) || base.record.renewal !== undefined || failures > 0 || renewalLooms(base, input.at)
  return due ? renew(state) : rest(base, failures, input.at)
}

/** A device without a clock may find itself before the day on which it got its credential: then it cannot tell, and renews. */
function renewalLooms(base: Base, at: number): boolean {
  return at >= renewalDue(base) || at < credentialIn(base).obtainedAt
}

/** Also when it has just run out: the network may know a grace period. When it does not, the device starts from its birth. */
export function renew({ base, failures }: Pick<Connected, 'base' | 'failures'>): Transition {
  return { state: { type: 'renewing', base, failures }, effects: [connectEffect(base)] }
}

export function renewing(state: Renewing, input: Input): Transition {
  switch (input.type) {
    case 'connected':
      return state.est === undefined ? begin(state, input.chain, input) : stay(state)
    case 'connection-failed':
      return postpone(state, { code: 'registrar-unreachable', keep: true }, input)
    case 'connection-lost':
      return postpone(state, lost(input), input)
    case 'key-failed':
      return postpone(state, { code: 'device-key-failed' }, input)
    case 'persist-failed':
      return postpone(state, { code: 'device-storage-failed' }, input)
    case 'csr-made':
    case 'replied':
    case 'persisted':
      return state.est === undefined ? stay(state) : follow(state, est.step(state.est, input), input)
    case 'power-restored':
    case 'candidates-found':
    case 'request-signed':
    case 'timer-fired':
    case 'renewal-asked':
      return stay(state)
  }
}

function begin(state: Renewing, sent: readonly Uint8Array[], moment: Moment): Transition {
  const { base } = state
  const chain = authenticate(base, sent, moment.at)
  if (chain === undefined) return postpone(state, { code: 'network-not-authorized', keep: true }, moment)
  const { serialNumber, curve, curves, clockTrusted, estLabel } = base.profile
  const { subject, extensions } = decodeCertificate(credentialIn(base).certificate)
  const names = findExtension(extensions, extensionKinds.subjectAltName)
  const profile: est.EstProfile = {
    operation: 'simplereenroll',
    // RFC 7030 section 4.2.2: subject and subjectAltName are those of the certificate that is renewed.
    defaults: {
      subject: subject.der,
      serialNumber,
      curve,
      curves,
      ...(names === undefined ? {} : { extensions: [names] }),
    },
    clockTrusted,
    serverChain: chain,
    ...(estLabel === undefined ? {} : { label: estLabel }),
  }
  const { renewal } = base.record
  return follow({ ...state, chain }, renewal === undefined ? est.begin(profile) : est.resume(profile, renewal), moment)
}

function follow(state: Renewing, { state: inner, effects }: est.Transition, moment: Moment): Transition {
  const { base, failures } = state
  switch (inner.type) {
    case 'waiting': {
      const { state: resting, effects: timer } = rest(base, failures, moment.at, Math.max(inner.waitMs, 1000))
      return { state: resting, effects: [{ type: 'disconnect' }, ...timer] }
    }
    case 'rejected': {
      const { code, detail, transient, waitMs } = inner
      return postpone(state, { code, detail, keep: transient, ...(waitMs === undefined ? {} : { waitMs }) }, moment)
    }
    case 'enrolled':
      return replace(state, inner, moment)
    case 'unanchored':
    case 'anchored':
    case 'planned':
    case 'prepared':
    case 'submitted': {
      const going = { ...state, est: inner }
      const effect = effects[0]
      if (effect === undefined) return stay(going)
      if (effect.type === 'persist') return keep(going, effect.enrolment)
      return { state: going, effects: effect.type === 'send' ? [effect] : keyEffects(base.record, effect.plan) }
    }
  }
}

function keep(state: Renewing, enrolment: est.Enrolment): Transition {
  const { record } = state.base
  const renewal = { ...enrolment, keyLabel: nextKeyLabel(record) }
  const written: PledgeRecord = { ...record, keys: record.keys + 1, renewal }
  const base = { ...state.base, record: written }
  return { state: { ...state, base }, effects: [{ type: 'persist', record: written }] }
}

/** The old credential stays in force; another attempt follows, until it has run out. */
function postpone(state: Renewing | Renewed, failure: Failure, moment: Moment): Transition {
  const kept = failure.keep === true ? state.base : { ...state.base, record: withoutRenewal(state.base.record) }
  const base = withDenial(kept, failure)
  const failures = state.failures + 1
  const first = refusal(credentialIn(base).origin, failure)
  if (hasExpired(base, moment.at)) return startOver(base, moment, [first])
  // Is it the renewal that is refused, or the credential? The network tells when it is shown.
  if (isDisowned(base)) {
    const { state: asking, effects } = enter(base, failures)
    return { state: asking, effects: [first, { type: 'disconnect' }, ...effects] }
  }
  const wait = Math.max(backoff(base.profile.retry, failures, moment.random), failure.waitMs ?? 0)
  const { state: resting, effects } = rest(base, failures, moment.at, wait)
  return { state: resting, effects: [first, { type: 'disconnect' }, ...effects] }
}

function replace(state: Renewing, inner: est.Enrolled, { at }: Moment): Transition {
  const { base, failures, chain } = state
  const { renewal } = base.record
  const registrar = chain?.[0]
  if (renewal === undefined || registrar === undefined) return stay(state)
  const { origin } = credentialIn(base)
  const credential = { ...credentialOf(inner, renewal.keyLabel, at), origin, registrar: registrar.der }
  return {
    state: { type: 'renewed', base, failures, credential },
    effects: [{ type: 'persist', record: withCredential(base.record, credential) }],
  }
}

export function renewed(state: Renewed, input: Input): Transition {
  const { base, credential } = state
  if (input.type === 'persist-failed') return postpone(state, { code: 'device-storage-failed', keep: true }, input)
  if (input.type !== 'persisted') return stay(state)
  const { validity } = decodeCertificate(credential.certificate)
  const entered = enter({ ...base, record: withCredential(base.record, credential) })
  return {
    state: entered.state,
    effects: [
      report({ type: 'renewed', notAfter: validity.notAfter.getTime() }),
      { type: 'keep-keys', labels: [credential.keyLabel] },
      { type: 'disconnect' },
      ...entered.effects,
    ],
  }
}
