import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'

/** hostapd as an authenticator: its control socket, by way of hostapd_cli, as Node has no sockets of that kind. */
export interface Hostapd {
  /** MAC addresses that are authorized now. */
  stations(): Promise<readonly string[]>
  /** Ends a station's authorization. */
  deauthenticate(station: string): Promise<void>
  /** Has a station authenticate again. */
  reauthenticate(station: string): Promise<void>
  close(): Promise<void>
}

export interface HostapdOptions {
  /** Directory of the control sockets, `ctrl_interface` of hostapd. */
  readonly directory: string
  readonly interface: string
  readonly onAuthorized: (station: string) => void
  readonly onGone: (station: string) => void
  /** hostapd ended, or was never there. */
  readonly onLost: () => void
  readonly log: Log
  readonly program?: string
}

const address = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
/** Unsolicited lines of hostapd, `<3>AP-STA-CONNECTED 02:00:00:00:00:11`. */
const event = /^<\d>(AP-STA-CONNECTED|AP-STA-DISCONNECTED|CTRL-EVENT-TERMINATING)\s*([0-9a-f:]{17})?/
/** Of the answer to one command. */
const patience = 5000

/** Throws OnboardingError `hostapd-unreachable`. */
export async function openHostapd(options: HostapdOptions): Promise<Hostapd> {
  const { directory, interface: name, program = 'hostapd_cli' } = options
  // Into a pipe it would write its events when its buffer is full.
  const child = spawn('stdbuf', ['-oL', program, '-p', directory, '-i', name], { stdio: ['pipe', 'pipe', 'pipe'] })
  const dialogue = new Dialogue(child, options)
  const hostapd: Hostapd = {
    stations: () => authorizedStations(options),
    async deauthenticate(station) {
      await dialogue.ask(`deauthenticate ${checked(station)}`)
    },
    async reauthenticate(station) {
      await dialogue.ask(`raw EAPOL_REAUTH ${checked(station)}`)
    },
    close: () => dialogue.close(),
  }
  try {
    // The first answer proves that hostapd is there; hostapd_cli itself waits for it for ever.
    const status = await dialogue.ask('status')
    if (!status.includes('state=ENABLED'))
      throw new OnboardingError('hostapd-unreachable', { directory, interface: name })
    return hostapd
  } catch (error) {
    await hostapd.close()
    throw error
  }
}

/**
 * Each answer from a hostapd_cli of its own. hostapd writes the name that a device says, whatever octets it has, into what it
 * tells of it: in the dialogue that could be the end of an answer, an event, or another station.
 */
async function authorizedStations(options: HostapdOptions): Promise<readonly string[]> {
  const named = (await once(options, 'all_sta')).filter(line => address.test(line))
  const found: string[] = []
  for (const station of new Set(named)) {
    // Both lines stand before that name.
    const [who, flags = ''] = await once(options, 'sta', station)
    if (who === station && /^flags=(\[[A-Z0-9_-]+\])*\[AUTHORIZED\]/.test(flags)) found.push(station)
  }
  return found
}

function once(options: HostapdOptions, ...command: readonly string[]): Promise<readonly string[]> {
  const { directory, interface: name, program = 'hostapd_cli' } = options
  return new Promise((resolve, reject) => {
    const limits = { timeout: patience, maxBuffer: 1 << 26 }
    execFile(program, ['-p', directory, '-i', name, ...command], limits, (error, out) => {
      // For a station that it does not know it says FAIL, and ends with it.
      if (error !== null && typeof error.code !== 'number')
        reject(new OnboardingError('hostapd-unreachable', { directory, interface: name }))
      else resolve(out.split('\n'))
    })
  })
}

/** Commands are lines: what stands in one must not be able to begin another. */
function checked(station: string): string {
  if (!address.test(station)) throw new OnboardingError('input-invalid', { field: 'station', rule: 'a MAC address' })
  return station
}

interface Question {
  readonly lines: string[]
  readonly resolve: (lines: readonly string[]) => void
  readonly reject: (error: OnboardingError) => void
  readonly timer: NodeJS.Timeout
}

/** hostapd_cli in its interactive form: a prompt before each answer, events between them. */
class Dialogue {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #options: HostapdOptions
  readonly #ended: Promise<void>
  #asked: Question | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #closing = false

  constructor(child: ChildProcessWithoutNullStreams, options: HostapdOptions) {
    this.#child = child
    this.#options = options
    this.#ended = new Promise(resolve => {
      child.once('error', error => this.#lost(error.message, resolve))
      child.once('close', () => this.#lost('hostapd_cli ended', resolve))
    })
    child.stdin.on('error', () => {})
    child.stderr.resume()
    createInterface({ input: child.stdout }).on('line', line => this.#hear(line))
  }

  ask(command: string): Promise<readonly string[]> {
    const answer = this.#queue.then(() => this.#askNow(command))
    this.#queue = answer.catch(() => {})
    return answer
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#child.stdin.end()
    this.#child.kill()
    await this.#ended
  }

  #askNow(command: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const { directory, interface: name } = this.#options
      const unreachable = () => reject(new OnboardingError('hostapd-unreachable', { directory, interface: name }))
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return unreachable()
      const timer = setTimeout(() => {
        this.#asked = undefined
        unreachable()
      }, patience)
      this.#asked = { lines: [], resolve, reject, timer }
      // The second command's answer marks the end of the first one's.
      this.#child.stdin.write(`${command}\nping\n`)
    })
  }

  #hear(raw: string): void {
    const line = raw.replace(/^(?:> ?)+/, '').trim()
    const found = event.exec(line)
    if (found !== null) {
      this.#tell(found[1]!, found[2])
      return
    }
    if (this.#asked === undefined) return
    const { lines, resolve, timer } = this.#asked
    if (line !== 'PONG') {
      if (line !== '') lines.push(line)
      return
    }
    clearTimeout(timer)
    this.#asked = undefined
    resolve(lines)
  }

  #tell(kind: string, station: string | undefined): void {
    if (kind === 'CTRL-EVENT-TERMINATING') this.#child.kill()
    if (station === undefined) return
    if (kind === 'AP-STA-CONNECTED') this.#options.onAuthorized(station)
    else this.#options.onGone(station)
  }

  #lost(reason: string, resolve: () => void): void {
    const { directory, interface: name, log, onLost } = this.#options
    if (this.#asked !== undefined) {
      clearTimeout(this.#asked.timer)
      this.#asked.reject(new OnboardingError('hostapd-unreachable', { directory, interface: name }))
      this.#asked = undefined
    }
    resolve()
    if (this.#closing) return
    this.#closing = true
    log.warn({ interface: name, reason }, 'hostapd is gone')
    onLost()
  }
}
