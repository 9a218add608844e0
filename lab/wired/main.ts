/**
 * npm run lab -- wired cutoff [--rounds 10] [--json]: devices at a port with 802.1X, in network namespaces with real hostapd,
 * wpa_supplicant and nftables; how long after a decision against a device its last packet is forwarded. docs/network-access.md.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findProgram } from '../wifi/requirement.ts'
import { openWiredBench } from './bench.ts'
import { type CutoffReport, runCutoff } from './cutoff.ts'

const programs: readonly (readonly [program: string, debianPackage: string])[] = [
  ['hostapd', 'hostapd'],
  ['hostapd_cli', 'hostapd'],
  ['wpa_supplicant', 'wpasupplicant'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['conntrack', 'conntrack'],
  ['unshare', 'util-linux'],
  ['sysctl', 'procps'],
]

const help = `usage: npm run lab -- wired cutoff [--rounds N] [--json]

  cutoff     from a decision against a device (its credential revoked, the device withdrawn) to its last packet

  --rounds N  devices that are let in and cut off, one after the other (10)
  --json      one JSON document: {lab, n, median_s, max_s, causes}

Needs root (network namespaces, nftables). Exit: 0 within the bar, 1 not, 2 usage, 3 this machine lacks what is needed.
Example: sudo npm run lab -- wired cutoff --rounds 100 --json`

/** Seconds: half of all cuts, and every one. */
const bar = { median: 0.5, max: 1 }

export async function runWiredLab(args: readonly string[]): Promise<number> {
  let values: { readonly rounds: string; readonly json: boolean; readonly help: boolean; readonly inside: boolean }
  let positionals: readonly string[]
  try {
    const options = {
      rounds: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
      inside: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    } as const
    ;({ values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true }))
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    return 2
  }
  if (values.help) {
    console.log(help)
    return 0
  }
  const rounds = Number(values.rounds)
  if (positionals.length !== 1 || positionals[0] !== 'cutoff' || !Number.isSafeInteger(rounds) || rounds < 1) {
    console.error(help)
    return 2
  }
  const missing = [...new Set(programs.filter(([name]) => findProgram(name) === undefined).map(([, from]) => from))]
  if (missing.length > 0) {
    console.error(`The wired lab needs Debian packages that are not installed:\n  apt-get install ${missing.join(' ')}`)
    return 3
  }
  if (process.getuid?.() !== 0) {
    console.error('The wired lab needs root: it makes network namespaces and packet filters, none of which outlive it.')
    return 3
  }
  return values.inside ? inside(rounds, values.json) : outside(args)
}

/** Everything happens in namespaces of its own, processes and mounts included, so that nothing of it is left however it ends. */
function outside(args: readonly string[]): number {
  const self = fileURLToPath(new URL('../main.ts', import.meta.url))
  const script = 'mkdir -p /run/netns && mount -t tmpfs lab /run/netns && exec "$@"'
  const command = [process.execPath, self, 'wired', ...args, '--inside']
  const own = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const { status, error } = spawnSync('unshare', [...own, '--', 'sh', '-c', script, 'sh', ...command], {
    stdio: 'inherit',
  })
  if (error === undefined) return status ?? 1
  console.error(`The wired lab cannot have namespaces of its own here: ${error.message}`)
  return 3
}

async function inside(rounds: number, json: boolean): Promise<number> {
  // Short: a control socket's path ends at 107 octets.
  const folder = mkdtempSync(join(tmpdir(), 'mw-'))
  const bench = await openWiredBench(folder, rounds + 1)
  try {
    const report = await runCutoff(bench, rounds, line => {
      if (!json) console.log(line)
    })
    if (json) console.log(JSON.stringify({ lab: 'wired', scenario: 'cutoff', ...report }))
    else console.log(summary(report))
    return report.median_s <= bar.median && report.max_s <= bar.max && report.leaks === 0 ? 0 : 1
  } finally {
    await bench.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function summary({ n, median_s, max_s, leaks, entered_s }: CutoffReport): string {
  return `${n} devices: on the network in ${entered_s} s (median); cut off after ${median_s} s (median), ${max_s} s at most; ${leaks} leaks`
}
