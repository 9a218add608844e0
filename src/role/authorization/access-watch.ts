import {
  integerAttribute,
  type RadiusAttribute,
  type RadiusPacket,
  radiusAttribute,
  radiusCode,
  textAttribute,
} from '../../codec/radius.ts'
import type { Secret } from '../../crypto/secret.ts'
import type { AccessSession } from '../../domain/access-session.ts'
import type { StoredEvent } from '../../domain/event.ts'
import type { Clock, Log, Random, Store } from '../../domain/port.ts'
import { endSession, hasSuccessor } from './access-accounting.ts'
import type { NetworkAccess } from './network-access.ts'
import type { RadiusClients } from './radius-client.ts'

/** The way to an access point; undefined when it does not answer. */
export type RadiusAsk = (
  to: { readonly address: string; readonly port: number; readonly secret: Secret },
  request: { readonly code: number; readonly identifier: number; readonly attributes: readonly RadiusAttribute[] },
) => Promise<RadiusPacket | undefined>

export interface AccessWatch {
  /** Ends what should not go on, now. @returns how many sessions were ended */
  review(): Promise<number>
  /** Looks again at what an earlier look, or the process before this one, did not bring to its end. */
  retry(): Promise<void>
  /** Ends at the access point what it should not have any more. Returns at once. */
  survived(session: AccessSession): void
  /** Ends in the record the sessions whose device should long have authenticated again. @returns how many */
  expire(): Promise<number>
  /** Ends one session for a reason of people's. @returns whether the access point said that it did */
  disconnect(session: AccessSession, reason: string): Promise<boolean>
  /** Waits for what is under way. */
  close(): Promise<void>
}

/** Events after which somebody's right to be there may be another one. */
const nouns = ['device', 'recall', 'network', 'policy', 'manufacturer'] as const

/**
 * One mechanism for every cause - revocation, withdrawal, recall, change of owner, policy, posture: after each commit that
 * may bear on it, who is in is held against the record again, and whoever may not stay is cut off.
 */
export function watchAccess(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly access: Pick<NetworkAccess, 'review'>
  readonly clients: Pick<RadiusClients, 'named'>
  readonly ask: RadiusAsk
}): AccessWatch {
  const watch = new Watch(options)
  const end = options.store.onCommit(events => watch.noticed(events), nouns)
  return {
    review: () => watch.reviewAll(),
    expire: () => watch.expire(),
    retry: () => watch.retry(),
    survived: session => watch.survived(session),
    disconnect: (session, reason) => watch.disconnect(session, reason),
    async close() {
      end()
      await watch.close()
    },
  }
}

type Options = Parameters<typeof watchAccess>[0]

/** Of sessions that can be cut off. */
const states = ['open', 'granted'] as const

class Watch {
  readonly #options: Options
  /** Devices to look at; `*` for all. */
  readonly #due = new Set<string>()
  #running: Promise<void> | undefined
  /** Nobody was in at the last look, and nobody was heard of since. */
  #nobody = false
  /** Events of sessions. */
  #heard = 0
  #identifier = 0
  /** Devices to look at again; at first all, as nobody knows where the process before this one was. */
  readonly #owed = new Set<string>(['*'])
  /** What an access point is asked, one after the other: one that does not answer must hold up nobody elsewhere. */
  readonly #lines = new Map<string, Promise<unknown>>()
  /** Sessions that wait there. */
  readonly #leaving = new Set<string>()
  #closing = false

  constructor(options: Options) {
    this.#options = options
  }

  noticed(events: readonly StoredEvent[]): void {
    for (const { stream, kind } of events) {
      const device = stream.startsWith('device/')
      // What this room writes itself is no cause, but for somebody who came in while nobody was looked for.
      const own = device && kind.startsWith('access-')
      if (own) this.#heard++
      if (this.#nobody ? device && !own : own) continue
      if (own) this.#nobody = false
      this.#due.add(device ? stream.slice('device/'.length) : '*')
    }
    if (this.#due.size > 0) this.#running ??= this.#run()
  }

  /** What waits is left to the process that comes after this one. */
  async close(): Promise<void> {
    this.#closing = true
    await this.settled()
  }

  async settled(): Promise<void> {
    await this.#running
    await Promise.all(this.#lines.values())
  }

  async retry(): Promise<void> {
    for (const device of this.#owed) this.#due.add(device)
    this.#owed.clear()
    if (this.#due.size > 0) this.#running ??= this.#run()
    await this.settled()
  }

  survived(session: AccessSession): void {
    void this.#cut(session, 'it is over')
  }

  async #run(): Promise<void> {
    let due: readonly string[] = []
    try {
      while (this.#due.size > 0) {
        due = [...this.#due]
        this.#due.clear()
        // The cuts go on by themselves.
        if (due.includes('*')) void (await this.#lookAtAll())
        else for (const session of await this.#sessionsOf(due)) void (await this.#reviewSession(session))
      }
    } catch (error) {
      this.#options.log.error({ error }, 'a review of network access failed')
      for (const device of due) this.#owed.add(device)
    } finally {
      this.#running = undefined
    }
  }

  async reviewAll(): Promise<number> {
    const cuts = await this.#lookAtAll()
    return (await Promise.all(cuts)).length
  }

  /** @returns what is under way to end who may not stay */
  async #lookAtAll(): Promise<readonly Promise<void>[]> {
    const cuts: Promise<void>[] = []
    for (const state of states) {
      for (let after = ''; ; ) {
        const page = await this.#options.store.read(tables => tables.accessSession.find({ state }, { after }))
        for (const session of page) cuts.push(...(await this.#reviewSession(session)))
        const last = page.at(-1)
        if (last === undefined || page.length < 100) break
        after = last.id
      }
    }
    return cuts
  }

  /**
   * An access point that is gone reports no end. It is asked to make one all the same, in case that only its reports were
   * lost; whatever it says, the session is over here.
   */
  async expire(): Promise<number> {
    const { store, clock } = this.#options
    let ended = 0
    for (const state of ['open', 'granted'] as const) {
      for (let after = ''; ; ) {
        const page = await store.read(tables => tables.accessSession.find({ state }, { after }))
        for (const session of page) {
          if (clock() < session.until + late) continue
          // Of a device that authenticated anew there is nothing to cut off.
          const replaced = await store.read(tables => hasSuccessor(tables, session))
          if (!replaced) await this.disconnect(session, notHeard)
          await store.transaction(async tx => {
            const current = await tx.accessSession.get(session.id)
            if (current !== undefined && clock() >= current.until + late)
              await endSession(tx, current, notHeard, clock())
          })
          ended++
        }
        const last = page.at(-1)
        if (last === undefined || page.length < 100) break
        after = last.id
      }
    }
    return ended
  }

  /** With one look for all of them, and while nobody is in, not again: devices onboard by the hundred. */
  async #sessionsOf(devices: readonly string[]): Promise<AccessSession[]> {
    const heard = this.#heard
    return this.#options.store.read(async tables => {
      const anybody = await Promise.all(states.map(state => tables.accessSession.find({ state }, { limit: 1 })))
      // Who came in meanwhile may not have been seen.
      this.#nobody = anybody.every(found => found.length === 0) && heard === this.#heard
      if (this.#nobody) return []
      const sessions: AccessSession[] = []
      for (const device of devices) {
        const found = await Promise.all(states.map(state => tables.accessSession.find({ device, state })))
        sessions.push(...found.flat())
      }
      return sessions
    })
  }

  /** @returns at most one cut that is under way */
  async #reviewSession(session: AccessSession): Promise<readonly Promise<void>[]> {
    const found = await this.#options.access.review(session)
    if (found === undefined) return []
    // A device that belongs elsewhere authenticates again, and is told its new place then.
    return [this.#cut(session, 'code' in found ? found.code : 'moved to another segment')]
  }

  #cut(session: AccessSession, reason: string): Promise<void> {
    const { id, client, device } = session
    const before = this.#lines.get(client) ?? Promise.resolve()
    if (this.#leaving.has(id)) return Promise.resolve()
    this.#leaving.add(id)
    const cut = before.then(async () => {
      this.#leaving.delete(id)
      try {
        if (!this.#closing) await this.disconnect(session, reason)
      } catch (error) {
        this.#options.log.error({ session: id, error }, 'a session could not be ended')
        this.#owed.add(device)
      }
    })
    this.#lines.set(client, cut)
    void cut.then(() => {
      if (this.#lines.get(client) === cut) this.#lines.delete(client)
    })
    return cut
  }

  async disconnect(session: AccessSession, reason: string): Promise<boolean> {
    const { store, clock, log, clients, ask } = this.#options
    const client = clients.named(session.client)
    const reachable = client !== undefined && client.disconnectPort > 0
    const answer = reachable
      ? await ask(
          { address: client.address, port: client.disconnectPort, secret: client.secret },
          { code: radiusCode.disconnectRequest, identifier: this.#next(), attributes: named(session, clock()) },
        )
      : undefined
    const done = answer?.code === radiusCode.disconnectAck
    const facts = { device: session.device, client: session.client, session: session.id, reason }
    // RFC 5176 section 3.5, 503: it knows of no such session, so there is nothing to cut off - yet, where our own answer that
    // lets the device in may still be on its way.
    const early = session.state === 'granted' && Math.abs(clock() - session.seenAt) < onItsWay
    if (done || (isGone(answer) && !early)) {
      await store.transaction(async tx => {
        const current = await tx.accessSession.get(session.id)
        if (current !== undefined) await endSession(tx, current, reason, clock())
      })
      log.info(facts, 'a session was ended')
      return done
    }
    log.error({ ...facts, answer: answer?.code ?? 'none' }, 'an access point did not end a session')
    if (reachable) this.#owed.add(session.device)
    return false
  }

  #next(): number {
    this.#identifier = (this.#identifier + 1) & 255
    return this.#identifier
  }
}

const sessionNotFound = 503

/** After the moment when it had to authenticate again: who did was late by less. Milliseconds. */
const late = 300_000
/** Between an answer and what the access point makes of it. Milliseconds. */
const onItsWay = 5000
const notHeard = 'it was not heard of again'

function isGone(answer: RadiusPacket | undefined): boolean {
  const cause = answer?.attributes.find(({ type }) => type === radiusAttribute.errorCause)?.value
  return cause?.length === 4 && Buffer.from(cause).readUInt32BE() === sessionNotFound
}

/** RFC 5176 section 3: the session by what the access point knows; and when, against replay. */
function named({ station, accounting }: AccessSession, now: number): readonly RadiusAttribute[] {
  const { callingStationId, acctSessionId, eventTimestamp } = radiusAttribute
  return [
    ...(station === undefined ? [] : [textAttribute(callingStationId, station.toUpperCase().replaceAll(':', '-'))]),
    ...(accounting === undefined ? [] : [textAttribute(acctSessionId, accounting)]),
    integerAttribute(eventTimestamp, Math.floor(now / 1000)),
  ]
}
