import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Inspection, StepTask } from './task.ts'

export interface StepReport {
  readonly phase: string
  readonly title: string
  /** At every moment of the task once. */
  readonly kills: number
  readonly halfDone: number
  readonly verifyFailures: number
  readonly seconds: number
  /** The first of what went wrong. */
  readonly problems: readonly string[]
}

const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

/**
 * The task, killed at its first moment, at its second, and so on until it has no more; each time from the same start, looked
 * at after the death, done again, and looked at once more.
 */
export async function runSteps(
  task: StepTask,
  options: { readonly first?: number; readonly every?: number; readonly onKill?: (kills: number) => void } = {},
): Promise<StepReport> {
  const { first = 1, every = 1, onKill = () => {} } = options
  const place = await mkdtemp(join(tmpdir(), `mooring-${task.name}-`))
  const start = performance.now()
  const problems: string[] = []
  let [kills, halfDone, verifyFailures] = [0, 0, 0]
  const judge = (when: string, { half, unsound }: Inspection) => {
    halfDone += half.length
    verifyFailures += unsound.length
    problems.push(...[...half, ...unsound].map(what => `${when}: ${what}`))
  }
  try {
    const origin = join(place, 'origin')
    await task.prepare(origin)
    for (let moment = first; ; moment += every) {
      const data = join(place, `moment-${moment}`)
      await cp(origin, data, { recursive: true })
      const died = await live(task, data, moment)
      if (died !== undefined) {
        judge(`killed ${died}`, await task.inspect(data))
        kills++
        onKill(kills)
        if ((await live(task, data, 0)) !== undefined) throw new Error(`${task.name} died of itself`)
      }
      judge(died === undefined ? 'undisturbed' : `killed ${died}, and done again`, await task.conclude(data))
      await rm(data, { recursive: true, force: true })
      if (died === undefined) break
    }
  } finally {
    await rm(place, { recursive: true, force: true })
  }
  const seconds = Math.round((performance.now() - start) / 10) / 100
  const { name: phase, title } = task
  return { phase, title, kills, halfDone, verifyFailures, seconds, problems: problems.slice(0, 20) }
}

/** @returns at what moment the process died; undefined when it came to its end */
async function live(task: StepTask, data: string, moment: number): Promise<string | undefined> {
  const child = fork(worker, [task.name, data, String(moment)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let last = `at moment ${moment}`
  child.on('message', ({ what }: { readonly what: string }) => {
    last = what
  })
  const [code, signal] = await once(child, 'close')
  if (signal === 'SIGKILL') return last
  if (code !== 0) throw new Error(`${task.name} ended with ${code}`)
  return undefined
}

export function isWhole({ kills, halfDone, verifyFailures }: StepReport): boolean {
  return kills > 0 && halfDone + verifyFailures === 0
}
