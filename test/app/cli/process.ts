import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { administer } from '../../postgres.ts'
import { partyStores } from '../../store.ts'
import { mooring, type Outcome } from './terminal.ts'

const main = join(import.meta.dirname, '../../../src/app/cli/main.ts')

/** Command lines with nothing of this environment but what is given. Services are processes of their own. */
export class Shell {
  readonly #env: Record<string, string>
  readonly #cwd: string
  readonly #running = new Set<ChildProcess>()
  readonly #ending = new AbortController()
  /** By data directory, where stores are not in them. */
  readonly #stores = partyStores()

  constructor(cwd: string, env: Record<string, string> = {}) {
    this.#cwd = cwd
    this.#env = { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env }
  }

  async #envFor(args: readonly string[], env: Record<string, string>): Promise<Record<string, string>> {
    const all = { ...this.#env, ...env }
    const given = args.indexOf('--data') + 1
    const usual = args[0] === 'factory' || args[0] === 'masa' ? 'factory' : 'site'
    const data = given > 0 ? args[given]! : (all['MOORING_DATA'] ?? usual)
    const url = await this.#stores.storeUrl?.(data)
    return url === undefined ? all : { MOORING_STORE: url, ...all }
  }

  /** Runs SQL behind the back of the stopped site in that directory. */
  async alter(data: string, statement: string): Promise<void> {
    const url = await this.#stores.storeUrl?.(data)
    if (url !== undefined) return administer(url, statement)
    const database = new DatabaseSync(join(data, 'site.db'))
    database.exec(statement)
    database.close()
  }

  async #spawn(args: readonly string[], env: Record<string, string>): Promise<ChildProcess> {
    const child = spawn(process.execPath, [main, ...args], { cwd: this.#cwd, env: await this.#envFor(args, env) })
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    return child
  }

  /** In this process, which spares the start of another. A service that should have been refused ends all the same. */
  async run(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(60_000)])
    return mooring(args, { env: await this.#envFor(args, env), signal })
  }

  /** As a person starts it. */
  async process(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    return this.#outcome(await this.#spawn(args, env))
  }

  async #outcome(child: ChildProcess): Promise<Outcome> {
    child.stdin?.end()
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
    return { code: code as number, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> }
  }

  /** As a person who presses Ctrl-C when `moment` has come. */
  async interrupted(args: readonly string[], moment: () => Promise<void>): Promise<Outcome> {
    const child = await this.#spawn(args, {})
    const ended = this.#outcome(child)
    await moment()
    child.kill('SIGINT')
    return ended
  }

  /** Into a pipe whose other end closes after so many octets. */
  async read(args: readonly string[], octets: number): Promise<Pick<Outcome, 'code' | 'stderr'>> {
    const child = await this.#spawn(args, {})
    const ended = Promise.all([text(child.stderr!), once(child, 'close')])
    await once(child.stdout!, 'readable')
    child.stdout!.read(octets)
    child.stdout!.destroy()
    const [stderr, [code]] = await ended
    return { code: code as number, stderr }
  }

  /** One that must succeed. */
  async do(...args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr, json } = await this.run([...args, '--json'])
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return json()
  }

  /** A service, from when it says that it is ready. */
  async start(args: readonly string[], env: Record<string, string> = {}): Promise<Service> {
    const child = await this.#spawn([...args, '--json'], env)
    const stderr = text(child.stderr!)
    const lines = createInterface({ input: child.stdout! })
    const closed = once(child, 'close')
    const [first] = await Promise.race([once(lines, 'line'), closed.then(async () => [await stderr])])
    const ready = JSON.parse(first as string) as Record<string, unknown>
    assert.equal(ready['ready'], true, first as string)
    const after: string[] = []
    lines.on('line', line => after.push(line))
    return {
      ready,
      async stop(signal = 'SIGTERM') {
        child.kill(signal)
        const [code] = await closed
        return { code: code as number | null, stderr: await stderr, after }
      },
    }
  }

  /** For when a test fails in the middle. */
  async end(): Promise<void> {
    this.#ending.abort()
    const closing = [...this.#running].map(child => once(child, 'close'))
    for (const child of this.#running) child.kill('SIGKILL')
    await Promise.all(closing)
  }
}

export interface Service {
  /** What it printed when it was ready. */
  readonly ready: Record<string, unknown>
  stop(
    signal?: NodeJS.Signals,
  ): Promise<{ readonly code: number | null; readonly stderr: string; readonly after: string[] }>
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
