/**
 * One and two server processes behind one port (SO_REUSEPORT), on PostgreSQL with fsync on. The requests are signed before,
 * and the devices look at the status of each answer only: the load generator and the database have to live on the same
 * machine as the servers.
 *
 * With few cores the wall clock tells how many cores there are and not how the processes scale. So the bar is held against
 * the capacity: onboardings a second for each CPU second that the servers spend, times the processes. Each process gets
 * the same load, well below what it can do, so that waiting for the other one would show in the latency.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HousePlace, readUpbringing } from '../lab/all-in-one/house.ts'
import { type Attempt, honest, type Neighbourhood } from '../lab/all-in-one/pledge.ts'
import { type HouseProcess, startHouse } from '../lab/all-in-one/process.ts'
import { postgresPrograms, startPostgres } from '../test/postgres.ts'
import { type Line, line, median, quantile } from './measure.ts'
import { prepared, type RunResult, run } from './onboarding.ts'

const bench = 'processes'
const light = { ...honest, checks: false }
/** Of what one process does when the machine is full, the part that each process is given in the steady part. */
const steadyShare = 0.3
const rounds = 4
const steadySeconds = 3
/** At the same time, in the part that asks for all that the machine has. */
const crowd = 48

export async function* processSuite(): AsyncGenerator<Line, void, void> {
  if (postgresPrograms() === undefined && process.env['MOORING_TEST_POSTGRES'] === undefined) {
    process.stderr.write('processes: PostgreSQL is not installed, nothing measured\n')
    return
  }
  const data = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const server = await startPostgres({ fsync: true })
  try {
    const [site, manufacturer] = [await server.place(), await server.place()]
    yield* compare({ data, stores: { site: site.url, manufacturer: manufacturer.url } })
  } finally {
    await server.stop()
    await rm(data, { recursive: true, force: true })
  }
}

type Houses = readonly [HouseProcess, ...HouseProcess[]]

interface Figures {
  /** Server CPU of one onboarding, milliseconds, all processes together. */
  readonly costs: number[]
  readonly latencies: number[]
  /** Onboardings a second when the machine is full. */
  readonly rates: number[]
  failures: number
}

async function* compare(place: HousePlace): AsyncGenerator<Line, void, void> {
  const first = await startHouse({ place, reusePort: true })
  const figures = { one: noFigures(), two: noFigures() }
  try {
    await load([first], 400, 'W', (attempts, site) => run(site, attempts, 32, light))
    const full = await load([first], 400, 'X', (attempts, site) => run(site, attempts, crowd, light))
    const perProcess = Math.max(1, Math.round((steadyShare * 400) / full.seconds))
    for (let round = 0; round < rounds; round++) {
      await measure([first], figures.one, `A${round}`, perProcess)
      const second = await startHouse({ place, port: first.port, reusePort: true })
      await load([first, second], 300, `V${round}`, (attempts, site) => run(site, attempts, 32, light))
      await measure([first, second], figures.two, `B${round}`, perProcess)
      await second.close()
    }
  } finally {
    await first.close()
  }
  yield* report(figures.one, figures.two)
}

async function measure(houses: Houses, figures: Figures, batch: string, perProcess: number): Promise<void> {
  const rate = perProcess * houses.length
  const count = rate * steadySeconds
  let spent = 0
  const steady = await load(houses, count, `${batch}S`, async (attempts, site) => {
    const start = await usage(houses)
    const result = await steadily(site, attempts, rate)
    spent = (await usage(houses)) - start
    return result
  })
  figures.costs.push(spent / count)
  figures.latencies.push(...steady.latencies)
  const full = await load(houses, 300 * houses.length, `${batch}F`, (attempts, site) =>
    run(site, attempts, crowd, light),
  )
  figures.rates.push(full.latencies.length / full.seconds)
  figures.failures += steady.failures + full.failures
}

/** Starts one after the other, so many a second, however long each takes. */
async function steadily(site: Neighbourhood, attempts: readonly Attempt[], perSecond: number): Promise<RunResult> {
  const parts = attempts.map(async (attempt, n): Promise<RunResult> => {
    await new Promise(resolve => setTimeout(resolve, (n * 1000) / perSecond))
    return run(site, [attempt], 1, light)
  })
  const results = await Promise.all(parts)
  return {
    seconds: attempts.length / perSecond,
    latencies: results.flatMap(({ latencies }) => latencies),
    failures: results.reduce((sum, { failures }) => sum + failures, 0),
    firstFailure: results.find(({ firstFailure }) => firstFailure !== '')?.firstFailure ?? '',
  }
}

async function load(
  houses: Houses,
  count: number,
  batch: string,
  work: (attempts: Attempt[], site: Neighbourhood) => Promise<RunResult>,
): Promise<RunResult> {
  const [house] = houses
  const { units, masaRoot } = readUpbringing(await house.ask('furnish', { batch, count }))
  const result = await work(await prepared(house, units), { port: house.port, masaRoot })
  if (result.failures > 0) process.stderr.write(`processes: ${result.firstFailure}\n`)
  return result
}

/** Milliseconds of CPU that the servers have spent. */
async function usage(houses: Houses): Promise<number> {
  const all = await Promise.all(houses.map(house => house.ask('usage', {})))
  return all.reduce((sum, { user, system }) => sum + (user + system) / 1000, 0)
}

function* report(one: Figures, two: Figures): Generator<Line, void, void> {
  const bar = { least: 1.7 }
  // Servers, database and load generator: with fewer cores than that two servers cannot have one each.
  const enough = availableParallelism() >= 6
  const capacity = { one: 1000 / median(one.costs), two: 2000 / median(two.costs) }
  const rate = { one: median(one.rates), two: median(two.rates) }
  const unit = '1/s'
  yield line(bench, 'capacity by server CPU, 1 process', { value: capacity.one, unit })
  yield line(bench, 'capacity by server CPU, 2 processes', {
    value: capacity.two,
    unit,
    floor: capacity.one,
    ...(enough ? {} : { bar }),
  })
  yield line(bench, 'rate, 1 process', { value: rate.one, unit })
  yield line(bench, `rate, 2 processes on ${availableParallelism()} cores`, {
    value: rate.two,
    unit,
    floor: rate.one,
    ...(enough ? { bar } : {}),
  })
  const latency = { one: quantile(one.latencies, 0.5), two: quantile(two.latencies, 0.5) }
  yield line(bench, 'latency p50, 1 process, steady load', { value: latency.one, unit: 'ms' })
  yield line(bench, 'latency p50, 2 processes, twice that load', {
    value: latency.two,
    unit: 'ms',
    floor: latency.one,
  })
  yield line(bench, 'failures', { value: one.failures + two.failures, unit: '' })
}

function noFigures(): Figures {
  return { costs: [], latencies: [], rates: [], failures: 0 }
}
