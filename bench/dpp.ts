/**
 * Easy Connect, whole: our Controller as a process of its own with a durable store (SQLite, synchronous=FULL), against
 * Debian's wpa_supplicant as Controller, with the same Enrollees over TCP in turns, mutual authentication, P-256, a Connector
 * each. CPU time is that of the Controller's process alone. The floor is measured inside ours, between the rounds.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HostapPeer } from '../interop/dpp/peer.ts'
import { findProgram } from '../lab/wifi/requirement.ts'
import { peerBootstrapping } from '../src/protocol/dpp/authentication.ts'
import { parseBootstrappingUri } from '../src/protocol/dpp/uri.ts'
import { type Enrollee, type LoadResult, load, makeEnrollees, type Target } from './dpp-load.ts'
import type { Greeting, Question, Tally } from './dpp-server.ts'
import { type Line, line, median, quantile } from './measure.ts'

const bench = 'dpp'
const concurrency = 16
const rounds = 7
const perRound = 160
const warmUpRounds = 8
const floorRounds = 200
const all = (rounds + warmUpRounds) * perRound

/** One Controller under load. */
interface Controller {
  readonly target: Target
  readonly pid: number
  /** Which Enrollees come in a round. */
  readonly next: () => readonly Enrollee[]
}

/** @param profile where to write a CPU profile of our Controller under load */
export async function* dppSuite(profile?: string): AsyncGenerator<Line, void, void> {
  const folder = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const closing: (() => Promise<unknown>)[] = []
  try {
    const ours = await startOurs(folder)
    closing.push(() => ours.ask({ type: 'close' }))
    const theirs = findProgram('wpa_supplicant') === undefined ? undefined : await startTheirs(folder)
    if (theirs !== undefined) closing.push(theirs.close)
    yield* measure(ours, theirs, profile)
    const { credentials, integrity } = (await ours.ask({ type: 'tally' })) as Tally
    yield line(bench, `credentials on record, of ${all}`, { value: credentials, unit: '' })
    yield line(bench, `ledger ${integrity}`, { value: integrity === 'pass' ? 1 : 0, unit: '', bar: { least: 1 } })
  } finally {
    for (const close of closing) await close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function* measure(
  ours: OurController,
  theirs: Controller | undefined,
  profile: string | undefined,
): AsyncGenerator<Line, void, void> {
  const floors: number[] = []
  const [mine, other] = [new Tallies(), new Tallies()]
  await warmUp(ours, theirs)
  if (profile !== undefined) await ours.ask({ type: 'profile' })
  for (let round = 0; round < rounds; round++) {
    floors.push((await ours.ask({ type: 'floor', rounds: floorRounds })) as number)
    mine.add(await runRound(ours))
    if (theirs !== undefined) other.add(await runRound(theirs))
  }
  if (profile !== undefined) await ours.ask({ type: 'profile', to: profile })
  const floor = median(floors)
  yield line(bench, `Controller CPU, ${concurrency} at once`, {
    value: median(mine.costs),
    unit: 'us',
    floor,
    bar: { most: 4 },
  })
  if (theirs !== undefined) {
    const value = median(other.costs)
    yield line(bench, 'wpa_supplicant as Controller, same load', { value, unit: 'us', floor })
    yield line(bench, 'Controller CPU over wpa_supplicant', {
      value: median(mine.costs),
      unit: 'us',
      floor: value,
      bar: { most: 1 },
    })
    yield line(bench, 'rate, wpa_supplicant', { value: other.rate, unit: '1/s' })
    yield line(bench, 'failures, wpa_supplicant', { value: other.failures, unit: '' })
  }
  yield line(bench, `rate, ${concurrency} at once`, { value: mine.rate, unit: '1/s' })
  yield line(bench, 'latency p50', { value: quantile(mine.latencies, 0.5), unit: 'ms' })
  yield line(bench, 'latency p99', { value: quantile(mine.latencies, 0.99), unit: 'ms' })
  yield line(bench, 'failures', { value: mine.failures, unit: '' })
}

/** Until the runtime has compiled what it will. */
async function warmUp(...controllers: readonly (Controller | undefined)[]): Promise<void> {
  for (const controller of controllers) {
    for (let round = 0; round < warmUpRounds && controller !== undefined; round++) {
      const { failures } = await load(controller.target, controller.next(), concurrency)
      if (failures[0] !== undefined) process.stderr.write(`warm-up: ${failures.length} of ${failures[0]}\n`)
    }
  }
}

interface Round extends LoadResult {
  /** CPU time of the Controller for each, microseconds. */
  readonly cost: number
}

class Tallies {
  readonly costs: number[] = []
  readonly latencies: number[] = []
  failures = 0
  #seconds = 0
  #done = 0

  add({ cost, latencies, failures, seconds }: Round): void {
    this.costs.push(cost)
    this.latencies.push(...latencies)
    this.failures += failures.length
    this.#seconds += seconds
    this.#done += latencies.length
    if (failures[0] !== undefined) process.stderr.write(`${failures[0]}\n`)
  }

  get rate(): number {
    return this.#done / this.#seconds
  }
}

async function runRound({ target, pid, next }: Controller): Promise<Round> {
  const enrollees = next()
  const before = cpuTime(pid)
  const result = await load(target, enrollees, concurrency)
  // What a Controller writes down after the last word of the device is its, too.
  await settled(pid)
  return { ...result, cost: (cpuTime(pid) - before) / enrollees.length }
}

/** Of all threads of a process, microseconds. */
function cpuTime(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = tasks.map(task =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000
}

async function settled(pid: number): Promise<void> {
  for (let last = 0, now = cpuTime(pid); now - last > 200; ) {
    await new Promise(resolve => setTimeout(resolve, 50))
    ;[last, now] = [now, cpuTime(pid)]
  }
}

interface OurController extends Controller {
  ask(question: Question): Promise<unknown>
}

async function startOurs(folder: string): Promise<OurController> {
  const log = openSync(join(folder, 'log'), 'a', 0o600)
  const program = fileURLToPath(new URL('dpp-server.ts', import.meta.url))
  const child = fork(program, [join(folder, 'site')], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', log, 'ipc'],
  })
  closeSync(log)
  const greeted: unknown[] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  const greeting = greeted[0] as Greeting | number | null
  if (typeof greeting !== 'object' || greeting === null) {
    throw new Error(`the site did not start\n${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`)
  }
  const ask = questions(child)
  const enrollees = makeEnrollees(all)
  await ask({ type: 'expect', uris: enrollees.map(({ uri }) => uri) })
  return {
    target: { port: greeting.port, configurator: peerBootstrapping(parseBootstrappingUri(greeting.uri)) },
    pid: child.pid!,
    next: () => enrollees.splice(0, perRound),
    ask,
  }
}

function questions(child: ChildProcess): OurController['ask'] {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
    const question = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) question?.resolve(answer)
    else question?.reject(new Error(error))
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the site is gone'))
    waiting.clear()
  })
  return question =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve, reject })
      child.send({ id, question })
    })
}

/** As many as it has to find among its bootstrapping entries: few, which is in its favour. They come round after round. */
const knownToTheirs = 16

async function startTheirs(folder: string): Promise<Controller & { readonly close: () => Promise<void> }> {
  const peer = await HostapPeer.wpaSupplicant(join(folder, 'peer'))
  const configurator = await peer.command('DPP_CONFIGURATOR_ADD curve=prime256v1')
  const own = await peer.command('DPP_BOOTSTRAP_GEN type=qrcode curve=prime256v1')
  const uri = await peer.command(`DPP_BOOTSTRAP_GET_URI ${own}`)
  const enrollees = makeEnrollees(knownToTheirs)
  for (const { uri } of enrollees) await peer.command('DPP_QR_CODE', uri)
  const ssid = Buffer.from('lamps').toString('hex')
  await peer.command(`SET dpp_configurator_params conf=sta-dpp ssid=${ssid} configurator=${configurator}`)
  const port = await freePort()
  await peer.command(`DPP_CONTROLLER_START tcp_port=${port} role=configurator`)
  return {
    target: { port, configurator: peerBootstrapping(parseBootstrappingUri(uri)) },
    pid: peer.pid,
    next: () => Array.from({ length: perRound }, (_, n) => enrollees[n % enrollees.length]!),
    close: () => peer.close(),
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}
