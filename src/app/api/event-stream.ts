import type { UnderlyingSource } from 'node:stream/web'
import { OnboardingError } from '../../domain/error.ts'
import type { StoredEvent } from '../../domain/event.ts'
import type { FeedCursor, Log, Store } from '../../domain/port.ts'
import { encodeCursor } from './cursor.ts'
import { eventView } from './view.ts'

/** Milliseconds and counts. */
export interface StreamLimits {
  /** Streams open at one time. */
  readonly streams: number
  /** Events read at once; all that is ever held for a client. */
  readonly batch: number
  /** A comment is sent after so long a silence, and the token is looked at again. */
  readonly heartbeat: number
  /** Events that come within this time travel together. */
  readonly gather: number
  /** A client that does not take what it was sent within this time is dropped. */
  readonly stall: number
}

export const streamLimits: StreamLimits = { streams: 64, batch: 100, heartbeat: 15_000, gather: 50, stall: 30_000 }

export interface EventStreams {
  /**
   * The events after `cursor` and then those to come, as a body of text/event-stream. Nothing waits in memory for a slow
   * client: events are read from the record when the client takes them. Throws OnboardingError `overloaded`.
   * @param permitted asked again before each piece; a stream ends when its token does
   */
  open(cursor: FeedCursor, permitted: () => Promise<boolean>): ReadableStream<Uint8Array>
  /** How many are open. */
  count(): number
  close(): void
}

export function createEventStreams(options: {
  readonly store: Pick<Store, 'feed' | 'onCommit'>
  readonly log: Log
  readonly limits?: Partial<StreamLimits>
}): EventStreams {
  const { store, log } = options
  const limits = { ...streamLimits, ...options.limits }
  const open = new Set<EventStream>()
  const stopListening = store.onCommit(() => {
    for (const stream of open) stream.wake()
  })
  return {
    open(cursor, permitted) {
      if (open.size >= limits.streams) throw new OnboardingError('overloaded', { streams: limits.streams })
      const stream: EventStream = new EventStream({
        store,
        log,
        limits,
        cursor,
        permitted,
        ended: () => open.delete(stream),
      })
      open.add(stream)
      return new ReadableStream(stream)
    },
    count: () => open.size,
    close() {
      stopListening()
      for (const stream of open) stream.end()
    },
  }
}

interface StreamOptions {
  readonly store: Pick<Store, 'feed'>
  readonly log: Log
  readonly limits: StreamLimits
  readonly cursor: FeedCursor
  readonly permitted: () => Promise<boolean>
  readonly ended: () => void
}

type Controller = ReadableStreamDefaultController<Uint8Array>

const encoder = new TextEncoder()

/** One client. `pull` is called when it has taken what came before, and never twice at a time. */
class EventStream implements UnderlyingSource<Uint8Array> {
  readonly #options: StreamOptions
  #cursor: FeedCursor
  #controller: Controller | undefined
  #stall: NodeJS.Timeout | undefined
  /** Commits heard of, so that none between a look and the wait after it is missed. */
  #commits = 0
  #wake: (() => void) | undefined
  #over = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#cursor = options.cursor
  }

  start(controller: Controller): void {
    this.#controller = controller
    // Something at once, so that the client knows that it is connected.
    this.#send('retry: 2000\n\n')
  }

  async pull(): Promise<void> {
    clearTimeout(this.#stall)
    try {
      const text = await this.#next()
      if (text === undefined) this.end()
      else this.#send(text)
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'event stream broken off')
      this.end()
    }
  }

  cancel(): void {
    this.#release()
  }

  wake(): void {
    this.#commits++
    this.#wake?.()
  }

  end(): void {
    if (this.#over) return
    this.#release()
    this.#controller?.close()
  }

  /** The next piece of text: events, or a sign of life. Undefined when the stream is over. */
  async #next(): Promise<string | undefined> {
    const { store, limits, permitted } = this.#options
    for (let waited = false; ; ) {
      const commits = this.#commits
      if (this.#over || !(await permitted())) return undefined
      const { events } = await store.feed(this.#cursor, limits.batch)
      if (events.length > 0) return events.map(event => this.#text(event)).join('')
      if (waited) return ': \n\n'
      if (this.#commits === commits) await this.#sleep(limits.heartbeat, { commitsWake: true })
      waited = this.#commits === commits
      if (!waited) await this.#sleep(limits.gather, { commitsWake: false })
    }
  }

  async #sleep(milliseconds: number, { commitsWake }: { readonly commitsWake: boolean }): Promise<void> {
    if (this.#over) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, milliseconds)
      this.#wake = () => {
        if (!commitsWake && !this.#over) return
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }

  /** Each event carries the place after it, so that whoever is cut off goes on behind the last one that came. */
  #text(event: StoredEvent): string {
    this.#cursor = { ...this.#cursor, [event.lane]: event.sequence }
    return `id: ${encodeCursor(this.#cursor)}\ndata: ${JSON.stringify(eventView(event))}\n\n`
  }

  #send(text: string): void {
    if (this.#over) return
    this.#controller?.enqueue(encoder.encode(text))
    this.#stall = setTimeout(() => this.#drop(), this.#options.limits.stall)
  }

  #drop(): void {
    this.#options.log.info({}, 'event stream dropped: its client does not read')
    this.#release()
    this.#controller?.error(new Error('the client does not read'))
  }

  #release(): void {
    this.#over = true
    clearTimeout(this.#stall)
    this.#options.ended()
    this.#wake?.()
  }
}
