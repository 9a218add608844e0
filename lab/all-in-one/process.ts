import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Orders, ServerOptions } from './message.ts'

/** A house in a process of its own, as its parent sees it. */
export interface HouseProcess {
  readonly pid: number
  readonly port: number
  /** The registrar's end-entity certificate, DER. */
  readonly registrar: Uint8Array
  /** Rejects when the process ends before it answers. */
  ask<T extends keyof Orders>(type: T, ask: Orders[T]['ask']): Promise<Orders[T]['answer']>
  /** Ends it in order. */
  close(): Promise<void>
  /** Ends it as a power loss does: nothing is finished, nothing is written. */
  kill(): Promise<void>
}

let started = 0

const program = fileURLToPath(new URL('server.ts', import.meta.url))

interface Greeting {
  readonly ready: number
  readonly registrar: string
}

/** @param execArgv options of node, such as `--cpu-prof` */
export async function startHouse(options: ServerOptions, execArgv: readonly string[] = []): Promise<HouseProcess> {
  // Its log goes to a file, as it would be kept: a pipe would wake its reader for every line.
  mkdirSync(options.place.data, { recursive: true })
  const log = join(options.place.data, `log-${process.pid}-${++started}`)
  const output = openSync(log, 'a', 0o600)
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...execArgv],
    stdio: ['ignore', 'inherit', output, 'ipc'],
  })
  closeSync(output)
  const ended = once(child, 'exit')
  const greeted = (await Promise.race([once(child, 'message'), ended])) as [Greeting | number | null]
  const greeting = greeted[0]
  if (typeof greeting !== 'object' || greeting === null)
    throw new Error(`the house did not start\n${readFileSync(log, 'utf8').slice(-4000)}`)
  const ask = questions(child)
  return {
    pid: child.pid!,
    port: greeting.ready,
    registrar: Buffer.from(greeting.registrar, 'base64'),
    ask,
    async close() {
      await ask('close', {})
      await ended
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function questions(child: ChildProcess): HouseProcess['ask'] {
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on('message', ({ id, answer, error }: { id: number; answer?: never; error?: string }) => {
    const question = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) question?.resolve(answer as never)
    else question?.reject(new Error(error))
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the house is gone'))
    waiting.clear()
  })
  return (type, ask) =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve, reject })
      child.send({ id, ask: { type, ...ask } }, error => {
        if (error !== null) reject(error)
      })
    })
}
