import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type House, openHouse } from '../all-in-one/house.ts'
import type { Findings, Job } from './job.ts'
import { onboard, readGround, type Stage, sell } from './place.ts'
import { acknowledgedFile, type Word } from './worker.ts'

export interface ScaleOptions {
  readonly devices: number
  readonly jobs: readonly Job[]
  /** How often the process is killed in the middle of each job, evenly over its way. */
  readonly kills: number
  readonly onProgress: (what: string, done: number, of: number) => void
}

export interface JobReport {
  readonly job: string
  readonly title: string
  /** What it was about: devices, or units. */
  readonly count: number
  /** Undisturbed. */
  readonly seconds: number
  readonly kills: number
  /** Acknowledged before a kill, and not on record after it; nothing else is allowed but 0. */
  readonly lost: number
  readonly halfDone: number
  /** Ledgers that did not verify, after a kill or at the end. */
  readonly verifyFailures: number
  readonly problems: readonly string[]
}

export interface ScaleReport {
  readonly devices: number
  readonly prepareSeconds: number
  readonly jobs: readonly JobReport[]
}

/** Runs each job twice: undisturbed, for its time, and killed in the middle, for what it loses. */
export async function runScale(options: ScaleOptions): Promise<ScaleReport> {
  const place = await mkdtemp(join(tmpdir(), 'mooring-scale-'))
  try {
    const start = performance.now()
    const stages = await prepare(place, options)
    const prepareSeconds = seconds(performance.now() - start)
    const reports: JobReport[] = []
    for (const job of options.jobs) reports.push(await new JobRun(job, stages[job.stage], options).run(place))
    return { devices: options.devices, prepareSeconds, jobs: reports }
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** One directory for each stage, from which jobs take copies. */
async function prepare(place: string, { devices, jobs, onProgress }: ScaleOptions): Promise<Record<Stage, string>> {
  const stages = { sold: join(place, 'sold'), onboarded: join(place, 'onboarded') }
  const working = async (data: string, work: (house: House) => Promise<void>) => {
    const house = await openHouse({ data })
    await work(house)
    await house.close()
  }
  await working(stages.sold, house =>
    sell(house, stages.sold, devices, (done, of) => onProgress('units are made and sold', done, of)),
  )
  if (jobs.some(({ stage }) => stage === 'onboarded')) {
    await cp(stages.sold, stages.onboarded, { recursive: true })
    await working(stages.onboarded, house =>
      onboard(house, stages.onboarded, (done, of) => onProgress('devices are onboarded', done, of)),
    )
  }
  return stages
}

const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

interface Life {
  /** Undefined when it was killed. */
  readonly done?: Extract<Word, { kind: 'done' }>
}

class JobRun {
  readonly #job: Job
  readonly #from: string
  readonly #options: ScaleOptions
  readonly #acknowledged = new Set<string>()
  readonly #problems: string[] = []
  #lives = 0
  #lost = 0
  #half = 0
  #verifyFailures = 0

  constructor(job: Job, from: string, options: ScaleOptions) {
    this.#job = job
    this.#from = from
    this.#options = options
  }

  async run(place: string): Promise<JobReport> {
    const { name: job, title } = this.#job
    const { done } = await this.#inCopy(place, data => this.#undisturbed(data))
    const kills = await this.#inCopy(place, data => this.#disturbed(data))
    const problems = this.#problems.slice(0, 20)
    const [lost, halfDone, verifyFailures] = [this.#lost, this.#half, this.#verifyFailures]
    const { count = 0, milliseconds = 0 } = done ?? {}
    return { job, title, count, seconds: seconds(milliseconds), kills, lost, halfDone, verifyFailures, problems }
  }

  async #inCopy<T>(place: string, work: (data: string) => Promise<T>): Promise<T> {
    const data = await mkdtemp(join(place, `${this.#job.name}-`))
    await cp(this.#from, data, { recursive: true })
    try {
      return await work(data)
    } finally {
      await rm(data, { recursive: true, force: true })
    }
  }

  async #undisturbed(data: string): Promise<Life> {
    const life = await this.#live(data, 2)
    await this.#judge(data, 'conclude')
    return life
  }

  /** @returns how often it was killed */
  async #disturbed(data: string): Promise<number> {
    const { kills } = this.#options
    this.#acknowledged.clear()
    let killed = 0
    for (let life = 1; life <= kills; life++) {
      const { done } = await this.#live(data, life / (kills + 1))
      if (done !== undefined) break
      killed++
      await this.#judge(data, 'inspect')
    }
    await this.#live(data, 2)
    await this.#judge(data, 'conclude')
    return killed
  }

  /** A life of the process, until the job is done or `end` of it is. */
  async #live(data: string, end: number): Promise<Life> {
    writeFileSync(join(data, acknowledgedFile), JSON.stringify([...this.#acknowledged]))
    const child = fork(worker, [this.#job.name, data, String(this.#lives++)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    let done: Life['done']
    let killed = false
    child.on('message', (word: Word) => {
      if (word.kind === 'done') done = word
      else if (word.kind === 'acknowledged') this.#acknowledged.add(word.what)
      else {
        this.#options.onProgress(this.#job.title, word.done, word.of)
        if (word.done / word.of < end || killed) return
        killed = true
        child.kill('SIGKILL')
      }
    })
    const [code, signal] = await once(child, 'close')
    if (done === undefined && signal !== 'SIGKILL') throw new Error(`${this.#job.name} ended with ${code}`)
    // It may have come to its end before the blow fell.
    return done === undefined ? {} : { done }
  }

  async #judge(data: string, how: 'inspect' | 'conclude'): Promise<void> {
    const house = await openHouse({ data })
    try {
      const found: Findings = await this.#job[how](house, readGround(data), this.#acknowledged)
      this.#lost += found.lost.length
      this.#half += found.half.length
      this.#problems.push(...found.lost, ...found.half)
      for (const [party, store] of [
        ['site', house.site.store],
        ['manufacturer', house.maker.store],
      ] as const) {
        const { integrity, completeness, firstBad } = await store.verify()
        if (integrity === 'pass' && completeness !== 'fail') continue
        this.#verifyFailures++
        this.#problems.push(`the ledger of the ${party} does not verify: ${JSON.stringify(firstBad)}`)
      }
    } finally {
      await house.close()
    }
  }
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 10) / 100
}

export function isSound({ jobs }: ScaleReport): boolean {
  return jobs.every(({ lost, halfDone, verifyFailures }) => lost + halfDone + verifyFailures === 0)
}
