import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Store } from '../../../src/domain/port.ts'

const script = fileURLToPath(new URL('writing-process.ts', import.meta.url))

/** A running `writing-process.ts`, and what it was told is durable. */
export interface WritingProcess {
  readonly acknowledged: string[]
  /** Resolves when at least so many units are acknowledged. */
  readonly reached: (count: number) => Promise<void>
  /** kill -9 */
  readonly kill: () => Promise<void>
  /** Lets it end by itself. */
  readonly end: () => Promise<void>
}

export async function startWriting(url: string, name: string, privateKeyPem: string): Promise<WritingProcess> {
  const key = Buffer.from(privateKeyPem).toString('base64url')
  const child = spawn(process.execPath, [script, url, name, key], { stdio: ['pipe', 'pipe', 'inherit'] })
  const acknowledged: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let rest = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    // A line that a kill cut short promised nothing.
    rest = lines.pop() ?? ''
    acknowledged.push(...lines)
    for (const { resolve } of waiting.filter(({ count }) => acknowledged.length > count)) resolve()
  })
  const reached = (count: number) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ count, resolve })
      if (acknowledged.length > count) resolve()
      child.once('close', () => reject(new Error(`the writing process ended with ${child.exitCode}`)))
    })
  await reached(0)
  return {
    acknowledged,
    reached,
    kill: () => stop(child, () => child.kill('SIGKILL')),
    async end() {
      await stop(child, () => child.stdin.end())
      assert.equal(child.exitCode, 0)
    },
  }
}

async function stop(child: ChildProcess, how: () => void): Promise<void> {
  const closed = once(child, 'close')
  how()
  await closed
}

/** Every unit that was acknowledged is there whole, and the shared counter has no number twice and none left out. */
export async function assertKept(store: Store, processes: readonly WritingProcess[]): Promise<number> {
  const names = processes.flatMap(({ acknowledged }) => acknowledged.filter(line => line !== 'ready'))
  for (const name of names) {
    const { setting, events } = {
      setting: await store.read(tables => tables.setting.get(name)),
      events: await store.history(`site/${name}`),
    }
    assert.deepEqual(setting, { name, value: name })
    assert.equal(events.length, 2, name)
  }
  const counted = await store.history('site/shared', 0, 10_000)
  const units = counted.map(event => event.body['unit'] as string)
  assert.equal(new Set(units).size, units.length)
  assert.equal((await store.read(tables => tables.setting.get('counter')))?.value ?? 0, units.length)
  for (const name of names.filter(name => Number(name.split('-').at(-1)) % 4 === 0)) {
    assert.ok(units.includes(name), `${name} was not counted`)
  }
  return names.length
}
