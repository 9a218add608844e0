/**
 * One and two server processes on PostgreSQL with fsync on, both there all the time and warm; devices are dealt to them in
 * turn, as the kernel does with connections to one port (SO_REUSEPORT). The requests are signed before, and the devices
 * look at the status of each answer only: load generator and database live on the same machine as the servers.
 *
 * With few cores the wall clock tells how many cores there are and not how the processes scale: servers, load generator and
 * database want one each. There each server process is held to a quarter of a core, which leaves the rest for the others,
 * and the rate with one such process is compared with that of two. Without the right to do that, what is left to compare
 * is the CPU time that an onboarding costs the servers.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HousePlace, readUpbringing } from '../lab/all-in-one/house.ts'
import { type Attempt, honest, type Neighbourhood } from '../lab/all-in-one/pledge.ts'
import { type HouseProcess, startHouse } from '../lab/all-in-one/process.ts'
import { type CpuShare, shareCpu } from '../lab/all-in-one/share.ts'
import { postgresPrograms, startPostgres } from '../test/postgres.ts'
import { type Line, line, median } from './measure.ts'
import { prepared, type RunResult, run } from './onboarding.ts'

const bench = 'processes'
const light = { ...honest, checks: false }
const warmUp = 3000
const rounds = 6
/** For each process. */
const perRound = 240
/** Devices at the same time for each process. */
const crowd = 24
/** Of a core, where there are too few for all. */
const share = 0.25

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
  /** Onboardings a second. */
  readonly rates: number[]
  failures: number
}

/** How the processes were held apart from what else needs the machine. */
type Setting = 'own cores' | 'shares' | 'none'

async function* compare(place: HousePlace): AsyncGenerator<Line, void, void> {
  const first = await startHouse({ place })
  const second = await startHouse({ place })
  const figures: Record<'one' | 'two', Figures> = {
    one: { costs: [], rates: [], failures: 0 },
    two: { costs: [], rates: [], failures: 0 },
  }
  const setting = settingFor(first)
  try {
    await load([first, second], warmUp, 'W', deal)
    for (let round = 0; round < rounds; round++) {
      // Each of them alone, in turn, so that neither's peculiarities count.
      await measure([round % 2 === 0 ? first : second], figures.one, { batch: `A${round}`, setting })
      await measure([first, second], figures.two, { batch: `B${round}`, setting })
    }
  } finally {
    await second.close()
    await first.close()
  }
  yield* report(figures.one, figures.two, setting)
}

function settingFor(house: HouseProcess): Setting {
  // Two servers, the load, and the processes of the database.
  if (availableParallelism() >= 6) return 'own cores'
  const taken = shareCpu(house.pid, share)
  taken?.undo()
  return taken === undefined ? 'none' : 'shares'
}

async function measure(
  houses: Houses,
  figures: Figures,
  { batch, setting }: { readonly batch: string; readonly setting: Setting },
): Promise<void> {
  const count = perRound * houses.length
  const { failures } = await load(houses, count, batch, async (attempts, sites) => {
    const shares = setting === 'shares' ? houses.map(({ pid }) => shareCpu(pid, share)) : []
    const start = await usage(houses)
    const result = await deal(attempts, sites)
    figures.costs.push(((await usage(houses)) - start) / count)
    figures.rates.push(result.latencies.length / result.seconds)
    for (const each of shares) (each as CpuShare | undefined)?.undo()
    return result
  })
  figures.failures += failures
}

async function load(
  houses: Houses,
  count: number,
  batch: string,
  work: (attempts: Attempt[], sites: readonly Neighbourhood[]) => Promise<RunResult>,
): Promise<RunResult> {
  const [house] = houses
  const { units, masaRoot } = readUpbringing(await house.ask('furnish', { batch, count }))
  const sites = houses.map(({ port }) => ({ port, masaRoot }))
  const result = await work(await prepared(house, units), sites)
  if (result.failures > 0) process.stderr.write(`processes: ${result.firstFailure}\n`)
  return result
}

async function deal(attempts: readonly Attempt[], sites: readonly Neighbourhood[]): Promise<RunResult> {
  const start = performance.now()
  const hands = sites.map((_, hand) => attempts.filter((_attempt, n) => n % sites.length === hand))
  const results = await Promise.all(sites.map((site, hand) => run(site, hands[hand]!, crowd, light)))
  return {
    seconds: (performance.now() - start) / 1000,
    latencies: results.flatMap(({ latencies }) => latencies),
    failures: results.reduce((sum, { failures }) => sum + failures, 0),
    firstFailure: results.map(({ firstFailure }) => firstFailure).join(''),
  }
}

/** Milliseconds of CPU that the servers have spent. */
async function usage(houses: Houses): Promise<number> {
  const all = await Promise.all(houses.map(house => house.ask('usage', {})))
  return all.reduce((sum, { user, system }) => sum + (user + system) / 1000, 0)
}

function* report(one: Figures, two: Figures, setting: Setting): Generator<Line, void, void> {
  const bar = { least: 1.7 }
  const cost = { one: median(one.costs), two: median(two.costs) }
  const rate = { one: median(one.rates), two: median(two.rates) }
  const how = { 'own cores': '', shares: `, ${share} core each`, none: `, ${availableParallelism()} cores for all` }
  yield line(bench, 'server CPU, 1 process', { value: cost.one, unit: 'ms' })
  yield line(bench, 'server CPU, 2 processes', { value: cost.two, unit: 'ms', floor: cost.one })
  yield line(bench, `rate, 1 process${how[setting]}`, { value: rate.one, unit: '1/s' })
  yield line(bench, `rate, 2 processes${how[setting]}`, {
    value: rate.two,
    unit: '1/s',
    floor: rate.one,
    ...(setting === 'none' ? {} : { bar }),
  })
  if (setting === 'none') {
    const capacity = { one: 1000 / cost.one, two: 2000 / cost.two }
    const metric = 'capacity of 2 processes by their CPU'
    yield line(bench, metric, { value: capacity.two, unit: '1/s', floor: capacity.one, bar })
  }
  yield line(bench, 'failures', { value: one.failures + two.failures, unit: '' })
}
