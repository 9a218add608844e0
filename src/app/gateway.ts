import { setInterval as every } from 'node:timers'
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

/**
 * Stands at the ports of devices: puts into a segment whom hostapd has let in and the site has granted, and out again when
 * either says so. Throws OnboardingError `hostapd-unreachable`, `fence-failed`.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const fence = await openFence(options.fence)
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
    const { hostapd, log, interval = 10_000 } = this.#options
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
    this.#timer = every(() => {
      this.#take({ kind: 'time-passed' })
      this.#ask()
    }, interval)
    void this.#follow()
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
    const { client, log } = this.#options
    const { signal } = this.#ending
    try {
      // Only what is new counts; the list that is asked for has the rest.
      for await (const { event } of client.follow({ signal, ...(await this.#newest()) })) {
        if (event.kind === 'access-granted' || event.kind === 'access-ended') this.#ask()
      }
    } catch (error) {
      if (!signal.aborted)
        log.warn({ error: String(error) }, 'the events of the site are not heard; it is asked in intervals')
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
      log.error(
        { ...effect, error: error instanceof Error ? error.message : String(error) },
        'the gateway could not do it',
      )
    }
  }
}

function granted({ id, station, device, segment, until }: AccessSessionView): readonly GrantedSession[] {
  if (station === undefined) return []
  return [{ id, station, device, until: Date.parse(until), ...(segment === undefined ? {} : { segment }) }]
}
