import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

const main = join(import.meta.dirname, '../../../src/app/cli/main.ts')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly json: () => Record<string, unknown>
}

/** Command lines as real processes, with nothing of this environment but what is given. */
export class Shell {
  readonly #env: Record<string, string>
  readonly #cwd: string
  readonly #running = new Set<ChildProcess>()

  constructor(cwd: string, env: Record<string, string> = {}) {
    this.#cwd = cwd
    this.#env = { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env }
  }

  #spawn(args: readonly string[], env: Record<string, string>): ChildProcess {
    const child = spawn(process.execPath, [main, ...args], { cwd: this.#cwd, env: { ...this.#env, ...env } })
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    return child
  }

  async run(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
    const child = this.#spawn(args, env)
    child.stdin?.end()
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
    return { code: code as number | null, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> }
  }

  /** One that must succeed. */
  async do(...args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr, json } = await this.run([...args, '--json'])
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return json()
  }

  /** A service, from when it says that it is ready. */
  async start(args: readonly string[], env: Record<string, string> = {}): Promise<Service> {
    const child = this.#spawn([...args, '--json'], env)
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
