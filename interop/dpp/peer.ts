import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { findProgram, searchPath } from '../../lab/wifi/requirement.ts'

const execute = promisify(execFile)

/** An event of the peer: `DPP-CONFOBJ-AKM` and what follows the name. */
export interface PeerEvent {
  readonly name: string
  readonly text: string
}

/** What the peer refused, or did not say in time. */
export class PeerError extends Error {}

type Watcher = (event: PeerEvent) => void

/**
 * Debian's wpa_supplicant (`wired`: it has no radio and speaks DPP over TCP alone) or hostapd, in a process of its own with its
 * control interface in `folder`. Commands go through wpa_cli, events come from what it prints.
 */
export class HostapPeer {
  readonly #process: ChildProcess
  readonly #control: readonly string[]
  readonly #events: PeerEvent[] = []
  readonly #watchers = new Set<Watcher>()
  readonly #ended: Promise<unknown>
  #tail = ''

  private constructor(program: string, args: readonly string[], control: readonly string[]) {
    this.#control = control
    // Its output is read line by line: without stdbuf it would come in blocks.
    const stdio = ['ignore', 'pipe', 'inherit'] as const
    const env = { ...process.env, PATH: searchPath, LC_ALL: 'C' }
    this.#process = spawn('stdbuf', ['-oL', findProgram(program) ?? program, ...args], { stdio: [...stdio], env })
    this.#ended = once(this.#process, 'close')
    createInterface(this.#process.stdout!).on('line', line => this.#read(line))
    process.once('exit', this.#kill)
  }

  readonly #kill = (): void => {
    this.#process.kill('SIGKILL')
  }

  static async wpaSupplicant(folder: string, lines: readonly string[] = []): Promise<HostapPeer> {
    const control = join(folder, 'control')
    const configuration = write(folder, [`ctrl_interface=${control}`, 'ap_scan=0', ...lines])
    const peer = new HostapPeer(
      'wpa_supplicant',
      ['-Dwired', '-ilo', `-c${configuration}`],
      ['wpa_cli', '-p', control, '-i', 'lo'],
    )
    return await peer.#ready()
  }

  /** An access point without a radio: enough to be enrolled over TCP. */
  static async hostapd(folder: string, lines: readonly string[] = []): Promise<HostapPeer> {
    const control = join(folder, 'control')
    const base = ['interface=lo', 'driver=none', `ctrl_interface=${control}`]
    const peer = new HostapPeer(
      'hostapd',
      [write(folder, [...base, ...lines])],
      ['hostapd_cli', '-p', control, '-i', 'lo'],
    )
    return await peer.#ready()
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** Its answer; throws `PeerError` when that is FAIL or there is none. */
  async command(...words: readonly string[]): Promise<string> {
    const [program, ...options] = this.#control
    const { stdout } = await execute(findProgram(program!)!, [...options, 'raw', words.join(' ')])
    const answer = stdout.replace(/^Using interface.*\n/, '').trim()
    if (/^FAIL/.test(answer)) throw new PeerError(`${words.join(' ')}: ${answer}`)
    return answer
  }

  /** Events from now on. */
  watch(): EventWatch {
    return new EventWatch(this.#events, this.#watchers)
  }

  async close(): Promise<void> {
    this.#process.kill('SIGTERM')
    await this.#ended
    process.off('exit', this.#kill)
  }

  async #ready(): Promise<this> {
    for (let attempt = 0; attempt < 100; attempt++) {
      if (this.#process.exitCode !== null) break
      const answer = await this.command('PING').catch(() => '')
      if (answer === 'PONG') return this
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    await this.close()
    throw new PeerError(`the peer did not start: ${this.#tail}`)
  }

  #read(line: string): void {
    this.#tail = line
    const [, name, text] = /(?:^|\s)(DPP-[A-Z-]+)(?: (.*))?$/.exec(line) ?? []
    if (name === undefined) return
    const event = { name, text: text?.trim() ?? '' }
    this.#events.push(event)
    for (const watcher of this.#watchers) watcher(event)
  }
}

/** What a peer has said since this was made. */
export class EventWatch {
  readonly #events: readonly PeerEvent[]
  readonly #from: number
  readonly #watchers: Set<Watcher>

  constructor(events: readonly PeerEvent[], watchers: Set<Watcher>) {
    this.#events = events
    this.#from = events.length
    this.#watchers = watchers
  }

  get all(): readonly PeerEvent[] {
    return this.#events.slice(this.#from)
  }

  /** The text of the last event of that name. */
  text(name: string): string | undefined {
    return this.all.findLast(event => event.name === name)?.text
  }

  /** The first event of one of these names; throws `PeerError` after `seconds`, with what came instead. */
  async until(names: readonly string[], seconds = 8): Promise<PeerEvent> {
    const there = this.all.find(({ name }) => names.includes(name))
    if (there !== undefined) return there
    return await new Promise((resolve, reject) => {
      const watcher = (event: PeerEvent) => {
        if (names.includes(event.name)) done(() => resolve(event))
      }
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#watchers.delete(watcher)
        settle()
      }
      const timer = setTimeout(() => {
        const seen = this.all.map(({ name, text }) => `${name} ${text}`.slice(0, 60)).join(', ')
        done(() => reject(new PeerError(`no ${names.join(' or ')} within ${seconds} s, only [${seen}]`)))
      }, seconds * 1000)
      this.#watchers.add(watcher)
    })
  }
}

function write(folder: string, lines: readonly string[]): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'peer.conf')
  writeFileSync(path, lines.map(line => `${line}\n`).join(''))
  return path
}
