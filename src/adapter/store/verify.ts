import { setImmediate } from 'node:timers/promises'
import { encodeCanonicalJson } from '../../codec/json.ts'
import { type Device, type DeviceEvent, evolveDevice } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import { checkpointHash, emptyLane, verifyCheckpoint, verifyEntry } from '../../domain/ledger.ts'
import type { Checkpoint, LedgerVerdict } from '../../domain/port.ts'
import { evolveStatements, type Statement } from '../../domain/statement.ts'
import { checkpointsAfter, type NumberedCheckpoint } from './checkpoint.ts'
import { hashAt, laneEntries, laneHeads } from './event.ts'
import { nouns, rowValues, sqlName } from './schema.ts'
import type { Row, Session } from './sql.ts'
import { StateCheck } from './verify-state.ts'

/** Rows read at a time: what is held in memory, and how long other work waits. */
const page = 500

const streamsSql =
  'select lane, sequence, stream, version, kind, body, origin ' +
  'from event where (origin, stream, version) > ($1, $2, $3) order by origin, stream, version limit $4'

const strayDeviceSql =
  "select id from device where not exists(select 1 from event where stream = 'device/' || device.id and version = 1) order by id limit 1"

const deviceColumns = [nouns.device.key, ...nouns.device.columns].map(sqlName)

const deviceSql = `select ${[...deviceColumns, 'body'].join(', ')} from device where id = $1`

type BadRecord = NonNullable<LedgerVerdict['firstBad']>

/**
 * Checks the whole ledger, in memory that does not grow with it. `session` must show one state throughout.
 * @param keys SubjectPublicKeyInfo, DER, of the keys whose checkpoints count
 * @param anchor a checkpoint that was kept elsewhere: without it nobody can tell whether the end was cut off
 */
export async function verifyLedger(
  session: Session,
  keys: readonly Uint8Array[],
  anchor?: Checkpoint,
): Promise<LedgerVerdict> {
  return new Verification(session, keys).run(anchor)
}

class Verification {
  readonly #session: Session
  readonly #keys: readonly Uint8Array[]
  #firstBad: BadRecord | undefined
  #altered = false
  #missing = false
  #events = 0
  #checkpoints = 0

  constructor(session: Session, keys: readonly Uint8Array[]) {
    this.#session = session
    this.#keys = keys
  }

  async run(anchor: Checkpoint | undefined): Promise<LedgerVerdict> {
    for (const { lane } of await laneHeads(this.#session)) await this.#checkLane(lane)
    await this.#checkNumber()
    await this.#checkCheckpoints()
    if (anchor !== undefined) await this.#checkAnchor(anchor)
    await this.#checkStreams()
    const complete = anchor === undefined ? 'unanchored' : 'pass'
    return {
      integrity: this.#altered ? 'fail' : 'pass',
      completeness: this.#missing ? 'fail' : complete,
      events: this.#events,
      checkpoints: this.#checkpoints,
      ...(this.#firstBad === undefined ? {} : { firstBad: this.#firstBad }),
    }
  }

  async #checkLane(lane: string): Promise<void> {
    let head = emptyLane(lane)
    let sound = true
    // From before 1: what somebody put there would else stay unread.
    let after = Number.MIN_SAFE_INTEGER
    for (;;) {
      const entries = await laneEntries(this.#session, lane, after, page)
      for (const entry of entries) {
        this.#events++
        if (!sound) continue
        try {
          head = verifyEntry(head, entry)
        } catch (error) {
          // What follows a bad record fails with it; one is enough.
          sound = false
          this.#note(error, { lane, sequence: entry.sequence, reason: String(error) })
        }
      }
      after = entries.at(-1)?.sequence ?? after
      if (entries.length < page) return
      await setImmediate()
    }
  }

  async #checkNumber(): Promise<void> {
    const [row] = await this.#session.rows('select count(*) as count from event')
    if (row?.['count'] !== this.#events) this.#alter(undefined, 'there are events that belong to no chain')
  }

  async #checkCheckpoints(): Promise<void> {
    let before: NumberedCheckpoint | undefined
    for (;;) {
      const found = await checkpointsAfter(this.#session, before?.number ?? 0, page)
      for (const next of found) {
        this.#checkpoints++
        await this.#checkCheckpoint(before, next)
        before = next
      }
      if (found.length < page) return
      await setImmediate()
    }
  }

  async #checkCheckpoint(before: NumberedCheckpoint | undefined, next: NumberedCheckpoint): Promise<void> {
    const place = { lane: 'checkpoint', sequence: next.number }
    if (next.number !== (before?.number ?? 0) + 1) {
      this.#altered = true
      this.#bad({ lane: 'checkpoint', sequence: (before?.number ?? 0) + 1, reason: 'the checkpoint is missing' })
    } else if (next.checkpoint.previous !== (before === undefined ? '' : checkpointHash(before.checkpoint))) {
      this.#altered = true
      this.#bad({ ...place, reason: 'it does not name the checkpoint before it' })
    }
    try {
      verifyCheckpoint(next.checkpoint, this.#keys)
    } catch (error) {
      this.#note(error, { ...place, reason: String(error) })
      return
    }
    await this.#checkHeads(next.checkpoint, 'a checkpoint')
  }

  async #checkAnchor(anchor: Checkpoint): Promise<void> {
    try {
      verifyCheckpoint(anchor, this.#keys)
    } catch (error) {
      this.#missing = true
      this.#bad({ lane: 'anchor', sequence: 0, reason: reasonOf(error) })
      return
    }
    await this.#checkHeads(anchor, 'the anchor')
    const [row] = await this.#session.rows('select number from checkpoint where signature = $1', [anchor.signature])
    if (row === undefined) {
      this.#missing = true
      this.#bad({
        lane: 'checkpoint',
        sequence: this.#checkpoints + 1,
        reason: 'the checkpoint of the anchor is missing',
      })
    }
  }

  async #checkHeads(checkpoint: Checkpoint, witness: string): Promise<void> {
    for (const { lane, sequence, hash } of checkpoint.lanes) {
      const found = await hashAt(this.#session, lane, sequence)
      if (found === hash) continue
      if (found === undefined) this.#missing = true
      else this.#altered = true
      const reason = found === undefined ? `it is missing, and ${witness} counts it` : `${witness} has another hash`
      this.#bad({ lane, sequence, reason })
    }
  }

  /** Versions without a gap, each device as its events say, and what they say of other records. */
  async #checkStreams(): Promise<void> {
    const state = new StateCheck(this.#session)
    let fold: StreamFold | undefined
    let version = 0
    for (;;) {
      const { origin = Number.MIN_SAFE_INTEGER, stream = '' }: Partial<StreamFold> = fold ?? {}
      const rows = await this.#session.rows(streamsSql, [origin, stream, version, page])
      for (const row of rows) {
        if (fold === undefined || row['stream'] !== fold.stream || row['origin'] !== fold.origin) {
          await this.#finish(fold, state)
          fold = beginning(row)
          version = 0
        }
        this.#checkVersion(row, ++version)
        version = row['version'] as number
        fold = this.#evolve(fold, row)
      }
      if (rows.length < page) break
      await setImmediate()
    }
    await this.#finish(fold, state)
    const [device] = await this.#session.rows(strayDeviceSql)
    if (device !== undefined) this.#alter(undefined, `device ${device['id']} has no events`)
    const stray = await state.stray()
    if (stray !== undefined) this.#alter(undefined, stray)
  }

  async #finish(fold: StreamFold | undefined, state: StateCheck): Promise<void> {
    if (fold === undefined) return
    if (fold.noun === 'device') await this.#checkDevice(fold)
    const wrong = await state.follow(fold.statements)
    if (wrong !== undefined) this.#alter(fold.row, wrong)
  }

  /** The first one gives the stream its place; the others in that place are found by it. */
  #checkVersion(row: Row, expected: number): void {
    if (expected === 1 && row['origin'] !== row['sequence']) this.#alter(row, 'it is not in the place of its stream')
    if (row['version'] !== expected) this.#alter(row, `version ${expected} of stream ${row['stream']} is missing`)
  }

  #evolve(fold: StreamFold, row: Row): StreamFold {
    try {
      const event = { kind: row['kind'], body: JSON.parse(row['body'] as string) } as NewEvent
      const next = { ...fold, row, statements: evolveStatements(fold.statements, fold.key, event) }
      if (fold.noun !== 'device') return next
      const device = evolveDevice(fold.device, event as DeviceEvent) as Device | undefined
      if (device !== undefined) return { ...next, device }
      this.#alter(row, `an event of kind ${row['kind']} means nothing to a device`)
    } catch (error) {
      this.#alter(row, `${fold.noun} ${fold.key} does not follow from its events: ${reasonOf(error)}`)
    }
    return { ...fold, row }
  }

  async #checkDevice(fold: StreamFold): Promise<void> {
    const [row] = await this.#session.rows(deviceSql, [fold.key])
    if (row === undefined) return this.#alter(fold.row, `device ${fold.key} is missing from the current state`)
    if (fold.device === undefined || fold.stream !== streamName('device', fold.device.id)) {
      return this.#alter(fold.row, `device ${fold.key} is not the one that its events speak of`)
    }
    const expected = rowValues(nouns.device, fold.device)
    const columnsAgree = deviceColumns.every((name, n) => row[name] === expected[n])
    if (columnsAgree && sameJson(row['body'] as string, fold.device)) return
    this.#alter(fold.row, `the current state of device ${fold.key} is not what its events say`)
  }

  #alter(row: Row | undefined, reason: string): void {
    this.#altered = true
    this.#bad({ lane: (row?.['lane'] ?? '') as string, sequence: (row?.['sequence'] ?? 0) as number, reason })
  }

  #note(error: unknown, place: BadRecord): void {
    this.#altered = true
    if (!(error instanceof OnboardingError)) throw error
    if (error.code === 'ledger-incomplete') this.#missing = true
    const { sequence, reason } = error.detail
    this.#bad({
      ...place,
      sequence: typeof sequence === 'number' ? sequence : place.sequence,
      reason: typeof reason === 'string' ? reason : place.reason,
    })
  }

  #bad(record: BadRecord): void {
    this.#firstBad ??= record
  }
}

/** What the events of a stream say, as far as they have been read; `row` is the last of them. */
interface StreamFold {
  readonly stream: string
  readonly origin: number
  readonly noun: string
  readonly key: string
  /** Of a device's stream. */
  readonly device: Device | undefined
  readonly statements: readonly Statement[]
  readonly row: Row
}

function beginning(row: Row): StreamFold {
  const stream = row['stream'] as string
  const origin = row['origin'] as number
  const slash = stream.indexOf('/')
  const [noun, key] = [stream.slice(0, slash), stream.slice(slash + 1)]
  return { stream, origin, noun, key, device: undefined, statements: [], row }
}

function reasonOf(error: unknown): string {
  if (error instanceof OnboardingError && typeof error.detail['reason'] === 'string') return error.detail['reason']
  return error instanceof Error ? error.message : String(error)
}

function sameJson(text: string, value: unknown): boolean {
  try {
    return encodeCanonicalJson(JSON.parse(text)) === encodeCanonicalJson(value)
  } catch {
    return false
  }
}
