import { randomUUID } from 'node:crypto'
import {
  integerAttribute,
  type RadiusAttribute,
  radiusAttribute,
  textAttribute,
  vlanAttributes,
} from '../../codec/radius.ts'
import type { AccessEvent, AccessSession } from '../../domain/access-session.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Log, Peer, Random, Store, Tables, Tx } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import type { RefusalRecord } from '../onboarding/refusal-record.ts'
import { type AccessPass, type AccessPlace, type PassOptions, passOf, placeOfSession } from './access-pass.ts'
import type { AccessAnswer, AccessFailure, AccessRequest } from './access-server.ts'

export interface NetworkAccessOptions extends PassOptions {
  readonly store: Store
  readonly random: Random
  readonly log: Log
  readonly refusals: RefusalRecord
}

export interface NetworkAccess {
  /** Decides about who has proven a key, writes that down, and says on what terms. */
  decide(request: AccessRequest): Promise<AccessAnswer>
  /** Whether a device that is in may stay where it is; the code of the reason when it may not. */
  review(session: AccessSession): Promise<Review>
  /** Keeps what ended before there was anybody to decide about. */
  failed(failure: AccessFailure): void
}

type Review = { readonly code: ErrorCode } | { readonly move: true } | undefined
type Accepted = Extract<AccessAnswer, { readonly verdict: 'accept' }>

/** Class begins with it, so that what is not ours is seen. */
const classMark = 'mooring-'

/** The decision of network access: the same facts and the same refusals as everywhere else a credential is shown. */
export function createNetworkAccess(options: NetworkAccessOptions): NetworkAccess {
  const { store, log, refusals } = options
  return {
    async decide(request) {
      const peer = peerOf(request)
      try {
        const { answer, session } = await letIn(options, request, await passOf(options, peer, request.ssid))
        return { ...answer, stands: () => store.read(tables => stands(options, tables, session)) }
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        const { client, station = '', port = '' } = request
        log.info({ code: error.code, ...error.detail, client, station, port }, 'network access refused')
        await refusals.record(error, peer)
        return { verdict: 'reject', code: error.code }
      }
    },
    review: session => store.read(tables => reviewed(options, tables, session)),
    failed(failure) {
      const code = failureCodes[failure.reason] ?? 'eap-malformed'
      const { client, address, station = '', detail = '' } = failure
      log.info({ code, client, station, detail }, 'network access failed')
      const facts = { client, station, detail: detail.slice(0, 200) }
      const stranger = peerOf({ certificates: [], client, address })
      refusals
        .record(new OnboardingError(code, facts), stranger)
        .catch((error: unknown) => log.error({ error }, 'a refusal could not be recorded'))
    },
  }
}

const failureCodes: Partial<Record<AccessFailure['reason'], ErrorCode>> = {
  'method-refused': 'eap-method-refused',
  'tls-failed': 'eap-tls-failed',
}

async function reviewed(options: NetworkAccessOptions, tables: Tables, session: AccessSession): Promise<Review> {
  try {
    const place = await placeOfSession(options, tables, session)
    return place.vlan === session.vlan && place.segment === session.segment ? undefined : { move: true }
  } catch (error) {
    if (error instanceof OnboardingError) return { code: error.code }
    throw error
  }
}

/** Whoever ended the session meanwhile found nobody to cut off: the access point had not let the device in yet. */
async function stands(options: NetworkAccessOptions, tables: Tables, { id }: AccessSession): Promise<boolean> {
  const current = await tables.accessSession.get(id)
  if (current === undefined || current.state === 'ended') return false
  return (await reviewed(options, tables, current)) === undefined
}

async function letIn(
  options: NetworkAccessOptions,
  request: AccessRequest,
  pass: AccessPass,
): Promise<{ readonly answer: Accepted; readonly session: AccessSession }> {
  const { store, clock, random } = options
  const { device, credential } = pass
  const fresh = Buffer.from(random(16)).toString('hex')
  const spread = random(1)[0]! / 255
  const session = await store.transaction(async tx => {
    const at = clock()
    let granted: AccessSession | undefined
    await recordOnDevice(tx, device, async current => {
      const place = await pass.place(tx, current)
      const until = at + 1000 * lifetime(pass.notAfter - at, pass.seconds, spread)
      const before = await openAt(tx, device, request)
      const same = before !== undefined && before.segment === place.segment && before.vlan === place.vlan
      const times = { seenAt: at, until }
      granted = same
        ? { ...before, ...times, credential, ...(request.session === undefined ? {} : { accounting: request.session }) }
        : { ...newSession(request, place), ...times, id: fresh, device, credential, grantedAt: at }
      return same ? [] : [grantedEvent(granted)]
    })
    await tx.accessSession.put(granted!)
    return granted!
  })
  return { answer: { verdict: 'accept', attributes: attributesOf(session, clock()) }, session }
}

/**
 * An authentication again of the same stay: same client, same port, same station. Many access points name their session in
 * accounting alone, so only two names that differ are two sessions.
 */
async function openAt(tx: Tx, device: string, request: AccessRequest): Promise<AccessSession | undefined> {
  for (const state of ['open', 'granted'] as const) {
    const found = await tx.accessSession.find({ device, state })
    const same = found.find(
      session =>
        session.client === request.client &&
        session.station === request.station &&
        session.port === request.port &&
        session.ssid === request.ssid &&
        (session.accounting === request.session || session.accounting === undefined || request.session === undefined),
    )
    if (same !== undefined) return same
  }
  return undefined
}

function newSession({ client, station, port, ssid, session }: AccessRequest, place: AccessPlace) {
  return {
    state: 'granted' as const,
    client,
    ...place,
    ...(station === undefined ? {} : { station }),
    ...(port === undefined ? {} : { port }),
    ...(ssid === undefined ? {} : { ssid }),
    ...(session === undefined ? {} : { accounting: session }),
  }
}

function grantedEvent(session: AccessSession): AccessEvent {
  const { id, credential, client, station, port, ssid, segment, vlan, grantedAt } = session
  return {
    kind: 'access-granted',
    body: {
      session: id,
      credential,
      client,
      ...(station === undefined ? {} : { station }),
      ...(port === undefined ? {} : { port }),
      ...(ssid === undefined ? {} : { ssid }),
      ...(segment === undefined ? {} : { segment }),
      ...(vlan === undefined ? {} : { vlan }),
      at: grantedAt,
    },
  }
}

/** Seconds: within the credential's life, and not all devices at one moment after a power cut. */
function lifetime(left: number, usual: number, spread: number): number {
  const spreadOut = usual * (0.9 + 0.2 * spread)
  return Math.max(1, Math.floor(Math.min(left / 1000, spreadOut)))
}

/** RFC 3580: VLAN, when to authenticate again and that it is meant, and what accounting will bring back. */
function attributesOf(session: AccessSession, now: number): readonly RadiusAttribute[] {
  const { sessionTimeout, terminationAction, userName, class: classType, filterId } = radiusAttribute
  return [
    textAttribute(userName, session.device),
    ...(session.vlan === undefined ? [] : vlanAttributes(session.vlan)),
    ...(session.segment === undefined ? [] : [textAttribute(filterId, session.segment)]),
    integerAttribute(sessionTimeout, Math.max(1, Math.floor((session.until - now) / 1000))),
    integerAttribute(terminationAction, 1),
    textAttribute(classType, `${classMark}${session.id}`),
  ]
}

/** The id of a session in a Class attribute; undefined for somebody else's. */
export function sessionOfClass(value: Uint8Array): string | undefined {
  const text = Buffer.from(value).toString('latin1')
  const id = text.slice(classMark.length)
  return text.startsWith(classMark) && /^[0-9a-f]{32}$/.test(id) ? id : undefined
}

/** What the checks of onboarding know as the other end of a connection. */
function peerOf({ certificates, client, address, port, station }: Omit<AccessRequest, 'identity'>): Peer {
  const [certificate] = certificates
  const place = [client, port, station].filter(each => each !== undefined).join(' ')
  return {
    address: `${address} (${place})`,
    certificates,
    ...(certificate === undefined ? {} : { certificate }),
    localCertificate: Buffer.alloc(0),
    connection: randomUUID(),
    channelBinding: () => undefined,
  }
}
