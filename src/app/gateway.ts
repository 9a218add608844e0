import { setInterval as every } from 'node:timers'
import { setTimeout as delay } from 'node:timers/promises'
import { type Fence, type FenceOptions, openFence } from '../adapter/network/fence.ts'
import { type Hostapd, openHostapd } from '../adapter/network/hostapd.ts'
import { OnboardingError } from '../domain/error.ts'
import type { Clock, Log } from '../domain/port.ts'
import { type Effect, type GrantedSession, type Input, initial, step } from '../role/enforcement/gateway.ts'
import type { ApiClient } from './api/client.ts'
import type { AccessSessionView } from './api/contract/access.ts'

export interface GatewayOptions {
  /** As the site knows it: a RADIUS client of that name. */
  readonly name: string
  readonly client: ApiClient
  readonly hostapd: { readonly directory: string; readonly interface: string }
  readonly fence: FenceOptions
  readonly clock: Clock
  readonly log: Log
  /** How often the site is asked when nothing happens, milliseconds; 10,000 when absent. */
  readonly interval?: number
  /** Told of everything that the gateway does. */
  readonly onEffect?: (effect: Effect) => void
}

export interface Gateway {
  /** Resolves when hostapd is gone: nothing is known of the ports any more, and nobody is inside. */
  readonly lost: Promise<void>
  close(): Promise<void>
}

const usualInterval = 10_000

/** Milliseconds after the moment when a device had to authenticate again: it is doing so. */
const authenticating = 30_000

/**
 * Stands at the ports of devices: puts into a segment whom hostapd has let in and the site has granted, and out again when
 * either says so. Throws OnboardingError `hostapd-unreachable`, `fence-failed`.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { interval = usualInterval } = options
  const fence = await openFence({ lifetime: Math.ceil((6 * interval) / 1000), ...options.fence })
  const gateway = new RunningGateway(options, fence)
  try {
    await gateway.start()
    return gateway
  } catch (error) {
    await gateway.close()
    throw error
  }
}

class RunningGateway implements Gateway {
  readonly lost: Promise<void>
  readonly #options: GatewayOptions
  readonly #fence: Fence
  readonly #ending = new AbortController()
  #hostapd: Hostapd | undefined
  #state = initial
  #work: Promise<void> = Promise.resolve()
  #asking: Promise<void> | undefined
  #askAgain = false
  /** Stations that may still be inside the fence, or have connections through it. */
  readonly #lingering = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #loseHostapd: () => void = () => {}

  constructor(options: GatewayOptions, fence: Fence) {
    this.#options = options
    this.#fence = fence
    this.lost = new Promise(resolve => {
      this.#loseHostapd = resolve
    })
  }

  async start(): Promise<void> {
    const { hostapd, log, interval = usualInterval } = this.#options
    this.#hostapd = await openHostapd({
      ...hostapd,
      log,
      onAuthorized: station => this.#take({ kind: 'station-authorized', station }),
      onGone: station => this.#take({ kind: 'station-gone', station }),
      onLost: () => {
        for (const station of this.#state.stations) this.#take({ kind: 'station-gone', station })
        this.#loseHostapd()
      },
    })
    // Who was let in before the gateway was started.
    for (const station of await this.#hostapd.stations()) this.#take({ kind: 'station-authorized', station })
    this.#ask()
    this.#timer = every(() => this.#tick(), interval)
    void this.#follow()
  }

  #tick(): void {
    // What was known of a device that has authenticated again is out of date; so the site is asked first, if it answers.
    if (this.#asking !== undefined) this.#take({ kind: 'time-passed' })
    this.#ask()
    this.#work = this.#work.then(() => this.#hold())
  }

  /** The fence as it should be, whatever failed before. */
  async #hold(): Promise<void> {
    const { inside } = this.#state
    try {
      await this.#fence.hold(inside)
      for (const station of [...this.#lingering]) {
        if (!inside.has(station)) await this.#fence.expel(station)
        this.#lingering.delete(station)
      }
    } catch (error) {
      this.#options.log.error(
        { error: messageOf(error) },
        'the fence could not be held; who is inside will soon be out',
      )
    }
  }

  async close(): Promise<void> {
    this.#ending.abort()
    clearInterval(this.#timer)
    await this.#hostapd?.close()
    await this.#asking
    await this.#work
    await this.#fence.close()
  }

  /** What happens at the site and may bear on somebody here: heard at once, not with the next interval. */
  async #follow(): Promise<void> {
    const { client, log, interval = usualInterval } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      try {
        // Only what is new counts; the list that is asked for has the rest.
        for await (const { event } of client.follow({ signal, ...(await this.#newest()) })) {
          if (event.kind === 'access-granted' || event.kind === 'access-ended') this.#ask()
        }
      } catch (error) {
        if (signal.aborted) return
        log.warn({ error: String(error) }, 'the events of the site are not heard; it is asked in intervals')
      }
      await delay(interval, undefined, { signal }).catch(() => undefined)
    }
  }

  async #newest(): Promise<{ readonly cursor?: string }> {
    const { client } = this.#options
    let cursor: string | undefined
    for (;;) {
      const page = await client.eventList({ query: { limit: 1000, ...(cursor === undefined ? {} : { cursor }) } })
      if (page.items.length === 0) return cursor === undefined ? {} : { cursor }
      cursor = page.cursor
    }
  }

  #ask(): void {
    if (this.#asking !== undefined) {
      this.#askAgain = true
      return
    }
    this.#asking = this.#askNow().finally(() => {
      this.#asking = undefined
      if (this.#askAgain && !this.#ending.signal.aborted) {
        this.#askAgain = false
        this.#ask()
      }
    })
  }

  async #askNow(): Promise<void> {
    const { client, name, log } = this.#options
    try {
      const sessions: GrantedSession[] = []
      for (const state of ['open', 'granted'] as const) {
        for (let after: string | undefined; ; ) {
          const query = { client: name, state, limit: 1000, ...(after === undefined ? {} : { after }) }
          const page = await client.accessSessionList({ query })
          sessions.push(...page.items.flatMap(granted))
          after = page.next
          if (after === undefined) break
        }
      }
      this.#take({ kind: 'sessions-listed', sessions })
    } catch (error) {
      if (!(error instanceof OnboardingError)) throw error
      // Who is in stays for as long as the site said; nobody new comes in.
      log.warn({ code: error.code }, 'the site cannot be asked')
      this.#take({ kind: 'time-passed' })
    }
  }

  #take(input: Input): void {
    const { clock } = this.#options
    const { state, effects } = step(this.#state, input, clock())
    this.#state = state
    for (const effect of effects) {
      if (effect.kind === 'ask-site') this.#ask()
      else this.#work = this.#work.then(() => this.#do(effect))
    }
  }

  async #do(effect: Exclude<Effect, { readonly kind: 'ask-site' }>): Promise<void> {
    const { log, onEffect } = this.#options
    try {
      if (effect.kind === 'admit') await this.#fence.admit(effect.station, effect.segment)
      else if (effect.kind === 'expel') await this.#fence.expel(effect.station)
      else await this.#hostapd?.deauthenticate(effect.station)
      log.info({ ...effect }, 'gateway')
      onEffect?.(effect)
    } catch (error) {
      log.error({ ...effect, error: messageOf(error) }, 'the gateway could not do it')
      if (effect.kind === 'expel') this.#lingering.add(effect.station)
    }
  }
}

function granted({ id, station, device, segment, seenAt, until }: AccessSessionView): readonly GrantedSession[] {
  if (station === undefined) return []
  const times = { seenAt: Date.parse(seenAt), until: Date.parse(until) + authenticating }
  return [{ id, station, device, ...times, ...(segment === undefined ? {} : { segment }) }]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
