/**
 * npm run interop -- dpp [--only TEXT] [--json]: Easy Connect over TCP between Mooring and Debian's wpa_supplicant and hostapd, every
 * cell of both roles, authentications, curves and kinds of credential. Exit 0 when none fails.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findProgram } from '../../lab/wifi/requirement.ts'
import { openStationAuthority } from './authority.ts'
import { beyond, type Cell, type CellResult, describeCell } from './cell.ts'
import { HostapPeer } from './peer.ts'
import { TheirController } from './their-controller.ts'
import { TheirEnrollee } from './their-enrollee.ts'

const help = `usage: npm run interop -- dpp [--only TEXT] [--json]

  --only TEXT  cells whose description has it
  --json       one JSON document: { peer, cells: [...], beyond: [...], passed, failed, seconds }

Needs Debian's wpasupplicant, hostapd and coreutils. No root: without it, everything happens in a user namespace.
Exit: 0 none failed, 1 one did, 2 usage, 3 this machine lacks a peer.
Example: npm run interop -- dpp --only "BP-256, dot1x"`

export interface InteropReport {
  readonly peer: string
  readonly cells: readonly CellResult[]
  readonly beyond: typeof beyond
  readonly passed: number
  readonly failed: number
  readonly seconds: number
}

export async function runDppInterop(args: readonly string[]): Promise<number> {
  const options = {
    only: { type: 'string', default: '' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  let values: { readonly only: string; readonly json?: boolean; readonly help?: boolean }
  try {
    values = parseArgs({ args: [...args], options }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    return 2
  }
  if (values.help === true) {
    console.log(help)
    return 0
  }
  const missing = ['wpa_supplicant', 'wpa_cli', 'hostapd', 'hostapd_cli', 'stdbuf'].filter(name => !findProgram(name))
  if (missing.length > 0) {
    console.error(`not installed: ${missing.join(', ')}\n  apt-get install wpasupplicant hostapd coreutils`)
    return 3
  }
  const again = inUserNamespace(args)
  if (again !== undefined) return again
  const report = await runCells(values.only, values.json === true ? () => {} : sayCell)
  if (values.json === true) console.log(JSON.stringify(report))
  else {
    for (const { what, reason, instead } of report.beyond)
      console.log(`beyond ${report.peer}: ${what}: ${reason} (${instead})`)
    console.log(`${report.passed} passed, ${report.failed} failed, ${report.seconds} s`)
  }
  return report.failed === 0 ? 0 : 1
}

/** wpa_supplicant wants to open packet sockets: without root, in a namespace where we are root. */
function inUserNamespace(args: readonly string[]): number | undefined {
  if (process.getuid?.() === 0) return undefined
  const program = join(import.meta.dirname, '..', 'main.ts')
  const inner = `ip link set lo up && exec "$0" "$@"`
  const { status } = spawnSync(
    'unshare',
    ['--user', '--map-root-user', '--net', 'sh', '-c', inner, process.execPath, program, 'dpp', ...args],
    { stdio: 'inherit', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } },
  )
  return status ?? 1
}

async function runCells(only: string, say: (result: CellResult) => void): Promise<InteropReport> {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-interop-'))
  const begun = performance.now()
  const results: CellResult[] = []
  const closing: (() => Promise<void>)[] = []
  try {
    const authority = await openStationAuthority()
    const controller = await HostapPeer.wpaSupplicant(join(folder, 'controller'))
    closing.push(() => controller.close())
    const station = await HostapPeer.wpaSupplicant(join(folder, 'station'))
    closing.push(() => station.close())
    const accessPoint = await HostapPeer.hostapd(join(folder, 'access-point'))
    closing.push(() => accessPoint.close())
    for (const [cells, party] of [
      [TheirController.cells(), new TheirController(controller, authority)],
      [TheirEnrollee.cells('wpa_supplicant'), new TheirEnrollee(station, authority)],
      [TheirEnrollee.cells('hostapd'), new TheirEnrollee(accessPoint, authority)],
    ] as const) {
      for (const cell of cells) {
        if (!describeCell(cell).includes(only)) continue
        const result = await runCell(cell, () => party.run(cell))
        results.push(result)
        say(result)
      }
    }
  } finally {
    for (const close of closing) await close()
    rmSync(folder, { recursive: true, force: true })
  }
  const passed = results.filter(({ result }) => result === 'pass').length
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  return { peer: peerVersion(), cells: results, beyond, passed, failed: results.length - passed, seconds }
}

async function runCell(cell: Cell, work: () => Promise<void>): Promise<CellResult> {
  const begun = performance.now()
  const milliseconds = () => Math.round(performance.now() - begun)
  try {
    await work()
    return { ...cell, result: 'pass', milliseconds: milliseconds() }
  } catch (error) {
    return { ...cell, result: 'fail', reason: (error as Error).message, milliseconds: milliseconds() }
  }
}

function sayCell({ result, reason, milliseconds, ...cell }: CellResult): void {
  console.log(`${result}  ${describeCell(cell)} (${milliseconds} ms)${reason === undefined ? '' : `: ${reason}`}`)
}

function peerVersion(): string {
  const said = execFileSync(findProgram('wpa_supplicant')!, ['-v'], { encoding: 'utf8' })
  return said.split('\n')[0]!.trim()
}
