import { CodecError } from '../../codec/error.ts'
import { attributeValue, integerValue, type RadiusPacket, radiusAttribute, radiusCode } from '../../codec/radius.ts'
import { sealRadiusResponse } from '../../crypto/radius.ts'
import type { AccessSession } from '../../domain/access-session.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { connectionMoves } from '../../domain/lifecycle-onboarding.ts'
import type { Clock, Log, Store, Tx } from '../../domain/port.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import { sessionOfClass } from './network-access.ts'
import type { RadiusRequest, RadiusService } from './radius-port.ts'

/** RFC 2866 section 5.1. */
const status = { start: 1, stop: 2, interim: 3, on: 7, off: 8 } as const

/** RFC 2866 section 5.10, as far as people ask for it. */
const causes: Readonly<Record<number, string>> = {
  1: 'the device left',
  2: 'the link was lost',
  4: 'the device was idle',
  5: 'the session timed out',
  6: 'ended by an administrator',
  7: 'the access point restarted',
  8: 'a fault of the port',
  20: 'the device did not authenticate again',
  22: 'the port was disabled',
}

/**
 * Accounting (RFC 2866): the access point says that a device is there, how much it sent, and that it is gone. Acknowledged
 * once it is on record; an access point repeats what is not.
 */
export function createAccounting(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** An access point still has a session that is over here. */
  readonly survived?: (session: AccessSession) => void
}): RadiusService {
  return async request => {
    const { packet, client } = request
    const answer = sealRadiusResponse(
      { code: radiusCode.accountingResponse, attributes: proxies(packet) },
      packet,
      client.secret,
    )
    if (packet.code === radiusCode.statusServer) return answer
    const kind = number(packet, radiusAttribute.acctStatusType)
    if (kind === status.on || kind === status.off) await restart(options, client.id, eventTime(packet))
    else if (kind !== undefined) await report(options, request, kind)
    return answer
  }
}

function proxies(packet: RadiusPacket) {
  return packet.attributes.filter(({ type }) => type === radiusAttribute.proxyState)
}

/** Undefined when it is absent or has another length. */
function number(packet: RadiusPacket, type: number): number | undefined {
  const value = attributeValue(packet, type)
  if (value === undefined) return undefined
  try {
    return integerValue(value)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

interface Options {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly survived?: (session: AccessSession) => void
}

async function report(options: Options, { packet, client }: RadiusRequest, kind: number): Promise<void> {
  const { store, clock, log, survived } = options
  const over = await store.transaction(async tx => {
    const session = await reported(tx, packet, client.id)
    if (session === undefined) {
      log.info({ client: client.id }, 'accounting of a session that this site did not grant')
      return undefined
    }
    const at = clock()
    const counted = { ...session, ...octets(packet), seenAt: at }
    const cause = causes[number(packet, radiusAttribute.acctTerminateCause) ?? 0]
    if (kind === status.stop) await endSession(tx, counted, cause ?? 'the access point said so', at)
    else if (session.state === 'ended') return (await hasSuccessor(tx, session)) ? undefined : session
    else if (session.state === 'granted') await open(tx, { ...counted, ...accountingId(packet) }, at)
    else await tx.accessSession.put(counted)
    return undefined
  })
  if (over !== undefined) survived?.(over)
}

/** By what we gave it; an access point that does not return Class is believed by its own session id, of its own sessions. */
async function reported(tx: Tx, packet: RadiusPacket, client: string): Promise<AccessSession | undefined> {
  // Class changes at every authentication, and all that came are returned (RFC 2865 section 5.25): the last counts.
  for (const { value } of packet.attributes.filter(({ type }) => type === radiusAttribute.class).reverse()) {
    const id = sessionOfClass(value)
    const session = id === undefined ? undefined : await tx.accessSession.get(id)
    // One access point cannot end what another one has.
    if (session?.client === client) return session
  }
  const { accounting } = accountingId(packet)
  if (accounting === undefined) return undefined
  for (const state of ['open', 'granted'] as const) {
    const all = await tx.accessSession.find({ client, state }, { limit: 1000 })
    const found = all.find(session => session.accounting === accounting)
    if (found !== undefined) return found
  }
  return undefined
}

function accountingId(packet: RadiusPacket): { readonly accounting?: string } {
  const value = attributeValue(packet, radiusAttribute.acctSessionId)
  return value === undefined
    ? {}
    : {
        accounting: Buffer.from(value)
          .toString('latin1')
          .replace(/[^\x20-\x7e]/g, '?'),
      }
}

const gigaword = 2 ** 32

function octets(packet: RadiusPacket): Pick<AccessSession, 'received' | 'sent'> {
  const { acctInputOctets, acctInputGigawords, acctOutputOctets, acctOutputGigawords } = radiusAttribute
  const of = (low: number, high: number) => {
    const value = number(packet, low)
    return value === undefined ? undefined : value + gigaword * (number(packet, high) ?? 0)
  }
  const received = of(acctInputOctets, acctInputGigawords)
  const sent = of(acctOutputOctets, acctOutputGigawords)
  return { ...(received === undefined ? {} : { received }), ...(sent === undefined ? {} : { sent }) }
}

/** The device is on the network: what stands in its record as connected. */
async function open(tx: Tx, session: AccessSession, at: number): Promise<void> {
  await recordOnDevice(tx, session.device, device => connected(device, session, at))
  await tx.accessSession.put({ ...session, state: 'open', startedAt: at })
  // An access point has one of them at a time, and its next report would otherwise be about either.
  for (const other of await neighbours(tx, session))
    if (other.grantedAt <= session.grantedAt) await endSession(tx, other, 'another authentication took its place', at)
}

/** Those in force at the same client and port, for the same MAC address. */
async function neighbours(tx: Pick<Tx, 'accessSession'>, session: AccessSession): Promise<readonly AccessSession[]> {
  const { id, client, station, port } = session
  if (station === undefined) return []
  const found: AccessSession[] = []
  for (const state of ['open', 'granted'] as const)
    found.push(...(await tx.accessSession.find({ client, state }, { limit: 1000 })))
  return found.filter(other => other.id !== id && other.station === station && other.port === port)
}

/** Whether somebody is in where that session was: what is done to the one would meet the other. */
export async function hasSuccessor(tx: Pick<Tx, 'accessSession'>, session: AccessSession): Promise<boolean> {
  return (await neighbours(tx, session)).some(({ seenAt }) => seenAt >= session.grantedAt)
}

function connected(device: Device, { credential }: AccessSession, at: number): readonly DeviceEvent[] {
  if (device.credential !== credential) return []
  return [{ kind: 'device-connected', body: { credential, at } }, ...connectionMoves(device, at)]
}

/** Writes the end of a session; a second end changes nothing. */
export async function endSession(tx: Tx, session: AccessSession, reason: string, at: number): Promise<void> {
  if (session.state === 'ended') return
  const { id, client, device } = session
  await recordOnDevice(tx, device, () => [{ kind: 'access-ended', body: { session: id, client, reason, at } }])
  await tx.accessSession.put({ ...session, state: 'ended', endedAt: at, endReason: reason })
}

/** Event-Timestamp, RFC 2869 section 5.3, milliseconds; undefined where the access point has no clock. */
function eventTime(packet: RadiusPacket): number | undefined {
  const seconds = number(packet, radiusAttribute.eventTimestamp)
  return seconds === undefined ? undefined : 1000 * (seconds + 1)
}

/**
 * RFC 2866 section 5.1, Accounting-On and -Off: every session of before is over. A report says when that was: one that is
 * sent again by somebody who recorded it must not make the site forget who has come in since.
 */
async function restart({ store, clock }: Options, client: string, when = Number.POSITIVE_INFINITY): Promise<void> {
  for (const state of ['open', 'granted'] as const) {
    for (let after = ''; ; ) {
      const page = await store.read(tables => tables.accessSession.find({ client, state }, { after }))
      for (const { id } of page) {
        await store.transaction(async tx => {
          const current = await tx.accessSession.get(id)
          if (current !== undefined && current.seenAt < when)
            await endSession(tx, current, 'the access point restarted', clock())
        })
      }
      const last = page.at(-1)
      if (last === undefined || page.length < 100) break
      after = last.id
    }
  }
}
