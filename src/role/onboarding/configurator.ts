import { hash } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import type { AdmissionDecision } from '../../domain/admission.ts'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Log, Random, Store } from '../../domain/port.ts'
import { decodeAttributes } from '../../protocol/dpp/attribute.ts'
import { ownBootstrapping, peerBootstrapping, protocolVersion } from '../../protocol/dpp/authentication.ts'
import { askedFor } from '../../protocol/dpp/authentication-responder.ts'
import { initiate, respond } from '../../protocol/dpp/configurator.ts'
import { curveProfile } from '../../protocol/dpp/curve.ts'
import { type DppFrame, decodeFrame, dppFrame } from '../../protocol/dpp/frame.ts'
import { generateDppKey } from '../../protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { activeKey, chirpingKey } from './bootstrapping.ts'
import type { ConfiguratorKey, ConfiguratorKeys } from './configurator-key.ts'
import type { DppConnection, DppReceiver, DppService, Schedule } from './configurator-port.ts'
import {
  type ConfiguratorSession,
  openSession,
  type SessionParts,
  type SessionStart,
  type SessionTimes,
  sessionTimes,
} from './configurator-session.ts'
import type { EnrolleeDecisions } from './enrollee-decision.ts'
import type { EnrolleeOutcomes } from './enrollee-outcome.ts'
import { createOpenSessions, type OpenSessions } from './open-session.ts'
import { createReconfiguration, type Reconfiguration } from './reconfiguration.ts'
import { openReconfiguration } from './reconfiguration-session.ts'
import type { RefusalRecord } from './refusal-record.ts'
import { createRelayMemory, type RelayMemory } from './relay-memory.ts'

export interface ConfiguratorOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly schedule: Schedule
  readonly keys: ConfiguratorKeys
  readonly decisions: EnrolleeDecisions
  readonly outcomes: EnrolleeOutcomes
  readonly refusals: RefusalRecord
  readonly times?: Partial<SessionTimes>
}

/** Since the start. */
export interface ConfiguratorCounters {
  chirps: number
  /** Of them, and of authentication requests: for keys that are not on record here. */
  unknown: number
  sessions: number
  authenticated: number
  failed: number
}

/** An Enrollee that has asked, and whose code nobody has scanned, or that nobody has let in. */
export interface WaitingEnrollee {
  /** SHA-256 of its bootstrapping key, as it says, hex. */
  readonly keyHash: string
  readonly address: string
}

export interface Configurator extends DppService {
  readonly counters: Readonly<ConfiguratorCounters>
  /** Under way. */
  readonly sessions: () => number
  readonly waiting: () => readonly WaitingEnrollee[]
  /** Resolves when what is under way has ended, and is on record. */
  close(): Promise<void>
}

interface Parts extends ConfiguratorOptions {
  readonly reconfiguration: Reconfiguration
  readonly open: OpenSessions
  readonly relays: RelayMemory
  readonly counters: ConfiguratorCounters
}

/**
 * The Configurator of a site, for all its devices and access points at once (Easy Connect sections 6.2 to 6.4): it answers
 * those who chirp, and those who have scanned its code.
 */
export function createConfigurator(options: ConfiguratorOptions): Configurator {
  const counters = { chirps: 0, unknown: 0, sessions: 0, authenticated: 0, failed: 0 }
  const relays = createRelayMemory(options.clock)
  const open = createOpenSessions(options.store, scanned => admitScanned(parts, scanned))
  const parts: Parts = { ...options, open, relays, counters, reconfiguration: createReconfiguration(options) }
  return {
    counters,
    sessions: () => open.size,
    waiting: () => open.waiting(),
    connected: connection => receiver(parts, connection),
    close: () => open.close(),
  }
}

/** Messages that a connection may have ahead of what is being looked up for its first. */
const mostAhead = 4

/** The first message of a connection says whose it is; everything after that is the session's. */
function receiver(parts: Parts, connection: DppConnection): DppReceiver {
  let session: ConfiguratorSession | undefined
  let begun = false
  let gone = false
  const ahead: Uint8Array[] = []
  async function begin(message: Uint8Array): Promise<void> {
    try {
      session = await sessionFor(parts, connection, message)
    } catch (error) {
      report(parts, connection, error)
    }
    if (session === undefined) return connection.close()
    if (gone) return session.closed(connection)
    for (const next of ahead.splice(0)) session.received(connection, next)
  }
  return {
    received(message) {
      if (session !== undefined) session.received(connection, message)
      else if (!begun) {
        begun = true
        void begin(message)
      } else if (ahead.length < mostAhead) ahead.push(message)
    },
    closed() {
      gone = true
      session?.closed(connection)
    },
  }
}

/** Undefined for whatever gets no answer: it is closed at once, so that a relay has room for the next. */
async function sessionFor(
  parts: Parts,
  connection: DppConnection,
  message: Uint8Array,
): Promise<ConfiguratorSession | undefined> {
  const frame = decodeFrame(message)
  if (frame.kind !== 'dpp') return undefined
  if (frame.type === dppFrame.presenceAnnouncement) return chirped(parts, connection, message, frame)
  if (frame.type === dppFrame.authenticationRequest) return asked(parts, connection, message, frame)
  if (frame.type === dppFrame.reconfigurationAnnouncement) return returned(parts, connection, message, frame)
  return undefined
}

/** Easy Connect section 6.2.4: a device that waits to be asked. Neighbours' devices do that, too. */
async function chirped(
  parts: Parts,
  connection: DppConnection,
  message: Uint8Array,
  frame: DppFrame,
): Promise<ConfiguratorSession | undefined> {
  const { store, keys, relays, counters, open, random } = parts
  counters.chirps++
  const chirp = Buffer.from(decodeAttributes(frame.attributes).need('responderBootstrappingKeyHash', 32)).toString(
    'hex',
  )
  const key = await store.read(tables => chirpingKey(tables, chirp))
  if (key === undefined) {
    counters.unknown++
    return undefined
  }
  relays.seen(connection.address)
  const asking = open.asking(key.id)
  if (asking !== undefined) {
    asking.attach(connection)
    return asking
  }
  const protocolKey = generateDppKey(parseBootstrappingUri(key.uri).curve)
  const attempt = hash('sha256', protocolKey.point)
  const decision = await knock(parts, key, attempt, connection)
  if (decision.verdict !== 'admit') return undefined
  const { curve } = protocolKey
  const own = await keys.current('bootstrapping', curve)
  // While that was looked up the device may have chirped again.
  const meanwhile = open.asking(key.id)
  if (meanwhile !== undefined) {
    meanwhile.attach(connection)
    return meanwhile
  }
  open.makeRoom(key.id, connection.address)
  return start(parts, {
    connection,
    key,
    attempt,
    first: [message],
    relayed: true,
    begin: () =>
      initiate({
        responder: peerBootstrapping(parseBootstrappingUri(key.uri)),
        own: ownBootstrapping(own.pair),
        protocolKey,
        nonce: random(curveProfile(curve).nonceSize),
        version: protocolVersion,
      }),
  })
}

/** Somebody has scanned our code. */
async function asked(
  parts: Parts,
  connection: DppConnection,
  message: Uint8Array,
  frame: DppFrame,
): Promise<ConfiguratorSession | undefined> {
  const { store, relays, open, random } = parts
  const { responderHash, initiatorHash } = askedFor(frame.attributes)
  const own = await ownKey(parts, responderHash)
  const initiator = Buffer.from(initiatorHash).toString('hex')
  if (own === undefined) throw new OnboardingError('bootstrapping-key-unknown', { asked: hex(responderHash) })
  const key = await store.read(tables => activeKey(tables, initiator))
  const attempt = hash('sha256', message)
  const decision = key && (await knock(parts, key, attempt, connection))
  if (key !== undefined && decision?.verdict === 'refuse') {
    throw new OnboardingError(decision.code, { device: decision.device })
  }
  const welcome = key !== undefined && decision?.verdict === 'admit'
  if (welcome) open.makeRoom(key.id, connection.address)
  else if (!open.mayWait(connection.address)) return undefined
  const { curve } = own.pair
  const session = start(parts, {
    connection,
    ...(welcome ? { key } : {}),
    attempt,
    first: [message],
    relayed: relays.isRelay(connection.address),
    begin: () =>
      respond(
        {
          own: ownBootstrapping(own.pair),
          protocolKey: generateDppKey(curve),
          nonce: random(curveProfile(curve).nonceSize),
          version: protocolVersion,
          // Somebody whose code nobody has scanned is told to wait for that; so is who waits for a person.
          awaitInitiator: true,
          ...(welcome ? { initiator: peerBootstrapping(parseBootstrappingUri(key.uri)) } : {}),
        },
        frame,
      ),
  })
  if (!welcome) open.await(session, initiator, key?.device)
  return session
}

/** A device that we have configured once, and that finds no way in any more. */
async function returned(
  parts: Parts,
  connection: DppConnection,
  message: Uint8Array,
  frame: DppFrame,
): Promise<ConfiguratorSession | undefined> {
  const { reconfiguration, relays, counters, open } = parts
  counters.chirps++
  const announced = await reconfiguration.announced(frame)
  if (announced === undefined) {
    counters.unknown++
    return undefined
  }
  relays.seen(connection.address)
  const { identity, options } = announced
  // Each announcement looks new to everybody else.
  const already = open.returning(identity)
  if (already !== undefined) {
    already.attach(connection)
    return already
  }
  open.makeRoom(identity, connection.address)
  counters.sessions++
  const session = openReconfiguration(
    { ...sessionParts(parts), identify: (connector, address) => reconfiguration.identify(connector, address) },
    { connection, identity, attempt: hash('sha256', message), first: message, relayed: true, options },
  )
  open.add(session)
  return session
}

/** Of ours, the one whose hash this is; former ones are shown nowhere any more. */
async function ownKey({ keys }: Parts, wanted: Uint8Array): Promise<ConfiguratorKey | undefined> {
  const own = await keys.current('bootstrapping', 'P-256')
  if (ownBootstrapping(own.pair).hash.toString() === Buffer.from(wanted).toString()) return own
  const all = await keys.all('bootstrapping')
  return all.find(({ record, pair }) => record.state === 'current' && hex(ownBootstrapping(pair).hash) === hex(wanted))
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}

function knock(
  { decisions }: Parts,
  key: BootstrappingKeyRecord,
  attempt: string,
  { address }: DppConnection,
): Promise<AdmissionDecision> {
  return decisions.knock({ key, id: attempt, transcript: attempt, address })
}

function start(parts: Parts, begin: SessionStart): ConfiguratorSession {
  parts.counters.sessions++
  const session = openSession(sessionParts(parts), begin)
  parts.open.add(session)
  return session
}

function sessionParts(parts: Parts): SessionParts {
  const { open, counters, decisions, outcomes, schedule, log, times, refusals } = parts
  return {
    decisions,
    outcomes,
    schedule,
    log,
    times: { ...sessionTimes, ...times },
    onAuthenticated(authenticated) {
      counters.authenticated++
      open.won(authenticated)
    },
    onEnd(ended, error) {
      if (error === undefined) {
        open.remove(ended)
        return
      }
      counters.failed++
      void refusals
        .record(error, stranger(ended.address))
        .catch((failure: unknown) => log.error({ err: failure }, 'a refusal could not be recorded'))
        .finally(() => open.remove(ended))
    },
  }
}

/**
 * A person scanned the code of somebody who waits, or let the device in. Asked again after each change, by nobody who could be
 * told that it failed: who waits goes on waiting.
 */
async function admitScanned(parts: Parts, { session, keyHash }: { session: ConfiguratorSession; keyHash: string }) {
  const { address } = session
  try {
    const key = await parts.store.read(tables => activeKey(tables, keyHash))
    if (key === undefined) return
    const decision = await parts.decisions.knock({ key, id: keyHash, transcript: keyHash, address })
    if (decision.verdict === 'admit') session.scanned(key)
  } catch (error) {
    if (error instanceof OnboardingError) {
      parts.log.info({ code: error.code, ...error.detail, address }, 'onboarding refused')
      return
    }
    parts.log.error({ err: error, address }, 'who waits could not be looked up')
  }
}

/** What a stranger sends is an observation; what failed here is ours. */
function report(parts: Parts, { address }: DppConnection, error: unknown): void {
  const { log, counters, refusals, relays } = parts
  if (error instanceof CodecError) {
    log.info({ address, reason: error.message }, 'not a message of Easy Connect')
    return
  }
  if (!(error instanceof OnboardingError)) {
    log.error({ err: error, address }, 'an exchange could not begin')
    return
  }
  if (error.code === 'bootstrapping-key-unknown') counters.unknown++
  if (!relays.mayComplain(address)) return
  log.info({ code: error.code, ...error.detail, address }, 'onboarding refused')
  void refusals.record(error, stranger(address)).catch((failure: unknown) => {
    log.error({ err: failure }, 'a refusal could not be recorded')
  })
}

function stranger(address: string) {
  return { address, certificates: [], connection: address }
}
