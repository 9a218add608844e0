import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
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

const program = fileURLToPath(new URL('server.ts', import.meta.url))

interface Greeting {
  readonly ready: number
  readonly registrar: string
}

/** @param execArgv options of node, such as `--cpu-prof` */
export async function startHouse(options: ServerOptions, execArgv: readonly string[] = []): Promise<HouseProcess> {
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...execArgv],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  const ended = once(child, 'exit')
  const complaint = lastLines(child)
  const greeted = (await Promise.race([once(child, 'message'), ended])) as [Greeting | number | null]
  const greeting = greeted[0]
  if (typeof greeting !== 'object' || greeting === null) throw new Error(`the house did not start\n${complaint()}`)
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

/** Its log is read, as somebody would, and only the end of it kept. */
function lastLines(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-4000)
  })
  return () => text
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
