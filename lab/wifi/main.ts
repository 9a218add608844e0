/**
 * npm run lab -- wifi SCENARIO...|all [--controller NAME] [--out FOLDER] [--json]: Wi-Fi Easy Connect over simulated radios with
 * real hostapd and wpa_supplicant, in a guest under QEMU. docs/lab-wifi.md.
 */
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { labFolder, runGuest } from './guest.ts'
import { cacheFolder, LabUnavailable } from './kernel.ts'
import { missingPackages } from './requirement.ts'
import { type GuestLine, isScenario, type ScenarioReport, scenarioNames, scenarios } from './scenario.ts'

/** Stable, for scripts. */
export const wifiExitCode = { passed: 0, failed: 1, usage: 2, unavailable: 3 } as const

const help = `usage: npm run lab -- wifi SCENARIO...|all [--controller mooring|hostap] [--out FOLDER] [--json]

${scenarioNames.map(name => `  ${name.padEnd(16)} ${scenarios[name]}`).join('\n')}

  --controller NAME  who is the Controller: mooring, or hostap (Debian’s wpa_supplicant; proves the lab itself)
  --out FOLDER       where logs and captures go (a folder per scenario, replaced)
  --limit SECONDS    of the whole run (900)
  --json             one JSON document on standard output instead of ladders

Exit: 0 all passed or were skipped, 1 one failed, 2 usage, 3 this machine lacks what is needed.
Example: npm run lab -- wifi relay-chirp`

interface Choice {
  readonly names: readonly string[]
  readonly controller: string
  readonly out: string
  readonly limitSeconds: number
  readonly json: boolean
}

export async function runWifiLab(args: readonly string[]): Promise<number> {
  const choice = readChoice(args)
  if (typeof choice === 'number') return choice
  const missing = missingPackages()
  if (missing.length > 0) {
    console.error(`The Wi-Fi lab needs Debian packages that are not installed:\n  apt-get install ${missing.join(' ')}`)
    return wifiExitCode.unavailable
  }
  try {
    return await runChosen(choice)
  } catch (error) {
    if (!(error instanceof LabUnavailable)) throw error
    console.error(`The Wi-Fi lab cannot run here: ${error.message}`)
    return wifiExitCode.unavailable
  }
}

/** An emulated processor now and then breaks a program that it runs: what that took along is tried in another boot. */
const maxBoots = 3

async function runChosen(choice: Choice): Promise<number> {
  const { names, controller, out, json } = choice
  let { scenarios: reports, seconds } = await boot(choice, names)
  let boots = 1
  for (; boots < maxBoots && wasBroken(out); boots++) {
    const failed = reports.filter(({ result }) => result === 'fail').map(({ scenario }) => scenario)
    if (failed.length === 0) break
    console.error(
      `The Controller's Node was broken by the emulator (trap), not by a scenario: again ${failed.join(', ')}`,
    )
    const again = await boot(choice, failed)
    seconds += again.seconds
    reports = reports.map(report => again.scenarios.find(({ scenario }) => scenario === report.scenario) ?? report)
  }
  const passed = reports.every(({ result }) => result !== 'fail')
  const rounded = Math.round(seconds * 10) / 10
  if (json) {
    const told = reports.map(report => ({ ...report, title: scenarios[report.scenario as keyof typeof scenarios] }))
    console.log(JSON.stringify({ lab: 'wifi', controller, passed, seconds: rounded, boots, out, scenarios: told }))
  } else {
    for (const report of reports) console.log(summary(report))
    console.log(`${rounded} s; logs and captures in ${out}`)
  }
  return passed ? wifiExitCode.passed : wifiExitCode.failed
}

function boot({ controller, out, limitSeconds, json }: Choice, names: readonly string[]) {
  for (const name of [...names, 'controller.log']) rmSync(join(out, name), { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  return runGuest({
    scenarios: names,
    controller,
    out: realpathSync(out),
    limitSeconds,
    tell: text => console.error(text),
    onLine: json ? line => sayBriefly(line) : line => sayLine(line),
  })
}

/** The shell's word for SIGTRAP, by which V8 ends a process that it finds inconsistent. */
function wasBroken(out: string): boolean {
  const log = join(out, 'controller.log')
  return existsSync(log) && readFileSync(log, 'utf8').includes('Trace/breakpoint trap')
}

function readChoice(args: readonly string[]): Choice | number {
  const options = {
    controller: { type: 'string', default: 'mooring' },
    out: { type: 'string', default: join(cacheFolder(), 'out') },
    limit: { type: 'string', default: '900' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options })
    if (values.help) {
      console.log(help)
      return wifiExitCode.passed
    }
    const names = positionals.includes('all') ? scenarioNames : positionals
    const wrong = names.find(name => !isScenario(name))
    if (wrong !== undefined) throw new TypeError(`no scenario named ${wrong}`)
    if (names.length === 0) throw new TypeError('which scenario?')
    const limitSeconds = Number(values.limit)
    if (!Number.isFinite(limitSeconds) || limitSeconds <= 0) throw new TypeError('--limit takes seconds')
    const { controller, json } = values
    if (!/^[a-z]+$/.test(controller) || !existsSync(join(labFolder, 'controller', `${controller}.sh`))) {
      throw new TypeError(`no Controller named ${controller}`)
    }
    return { names, controller, out: resolve(values.out), limitSeconds, json }
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    return wifiExitCode.usage
  }
}

function sayLine(line: GuestLine): void {
  if (line.kind === 'ready') console.log(`the Controller is up ${line.seconds} s after the guest`)
  if (line.kind === 'begun') console.log(`\n${line.scenario}`)
  if (line.kind === 'stepped') console.log(`  ${line.rung.seconds.toFixed(1).padStart(6)} s  ${line.rung.step}`)
  if (line.kind === 'ended') console.log(`  ${line.end.seconds.toFixed(1).padStart(6)} s  ${verdict(line.end)}`)
}

function sayBriefly(line: GuestLine): void {
  if (line.kind === 'ended') console.error(`${line.scenario}: ${verdict(line.end)}, ${line.end.seconds.toFixed(1)} s`)
}

function summary({ scenario, ...end }: ScenarioReport): string {
  return `${scenario.padEnd(16)} ${verdict(end)}`
}

function verdict({ result, reason }: Pick<ScenarioReport, 'result' | 'reason'>): string {
  return reason === undefined ? result : `${result}: ${reason}`
}
