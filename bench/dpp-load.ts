/**
 * Enrollees for bench/dpp.ts: they have scanned the Controller's code, it knows theirs, and so many at a time come for a
 * configuration. Both Controllers get the same ones.
 */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { PeerBootstrapping } from '../src/protocol/dpp/authentication.ts'
import { type Effect, type Event, initiate, type State, step, type Transition } from '../src/protocol/dpp/enrollee.ts'
import { decodeFrame } from '../src/protocol/dpp/frame.ts'
import { type DppKeyPair, exportSpki, generateDppKey } from '../src/protocol/dpp/key.ts'
import { encodeRecord, RecordSplitter } from '../src/protocol/dpp/record.ts'
import { formatBootstrappingUri } from '../src/protocol/dpp/uri.ts'

export interface Enrollee {
  readonly pair: DppKeyPair
  readonly uri: string
}

export function makeEnrollees(count: number): Enrollee[] {
  return Array.from({ length: count }, () => {
    const pair = generateDppKey('P-256')
    return { pair, uri: formatBootstrappingUri({ publicKey: exportSpki(pair), curve: 'P-256', version: 2 }) }
  })
}

export interface Target {
  readonly port: number
  readonly configurator: PeerBootstrapping
}

export interface LoadResult {
  readonly seconds: number
  /** Milliseconds from the connection to the Configuration Result. */
  readonly latencies: readonly number[]
  readonly failures: readonly string[]
}

/** Onboards each once, so many at a time. */
export async function load(target: Target, enrollees: readonly Enrollee[], concurrency: number): Promise<LoadResult> {
  const waiting = enrollees.values()
  const latencies: number[] = []
  const failures: string[] = []
  const work = async () => {
    for (const enrollee of waiting) {
      const start = performance.now()
      const failure = await onboard(target, enrollee)
      if (failure === undefined) latencies.push(performance.now() - start)
      else failures.push(failure)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: concurrency }, work))
  return { seconds: (performance.now() - start) / 1000, latencies, failures }
}

/** Undefined when it is configured, and authentication was mutual; else why not. */
function onboard({ port, configurator }: Target, { pair }: Enrollee): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const splitter = new RecordSplitter()
    const course: Course = { socket, state: undefined, mutual: false, resolve: end }
    const timer = setTimeout(() => end('no end within 20 s'), 20_000)
    function end(failure: string | undefined): void {
      clearTimeout(timer)
      socket.destroySoon()
      resolve(failure)
    }
    socket.on('connect', () => {
      const options = {
        bootstrapping: pair,
        publicKey: exportSpki(pair),
        protocolKey: generateDppKey('P-256'),
        configurator,
        request: { name: 'lamp', netRole: 'sta', thirdParty: {} },
        version: 2,
        clockTrusted: true,
      } as const
      take(course, initiate(options, { at: Date.now(), random: randomBytes(32) }))
    })
    socket.on('data', chunk => {
      for (const message of splitter.push(chunk)) tell(course, { type: 'received', frame: decodeFrame(message) })
    })
    socket.on('error', error => end(error.message))
    socket.on('close', () => end(`closed as ${course.state?.type ?? 'nothing'}`))
  })
}

interface Course {
  readonly socket: Socket
  state: State | undefined
  mutual: boolean
  readonly resolve: (failure: string | undefined) => void
}

function tell(course: Course, event: Event): void {
  if (course.state === undefined) return
  take(course, step(course.state, { ...event, at: Date.now(), random: randomBytes(32) }))
}

function take(course: Course, { state, effects }: Transition): void {
  course.state = state
  for (const effect of effects) perform(course, effect)
  if (course.state !== state) return
  if (state.type === 'configured') course.resolve(course.mutual ? undefined : 'authentication was one-way')
  if (state.type === 'failed') course.resolve(JSON.stringify(state.failure))
}

function perform(course: Course, effect: Effect): void {
  if (effect.type === 'send') course.socket.write(encodeRecord(effect.message))
  if (effect.type === 'authenticated') course.mutual = effect.mutual
  if (effect.type === 'install') tell(course, { type: 'configuration-installed' })
  if (effect.type === 'try-connection') tell(course, { type: 'connection-tried', status: { result: 0 } })
}
