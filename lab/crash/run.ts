import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HousePlace, readUpbringing, type Upbringing } from '../all-in-one/house.ts'
import type { Anchors } from '../all-in-one/message.ts'
import { askAgain, type Manner, onboard, prepare, Refused } from '../all-in-one/pledge.ts'
import { type HouseProcess, startHouse } from '../all-in-one/process.ts'
import { acknowledged, compare, deviceOf, see, type Witness } from './record.ts'

export interface CrashOptions {
  readonly kills: number
  readonly store: 'sqlite' | 'postgres'
  /** The same seed, the same moments, as far as the machine lets them be the same. */
  readonly seed: number
  readonly concurrency?: number
  /** Called after each life. */
  readonly onLife?: (life: number, report: CrashReport) => void
}

export interface CrashReport {
  readonly kills: number
  /** Results that devices were told. */
  readonly acknowledged: number
  /** Of them not on record afterwards, or another answer when asked again. */
  readonly lost: number
  readonly duplicated: number
  /** `audit verify` that did not pass, counted by ledger. */
  readonly verifyFailures: number
  /** Honest devices that were refused, or that could not be brought to their end. */
  readonly refused: number
  readonly seconds: number
  readonly store: 'sqlite' | 'postgres'
  readonly seed: number
  /** The first of what went wrong. */
  readonly problems: readonly string[]
}

const manner: Manner = { csrAttributes: false, connects: true, checks: true }
/** Devices that are delivered for each life of the site; more than it lives to see. */
const delivery = 128
/** The longest that a life lasts under load, milliseconds; and the most requests that it gets. */
const longest = { milliseconds: 800, requests: 300 }

/** Kills the site again and again while devices onboard, and holds what it told them against what it remembers. */
export async function runCrash(options: CrashOptions): Promise<CrashReport> {
  const place = await makePlace(options.store)
  try {
    return await new CrashRun(options, place.house).run()
  } finally {
    await place.remove()
  }
}

interface Place {
  readonly house: HousePlace
  remove(): Promise<void>
}

async function makePlace(store: 'sqlite' | 'postgres'): Promise<Place> {
  const data = await mkdtemp(join(tmpdir(), 'mooring-crash-'))
  const removeData = () => rm(data, { recursive: true, force: true })
  if (store === 'sqlite') return { house: { data }, remove: removeData }
  const { startPostgres } = await import('../../test/postgres.ts')
  const server = await startPostgres({ fsync: true })
  const [site, manufacturer] = [await server.place(), await server.place()]
  return {
    house: { data, stores: { site: site.url, manufacturer: manufacturer.url } },
    async remove() {
      await server.stop()
      await removeData()
    },
  }
}

class CrashRun {
  readonly #options: CrashOptions
  readonly #place: HousePlace
  readonly #random: () => number
  readonly #start = performance.now()
  readonly #witnesses: Witness[] = []
  /** Those that something happened to since the record was last looked at. */
  readonly #touched = new Set<Witness>()
  readonly #problems: string[] = []
  #masaRoot: Upbringing['masaRoot'] | undefined
  #anchors: Partial<Anchors> = {}
  #kills = 0
  #lost = 0
  #duplicated = 0
  #verifyFailures = 0
  #refused = 0

  constructor(options: CrashOptions, place: HousePlace) {
    this.#options = options
    this.#place = place
    this.#random = mulberry32(options.seed)
  }

  async run(): Promise<CrashReport> {
    const { kills, onLife } = this.#options
    while (this.#kills < kills) {
      const house = await this.#revive()
      await this.#deliver(house)
      await this.#live(house)
      onLife?.(this.#kills, this.#report())
    }
    await this.#conclude()
    return this.#report()
  }

  /** Starts the site from what the last life left, and looks whether all is there. */
  async #revive(): Promise<HouseProcess> {
    const house = await startHouse({ place: this.#place })
    await this.#verify(house)
    this.#anchors = await house.ask('checkpoint', {})
    await this.#checkRecord(house)
    return house
  }

  async #verify(house: HouseProcess): Promise<void> {
    const verdicts = await house.ask('verify', { anchors: this.#anchors })
    for (const [party, verdict] of Object.entries(verdicts)) {
      if (verdict.integrity !== 'fail' && verdict.completeness !== 'fail') continue
      this.#verifyFailures++
      this.#problem(`the ledger of the ${party} does not verify: ${JSON.stringify(verdict.firstBad)}`)
    }
  }

  async #checkRecord(house: HouseProcess): Promise<void> {
    const witnesses = [...this.#touched]
    this.#touched.clear()
    const records = await house.ask('records', { devices: witnesses.map(({ attempt }) => deviceOf(attempt)) })
    witnesses.forEach((witness, n) => {
      const { lost, duplicated } = compare(witness, records[n]!)
      this.#lost += lost.length
      this.#duplicated += duplicated.length
      for (const what of lost) this.#problem(`lost ${what}`)
      for (const what of duplicated) this.#problem(`twice ${what}`)
    })
  }

  async #deliver(house: HouseProcess): Promise<void> {
    const fresh = this.#unfinished().filter(({ attempt }) => attempt.request === undefined).length
    if (fresh > delivery / 2) return
    const batch = `B${this.#kills}`
    const { masaRoot, units } = readUpbringing(await house.ask('furnish', { batch, count: delivery }))
    this.#masaRoot = masaRoot
    for (const unit of units) this.#witnesses.push({ attempt: { unit }, serials: new Set() })
  }

  #unfinished(): Witness[] {
    return this.#witnesses.filter(({ attempt }) => attempt.connected === undefined)
  }

  /** Devices onboard, some ask again, and in the middle of it the site is gone. */
  async #live(house: HouseProcess): Promise<void> {
    // Those who were interrupted are there first, with the very bytes of before.
    const ready = this.#unfinished().sort(
      (a, b) => Number(a.attempt.request === undefined) - Number(b.attempt.request === undefined),
    )
    const queue = ready.values()
    const before = this.#witnesses.filter(({ attempt }) => attempt.voucher !== undefined)
    const dying = this.#death(house)
    const site = { port: house.port, masaRoot: this.#masaRoot!, sent: () => dying.sent() }
    const device = async () => {
      while (!dying.begun()) {
        const again = before.length > 0 && this.#random() < 0.2
        if (again) await this.#repeat(before[Math.floor(this.#random() * before.length)]!, site, dying.begun)
        else {
          const { value: witness } = queue.next()
          if (witness === undefined) return
          await this.#advance(witness, house, site, dying.begun)
        }
      }
    }
    await Promise.all(Array.from({ length: this.#options.concurrency ?? 16 }, device))
    await dying.done()
    this.#kills++
  }

  /** At a moment, or with a request; in some lives a checkpoint is taken elsewhere before. */
  #death(house: HouseProcess) {
    const byTime = this.#random() < 0.5
    const atRequest = byTime ? Number.POSITIVE_INFINITY : 1 + Math.floor(this.#random() * longest.requests)
    let sent = 0
    let killed: Promise<void> | undefined
    const kill = () => {
      killed ??= house.kill()
    }
    const timer = setTimeout(kill, byTime ? this.#random() * longest.milliseconds : longest.milliseconds * 20)
    if (this.#random() < 0.4) {
      const moment = this.#random() * longest.milliseconds
      setTimeout(() => void this.#keepAnchors(house), moment)
    }
    return {
      begun: () => killed !== undefined,
      sent: () => {
        if (++sent >= atRequest) kill()
      },
      done: async () => {
        clearTimeout(timer)
        kill()
        await killed
      },
    }
  }

  async #keepAnchors(house: HouseProcess): Promise<void> {
    const anchors = await house.ask('checkpoint', {}).catch(() => undefined)
    if (anchors !== undefined) this.#anchors = anchors
  }

  async #advance(
    witness: Witness,
    house: HouseProcess,
    site: Parameters<typeof onboard>[1],
    over: () => boolean,
  ): Promise<void> {
    this.#touched.add(witness)
    try {
      await prepare(witness.attempt, house.registrar)
      await onboard(witness.attempt, site, manner)
    } catch (error) {
      this.#judge(error, witness, over)
    }
    see(witness, witness.attempt.certificate)
  }

  async #repeat(witness: Witness, site: Parameters<typeof onboard>[1], over: () => boolean): Promise<void> {
    const { voucher, certificate, unit } = witness.attempt
    this.#touched.add(witness)
    try {
      const again = await askAgain({ ...witness.attempt }, site)
      see(witness, again.certificate)
      if (voucher !== undefined && again.voucher?.equals(voucher) !== true) this.#changed(unit.serial, 'voucher')
      if (certificate !== undefined && again.certificate?.equals(certificate) !== true)
        this.#changed(unit.serial, 'certificate')
    } catch (error) {
      this.#judge(error, witness, over)
    }
  }

  #changed(serial: string, what: string): void {
    this.#lost++
    this.#problem(`${serial}: another ${what} when asked again`)
  }

  /** A site that dies breaks connections; anything else an honest device may not meet. */
  #judge(error: unknown, { attempt }: Witness, over: () => boolean): void {
    if (!(error instanceof Refused) && over()) return
    this.#refused++
    this.#problem(`${attempt.unit.serial}: ${String(error)}`)
  }

  /** In peace: whoever was interrupted comes to its end, everybody is asked again, and all of the record is looked at. */
  async #conclude(): Promise<void> {
    const house = await this.#revive()
    const site = { port: house.port, masaRoot: this.#masaRoot! }
    const begun = this.#witnesses.filter(({ attempt }) => attempt.request !== undefined)
    const each = async (work: (witness: Witness) => Promise<void>) => {
      const queue = begun.values()
      const worker = async () => {
        for (const witness of queue) await work(witness)
      }
      await Promise.all(Array.from({ length: 16 }, worker))
    }
    await each(witness => this.#advance(witness, house, site, () => false))
    await each(witness => this.#repeat(witness, site, () => false))
    await this.#checkRecord(house)
    await this.#verify(house)
    await house.close()
  }

  #problem(text: string): void {
    if (this.#problems.length < 20) this.#problems.push(text)
  }

  #report(): CrashReport {
    return {
      kills: this.#kills,
      acknowledged: this.#witnesses.reduce((sum, witness) => sum + acknowledged(witness), 0),
      lost: this.#lost,
      duplicated: this.#duplicated,
      verifyFailures: this.#verifyFailures,
      refused: this.#refused,
      seconds: Math.round((performance.now() - this.#start) / 100) / 10,
      store: this.#options.store,
      seed: this.#options.seed,
      problems: this.#problems,
    }
  }
}

/** Small, seeded, good enough to choose moments. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function isSound({ lost, duplicated, verifyFailures, refused }: CrashReport): boolean {
  return lost === 0 && duplicated === 0 && verifyFailures === 0 && refused === 0
}
