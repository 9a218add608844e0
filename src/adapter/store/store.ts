import type { Signer } from '../../crypto/signer.ts'
import type { StoredEvent, StreamNoun } from '../../domain/event.ts'
import type { Clock, FeedCursor, Log, Store, Tables } from '../../domain/port.ts'
import { writeBackup } from './backup.ts'
import { CheckpointKeeper, type Schedule, timerSchedule } from './checkpoint.ts'
import { readCondition } from './condition.ts'
import { storeError, unavailable } from './error.ts'
import { feedEvents, laneHeads, streamEvents } from './event.ts'
import { Outbox } from './outbox.ts'
import type { Engine, Session } from './sql.ts'
import { gatedTables } from './table.ts'
import { verifyLedger } from './verify.ts'
import { Writer } from './writer.ts'

export interface StoreOptions {
  /** Signs checkpoints. */
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  /** SubjectPublicKeyInfo, DER, of earlier or other signers whose checkpoints count too. */
  readonly checkpointKeys?: readonly Uint8Array[]
  readonly schedule?: Schedule
  /** Events between two checkpoints. Default 512. */
  readonly checkpointEvents?: number
  /** Milliseconds until events have their checkpoint. Default 60 000. */
  readonly checkpointMilliseconds?: number
  /** Milliseconds for which a claimed outbox item belongs to its worker. Default 60 000. */
  readonly leaseMilliseconds?: number
  /** Milliseconds after which a unit of work that does not end fails. Default 5000. */
  readonly unitMilliseconds?: number
}

/** Keys whose checkpoints count. */
export function checkpointKeys({ signer, checkpointKeys }: StoreOptions): readonly Uint8Array[] {
  return [signer.spkiDer, ...(checkpointKeys ?? [])]
}

/** The port over one database. */
export async function createStore(engine: Engine, options: StoreOptions): Promise<Store> {
  const store = new SqlStore(engine, options)
  await store.start()
  return store
}

interface Listener {
  readonly tell: (events: readonly StoredEvent[]) => void
  readonly nouns: readonly StreamNoun[] | undefined
}

class SqlStore implements Store {
  readonly #engine: Engine
  readonly #options: StoreOptions
  readonly #writer: Writer
  readonly #keeper: CheckpointKeeper
  readonly #outbox: Outbox
  readonly #listeners = new Set<Listener>()
  /** What listeners have been told of other processes' lanes. */
  #heard: FeedCursor = {}
  #catchingUp: Promise<void> | undefined
  #behind = false
  #closing: Promise<void> | undefined

  constructor(engine: Engine, options: StoreOptions) {
    const { clock, log, signer } = options
    this.#engine = engine
    this.#options = options
    const committed = (events: readonly StoredEvent[]) => this.#committed(events)
    const deadline = options.unitMilliseconds ?? 5000
    this.#writer = new Writer({ engine, clock, log, committed, deadline })
    this.#keeper = new CheckpointKeeper({
      engine,
      writer: this.#writer,
      signer,
      clock,
      log,
      schedule: options.schedule ?? timerSchedule,
      everyEvents: options.checkpointEvents ?? 512,
      everyMilliseconds: options.checkpointMilliseconds ?? 60_000,
    })
    this.#outbox = new Outbox(engine, this.#writer, clock, options.leaseMilliseconds ?? 60_000)
  }

  async start(): Promise<void> {
    const heads = await this.#engine.snapshot(laneHeads)
    this.#heard = Object.fromEntries(heads.map(({ lane, sequence }) => [lane, sequence]))
    await this.#engine.onAnnounce(nouns => this.#announced(nouns))
  }

  transaction: Store['transaction'] = async work => {
    this.#requireOpen()
    return this.#writer.submit(work)
  }

  read: Store['read'] = work => this.#look(session => timedRead(session, work))

  history: Store['history'] = (stream, afterVersion = 0, limit = 1000) =>
    this.#look(session => streamEvents(session, stream, afterVersion, limit))

  feed: Store['feed'] = (cursor, limit) => this.#look(session => feedEvents(session, cursor, limit))

  onCommit: Store['onCommit'] = (tell, nouns) => {
    const listener = { tell, nouns }
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  claim: Store['claim'] = async (topic, limit) => {
    this.#requireOpen()
    return this.#outbox.claim(topic, limit)
  }

  settle: Store['settle'] = async (id, outcome) => {
    this.#requireOpen()
    return this.#outbox.settle(id, outcome)
  }

  checkpoint: Store['checkpoint'] = async () => {
    this.#requireOpen()
    return this.#keeper.make()
  }

  verify: Store['verify'] = async anchor => {
    this.#requireOpen()
    return this.#survey(session => verifyLedger(session, checkpointKeys(this.#options), anchor))
  }

  condition: Store['condition'] = async () => {
    this.#requireOpen()
    return this.#survey(session => readCondition(session, this.#engine.dialect, checkpointKeys(this.#options)))
  }

  backup: Store['backup'] = async file => {
    this.#requireOpen()
    await this.#survey(session => writeBackup(session, file))
  }

  close: Store['close'] = () => {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#writer.idle()
    await this.#keeper.close()
    await this.#writer.close()
    await this.#catchingUp
    await this.#engine.close()
  }

  async #look<T>(work: (session: Session) => Promise<T>): Promise<T> {
    this.#requireOpen()
    try {
      return await this.#engine.snapshot(work)
    } catch (error) {
      throw storeError(error)
    }
  }

  async #survey<T>(work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.#engine.survey(work)
    } catch (error) {
      throw storeError(error)
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw unavailable('the store is closed')
  }

  #committed(events: readonly StoredEvent[]): void {
    const { lane, sequence } = events[0]!
    const heard = this.#heard[lane] ?? 0
    if (sequence > heard + 1) {
      // The lane was somebody else's, and has events that we have not told of: they come first.
      this.#catchUp()
    } else {
      // While we waited for the answer to our commit, the feed may have had its events already.
      const untold = events.filter(event => event.sequence > heard)
      this.#heard = { ...this.#heard, [lane]: Math.max(heard, events.at(-1)!.sequence) }
      if (untold.length > 0) this.#tell(untold)
    }
    this.#engine.announce(new Set(events.map(({ stream }) => nounOf(stream))))
    this.#keeper.noticed(events.length)
  }

  #tell(events: readonly StoredEvent[]): void {
    for (const { tell, nouns } of this.#listeners) {
      const wanted = nouns === undefined ? events : events.filter(({ stream }) => isOf(stream, nouns))
      if (wanted.length === 0) continue
      try {
        tell(wanted)
      } catch (error) {
        this.#options.log.error({ error: String(error) }, 'a listener to the store failed')
      }
    }
  }

  /** To look costs as much as a commit: not for what nobody here listens to. The next look passes over it. */
  #announced(nouns: readonly string[] | undefined): void {
    const wanted = this.#wanted()
    if (nouns === undefined || wanted === undefined || wanted.some(noun => nouns.includes(noun))) this.#catchUp()
  }

  /** Tells listeners what other processes have committed. */
  #catchUp(): void {
    this.#behind = true
    this.#catchingUp ??= this.#readForeign().finally(() => {
      this.#catchingUp = undefined
    })
  }

  /** Nouns that somebody listens for; undefined when somebody listens for all. */
  #wanted(): StreamNoun[] | undefined {
    const nouns = new Set<StreamNoun>()
    for (const listener of this.#listeners) {
      if (listener.nouns === undefined) return undefined
      for (const noun of listener.nouns) nouns.add(noun)
    }
    return [...nouns]
  }

  async #readForeign(): Promise<void> {
    while (this.#behind && this.#closing === undefined) {
      this.#behind = false
      try {
        const { events, cursor } = await this.#engine.snapshot(session =>
          feedEvents(session, this.#heard, 500, this.#wanted()),
        )
        // Our own commits may have moved on while we read: they have been told.
        const unheard = events.filter(event => event.sequence > (this.#heard[event.lane] ?? 0))
        this.#heard = newest(this.#heard, cursor)
        if (unheard.length > 0) this.#tell(unheard)
        if (events.length === 500) this.#behind = true
      } catch (error) {
        this.#options.log.warn({ error: String(error) }, 'events of other processes could not be read')
      }
    }
  }
}

function nounOf(stream: string): string {
  return stream.slice(0, stream.indexOf('/'))
}

function isOf(stream: string, nouns: readonly StreamNoun[]): boolean {
  return nouns.some(noun => stream.startsWith(`${noun}/`))
}

function newest(a: FeedCursor, b: FeedCursor): FeedCursor {
  const merged: Record<string, number> = { ...a }
  for (const [lane, sequence] of Object.entries(b)) merged[lane] = Math.max(sequence, merged[lane] ?? 0)
  return merged
}

/** Milliseconds after which a read that waits for anything but its tables gives its place to others. */
const readDeadline = 30_000

async function timedRead<T>(session: Session, work: (tables: Tables) => Promise<T>): Promise<T> {
  let ended = false
  let timer: NodeJS.Timeout | undefined
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable('a read took too long')), readDeadline)
  })
  const refuse = async (): Promise<never> => {
    throw new TypeError('a read cannot write: use a transaction')
  }
  const tables = gatedTables({
    async rows(sql, args) {
      if (ended) throw new TypeError('a read has ended: nothing can be read through it any more')
      return session.rows(sql, args)
    },
    run: refuse,
    post: refuse,
    known: undefined,
    exists: () => new TypeError('a read cannot write'),
  })
  try {
    return await Promise.race([work(tables), stalled])
  } finally {
    ended = true
    clearTimeout(timer)
  }
}
