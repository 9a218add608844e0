import { encodeCanonicalJson } from '../../codec/json.ts'
import type { Signer } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import { checkpointBytes, checkpointHash } from '../../domain/ledger.ts'
import type { Checkpoint, Clock, Log } from '../../domain/port.ts'
import { laneHeads } from './event.ts'
import type { Engine, Row, Session } from './sql.ts'
import type { Writer } from './writer.ts'

const columns = 'number, at, lanes, previous, key, signature'

const insertSql = `insert into checkpoint(${columns}) values($1, $2, $3, $4, $5, $6) on conflict do nothing`

const lastSql = `select ${columns} from checkpoint order by number desc limit 1`

const pageSql = `select ${columns} from checkpoint where number > $1 order by number limit $2`

/** A checkpoint with its place among all, counted from 1. */
export interface NumberedCheckpoint {
  readonly number: number
  readonly checkpoint: Checkpoint
}

export async function checkpointsAfter(
  session: Session,
  number: number,
  limit: number,
): Promise<readonly NumberedCheckpoint[]> {
  return (await session.rows(pageSql, [number, limit])).map(numbered)
}

/** Undefined before the first. */
export async function newestCheckpoint(session: Session): Promise<NumberedCheckpoint | undefined> {
  const [row] = await session.rows(lastSql)
  return row === undefined ? undefined : numbered(row)
}

function numbered(row: Row): NumberedCheckpoint {
  const { at, previous, key, signature } = row as unknown as Checkpoint
  const lanes = JSON.parse(row['lanes'] as string) as Checkpoint['lanes']
  return { number: row['number'] as number, checkpoint: { at, lanes, previous, key, signature } }
}

/** Starts `work` after some milliseconds. @returns what calls it off */
export type Schedule = (work: () => void, milliseconds: number) => () => void

/** Does not keep the process alive. */
export const timerSchedule: Schedule = (work, milliseconds) => {
  const timer = setTimeout(work, milliseconds).unref()
  return () => clearTimeout(timer)
}

export interface KeeperOptions {
  readonly engine: Engine
  readonly writer: Writer
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  readonly schedule: Schedule
  /** Events after which a checkpoint is due. */
  readonly everyEvents: number
  /** Milliseconds after which events have their checkpoint, however few. */
  readonly everyMilliseconds: number
}

/** Makes checkpoints: when asked, and by itself before much could be cut off unseen. */
export class CheckpointKeeper {
  readonly #options: KeeperOptions
  #pending = 0
  #callOff: (() => void) | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Counts events that were committed. */
  noticed(events: number): void {
    const { everyEvents, everyMilliseconds, schedule } = this.#options
    const before = this.#pending
    this.#pending += events
    if (before < everyEvents && this.#pending >= everyEvents) this.#byItself()
    else this.#callOff ??= schedule(() => this.#byItself(), everyMilliseconds)
  }

  /** One after the other: each names the one before it. */
  make(): Promise<Checkpoint> {
    const made = this.#last.then(() => this.#make())
    this.#last = made.catch(() => undefined)
    return made
  }

  /** Makes the last one, if there is anything to sign. Failing to sign must not keep the store open. */
  async close(): Promise<void> {
    await this.#last
    if (this.#pending > 0) await this.make().catch((error: unknown) => this.#failed(error))
    this.#reset()
  }

  #byItself(): void {
    this.make().catch((error: unknown) => {
      this.#failed(error)
      // Not before more events come: a token that is gone is not asked again and again.
      this.#reset()
    })
  }

  #failed(error: unknown): void {
    this.#options.log.error(
      { error: String(error) },
      'no checkpoint could be made: the end of the ledger is not signed',
    )
  }

  #reset(): void {
    this.#pending = 0
    this.#callOff?.()
    this.#callOff = undefined
  }

  async #make(): Promise<Checkpoint> {
    this.#reset()
    // Another process may take the next number meanwhile.
    for (let tries = 0; tries < 20; tries++) {
      const { number, unsigned } = await this.#draft()
      const signature = (await this.#options.signer.sign(checkpointBytes(unsigned))).toString('base64')
      const { at, lanes, previous, key } = unsigned
      const values = [number, at, encodeCanonicalJson(lanes), previous, key, signature]
      const stored = await this.#options.writer.submit((_, session) => session.run(insertSql, values))
      if (stored > 0) return { ...unsigned, signature }
    }
    throw new OnboardingError('store-conflict', { table: 'checkpoint' })
  }

  async #draft(): Promise<{ number: number; unsigned: Omit<Checkpoint, 'signature'> }> {
    const { engine, clock, signer } = this.#options
    const { last, lanes } = await engine.snapshot(async session => ({
      last: (await session.rows(lastSql))[0],
      lanes: await laneHeads(session),
    }))
    const before = last === undefined ? undefined : numbered(last)
    const previous = before === undefined ? '' : checkpointHash(before.checkpoint)
    const key = signer.spkiDer.toString('base64')
    const heads = lanes.map(({ lane, sequence, hash }) => ({ lane, sequence, hash }))
    return { number: (before?.number ?? 0) + 1, unsigned: { at: clock(), lanes: heads, previous, key } }
  }
}
