/**
 * Full onboarding, all in one: MASA, registrar, EST and issuing CA in one server process behind one TLS listener, with
 * durable stores (SQLite, synchronous=FULL). The devices are honest, in this process, each with a connection and a birth
 * certificate of its own. The floor is measured inside the server process, between the rounds of load.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readUpbringing, type Unit } from '../lab/all-in-one/house.ts'
import { type Attempt, honest, type Manner, onboard, prepare } from '../lab/all-in-one/pledge.ts'
import { type HouseProcess, startHouse } from '../lab/all-in-one/process.ts'
import { mandatory } from './floor.ts'
import { type Line, line, median, quantile } from './measure.ts'

const bench = 'onboarding'
const floorRounds = 60

interface Load {
  readonly concurrency: number
  readonly rounds: number
  readonly perRound: number
  readonly manner?: Manner
  readonly name?: string
}

const loads: readonly Load[] = [
  { concurrency: 1, rounds: 4, perRound: 60 },
  { concurrency: 16, rounds: 6, perRound: 160 },
  { concurrency: 64, rounds: 6, perRound: 256 },
  {
    concurrency: 16,
    rounds: 4,
    perRound: 160,
    manner: { ...honest, connects: true },
    name: '16 at once, second connection with the LDevID',
  },
]

/** @param execArgv options of node for the server, such as `--cpu-prof` */
export async function* onboardingSuite(execArgv: readonly string[] = []): AsyncGenerator<Line, void, void> {
  const data = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const house = await startHouse({ place: { data } }, execArgv)
  try {
    const site = await warmUp(house)
    for (const [n, load] of loads.entries()) yield* measure(house, site, load, `L${n}`)
  } finally {
    await house.close()
    await rm(data, { recursive: true, force: true })
  }
}

type Site = Parameters<typeof onboard>[1]

async function warmUp(house: HouseProcess): Promise<Site> {
  const { masaRoot, units } = readUpbringing(await house.ask('furnish', { batch: 'W', count: 3000 }))
  const site = { port: house.port, masaRoot }
  const result = await run(site, await prepared(house, units), 32, { ...honest, connects: true })
  if (result.failures > 0) throw new Error(`the warm-up failed: ${result.firstFailure}`)
  return site
}

async function* measure(house: HouseProcess, site: Site, load: Load, batch: string): AsyncGenerator<Line, void, void> {
  const { concurrency, rounds, perRound, manner = honest } = load
  const name = load.name ?? `${concurrency} at once`
  const upbringing = await house.ask('furnish', { batch, count: rounds * perRound })
  const attempts = await prepared(house, readUpbringing(upbringing).units)
  const floors: number[] = []
  const costs: number[] = []
  const latencies: number[] = []
  let seconds = 0
  let failures = 0
  let firstFailure = ''
  for (let round = 0; round < rounds; round++) {
    floors.push(await house.ask('floor', { operations: mandatory.allInOne, rounds: floorRounds }))
    const before = await house.ask('usage', {})
    const result = await run(site, attempts.slice(round * perRound, (round + 1) * perRound), concurrency, manner)
    const after = await house.ask('usage', {})
    costs.push((after.user + after.system - before.user - before.system) / 1000 / perRound)
    latencies.push(...result.latencies)
    seconds += result.seconds
    failures += result.failures
    firstFailure ||= result.firstFailure
  }
  const floor = median(floors) / 1000
  if (failures > 0) process.stderr.write(`${name}: ${firstFailure}\n`)
  yield line(bench, `server CPU, ${name}`, { value: median(costs), unit: 'ms', floor, bar: { most: 4 } })
  yield line(bench, `rate, ${name}`, { value: (rounds * perRound - failures) / seconds, unit: '1/s' })
  yield line(bench, `latency p50, ${name}`, { value: quantile(latencies, 0.5), unit: 'ms' })
  yield line(bench, `latency p99, ${name}`, { value: quantile(latencies, 0.99), unit: 'ms' })
  yield line(bench, `failures, ${name}`, { value: failures, unit: '' })
}

/** TLS contexts, signed requests and CSRs are made before: the server is what is measured. */
export async function prepared(house: HouseProcess, units: readonly Unit[]): Promise<Attempt[]> {
  const attempts = units.map((unit): Attempt => ({ unit }))
  for (const attempt of attempts) await prepare(attempt, house.registrar)
  return attempts
}

export interface RunResult {
  readonly seconds: number
  /** Milliseconds from the start of the first TLS handshake to the last answer. */
  readonly latencies: readonly number[]
  readonly failures: number
  readonly firstFailure: string
}

/** Onboards them all, so many at a time. */
export async function run(
  site: Site,
  attempts: readonly Attempt[],
  concurrency: number,
  manner: Manner,
): Promise<RunResult> {
  const waiting = attempts.values()
  const latencies: number[] = []
  let failures = 0
  let firstFailure = ''
  const work = async () => {
    for (const attempt of waiting) {
      const start = performance.now()
      try {
        await onboard(attempt, site, manner)
        latencies.push(performance.now() - start)
      } catch (error) {
        failures++
        firstFailure ||= String(error)
      }
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: concurrency }, work))
  return { seconds: (performance.now() - start) / 1000, latencies, failures, firstFailure }
}
