/**
 * The store: units of work as an onboarding has them (read a device, append an event, write the device), durable when
 * they are told to be. The floor is the same SQL text on the same database through the bare driver, in batches of the
 * same size, with the values ready made. PostgreSQL takes part when its programs are there; its own CPU is not counted.
 */
import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendSql } from '../src/adapter/store/event.ts'
import { Link } from '../src/adapter/store/link.ts'
import { openEngine, openStore } from '../src/adapter/store/open.ts'
import { nounSql, rowValues } from '../src/adapter/store/schema.ts'
import type { Session, SqlValue } from '../src/adapter/store/sql.ts'
import { generateKey } from '../src/crypto/key.ts'
import { keySigner } from '../src/crypto/signer.ts'
import { type Device, type DeviceEvent, evolveDevice, foldDevice } from '../src/domain/device.ts'
import type { Store } from '../src/domain/port.ts'
import { postgresPrograms, startPostgres } from '../test/postgres.ts'
import { silentLog } from '../test/store.ts'
import { type Line, line, median } from './measure.ts'

const devices = 512
const rounds = 7
const perRound = 2048

export async function* storeSuite(): AsyncGenerator<Line, void, void> {
  const directory = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  try {
    yield* measure('sqlite', `sqlite:${directory}/store.db`, `sqlite:${directory}/floor.db`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  if (postgresPrograms() === undefined && process.env['MOORING_TEST_POSTGRES'] === undefined) return
  const server = await startPostgres({ fsync: true })
  try {
    const [place, floor] = [await server.place(), await server.place()]
    yield* measure('postgres', place.url, floor.url)
    await place.remove()
    await floor.remove()
  } finally {
    await server.stop()
  }
}

async function* measure(kind: string, url: string, floorUrl: string): AsyncGenerator<Line, void, void> {
  const signer = keySigner(generateKey('P-256'))
  const store = await openStore(url, { signer, clock: Date.now, log: silentLog })
  const bare = await openBare(floorUrl)
  const all = await furnish(store)
  await bare.furnish()
  for (const concurrency of [1, 16, 64]) {
    const count = concurrency === 1 ? perRound / 8 : perRound
    const times: Cost[] = []
    const floors: Cost[] = []
    for (let round = -2; round < rounds; round++) {
      const cost = await costOf(count, () => inParallel(concurrency, count, n => onboardingUnit(store, all, n)))
      const floor = await costOf(count, () => bare.run(count, concurrency))
      if (round < 0) continue
      times.push(cost)
      floors.push(floor)
    }
    const metric = `${kind}, ${concurrency} at once`
    const wall = (costs: readonly Cost[]) => 1 / median(costs.map(cost => cost.seconds))
    const cpu = (costs: readonly Cost[]) => median(costs.map(cost => cost.cpu))
    yield line('store', `${metric}, units`, { value: wall(times), unit: 'units/s', floor: wall(floors) })
    yield line('store', `${metric}, CPU of a unit`, { value: cpu(times), unit: 'us', floor: cpu(floors) })
  }
  const start = performance.now()
  const { integrity, events } = await store.verify()
  if (integrity !== 'pass') throw new Error('the ledger of the bench does not verify')
  const perSecond = (events / (performance.now() - start)) * 1000
  yield line('store', `${kind}, verification`, { value: perSecond, unit: 'events/s' })
  yield* parts(kind, store, all)
  await bare.close()
  await store.close()
}

/** What one more of each costs inside a unit. */
async function* parts(kind: string, store: Store, all: Device[]): AsyncGenerator<Line, void, void> {
  let streams = 0
  const many = 16
  const kinds: Record<string, (n: number) => Promise<unknown>> = {
    append: () =>
      store.transaction(tx =>
        tx.append(
          `site/${++streams}`,
          0,
          Array.from({ length: many }, (_, n) => heard(all[n]!.serial)),
        ),
      ),
    'read and put': n =>
      store.transaction(async tx => {
        for (let k = 0; k < many; k++) {
          const device = (await tx.device.get(all[(n * many + k) % devices]!.id))!
          await tx.device.put({ ...device })
        }
      }),
    'put of a new row': () =>
      store.transaction(async tx => {
        for (let k = 0; k < many; k++) {
          // As ids are: no order in them.
          const id = hash('sha256', `${++streams}`).slice(0, 24)
          await tx.device.put({ ...all[0]!, id, serial: id })
        }
      }),
  }
  for (const [name, unit] of Object.entries(kinds)) {
    const costs: number[] = []
    for (let round = -1; round < rounds; round++) {
      const cost = await costOf(256 * many, () => inParallel(64, 256, unit))
      if (round >= 0) costs.push(cost.cpu)
    }
    yield line('store', `${kind}, CPU of one ${name}`, { value: median(costs), unit: 'us' })
  }
}

interface Cost {
  /** For one unit. */
  readonly seconds: number
  /** Microseconds of this process for one unit. */
  readonly cpu: number
}

async function costOf(count: number, work: () => Promise<unknown>): Promise<Cost> {
  const before = process.cpuUsage()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000 / count
  const { user, system } = process.cpuUsage(before)
  return { seconds, cpu: (user + system) / count }
}

async function inParallel(concurrency: number, count: number, unit: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await unit(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

function expected(serial: string): DeviceEvent {
  const body = {
    manufacturer: 'Acme',
    serial,
    model: 'thermostat',
    source: 'a'.repeat(64),
    owner: 'site',
    declarationVersion: 1,
  }
  return { kind: 'device-expected', body }
}

function heard(serial: string): DeviceEvent {
  const body = {
    manufacturer: 'Acme',
    serial,
    attempt: '5f0c',
    protocol: 'brski',
    address: '192.0.2.7:50123',
    at: 1e12,
  }
  return { kind: 'device-heard', body }
}

async function furnish(store: Store): Promise<Device[]> {
  const events = Array.from({ length: devices }, (_, n) => expected(`SN-${n}`))
  const all = events.map(event => foldDevice([event])!)
  await Promise.all(
    all.map((device, n) =>
      store.transaction(async tx => {
        await tx.append(`device/${device.id}`, 0, [events[n]!])
        await tx.device.put(device)
      }),
    ),
  )
  return all
}

async function onboardingUnit(store: Store, all: readonly Device[], n: number): Promise<void> {
  const { id, serial } = all[n % devices]!
  await store.transaction(async tx => {
    const device = (await tx.device.get(id))!
    const event = heard(serial)
    await tx.append(`device/${id}`, device.version, [event])
    await tx.device.put(evolveDevice(device, event))
  })
}

interface Bare {
  furnish(): Promise<void>
  run(count: number, batch: number): Promise<void>
  close(): Promise<void>
}

/** The statements of `onboardingUnit`, as the store gives them to the driver. */
async function openBare(url: string): Promise<Bare> {
  // The engine makes the tables and is then used for nothing but its connection.
  const engine = await openEngine(url, silentLog)
  const link = engine.dialect === 'postgres' ? await Link.open(url, {}) : undefined
  const session: Session = link ?? (await engine.writer())
  const { get, put, spec } = nounSql.device
  const update = nounSql.device.update([])
  const all = Array.from({ length: devices }, (_, n) => foldDevice([expected(`SN-${n}`), heard(`SN-${n}`)])!)
  const rows = all.map(device => rowValues(spec, device))
  const body = JSON.stringify(heard('SN-1').body)
  const versions = all.map(() => 0)
  const anyHash = hash('sha256', body)
  let sequence = 0
  const entry = (stream: string, version: number): SqlValue[] => {
    const place = {
      lane: 'bare',
      sequence: ++sequence,
      stream,
      version,
      at: 1e12,
      kind: 'device-heard',
      body,
      previous: anyHash,
    }
    return [...Object.values(place), anyHash]
  }
  const unit = async (n: number) => {
    const at = n % devices
    const row = rows[at]!
    await session.rows(get, [row[0]!])
    const write = engine.dialect === 'sqlite' ? session.run(update, [row[0]!, row.at(-1)!]) : session.run(put, row)
    await Promise.all([session.run(appendSql, entry(`device/${row[0]}`, ++versions[at]!)), write])
  }
  return {
    async furnish() {
      await session.run('begin')
      for (const row of rows) await session.run(put, row)
      await session.run('commit')
    },
    async run(count, batch) {
      for (let n = 0; n < count; n += batch) {
        const begun = session.run('begin')
        for (let k = n; k < Math.min(n + batch, count); k++) await unit(k)
        await Promise.all([begun, session.run('commit')])
      }
    },
    async close() {
      await link?.close()
      await engine.close()
    },
  }
}
