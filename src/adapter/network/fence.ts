import { spawn } from 'node:child_process'
import { OnboardingError } from '../../domain/error.ts'

/** Where devices of a segment may send to. */
export interface FenceSegment {
  readonly name: string
  /** Networks and addresses, `10.20.0.0/24`; none: it reaches nothing. */
  readonly reach: readonly string[]
}

export interface FenceOptions {
  /** Network interfaces that devices are behind. */
  readonly ports: readonly string[]
  readonly segments: readonly FenceSegment[]
  /** What a device may reach before anybody knows it: the registrar, to be onboarded. */
  readonly onboarding: readonly { readonly address: string; readonly port: number }[]
  /** Name of the nftables table. */
  readonly table?: string
  /** How long somebody stays inside without `hold`, seconds; 60 when absent. */
  readonly lifetime?: number
}

/** The packet filter between devices and the rest: who is not in a segment reaches onboarding and nothing else. */
export interface Fence {
  admit(station: string, segment: string): Promise<void>
  /**
   * These are inside, and nobody else, for another lifetime. Who watches over the fence may be killed at any moment: without
   * it everybody is soon outside.
   */
  hold(inside: ReadonlyMap<string, string>): Promise<void>
  /** Out of all segments; its connections end, too. */
  expel(station: string): Promise<void>
  /** Leaves the fence shut: the table stays, with nobody inside. */
  close(): Promise<void>
}

const stationPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
const tablePattern = /^[A-Za-z][A-Za-z0-9_]{0,31}$/
const interfacePattern = /^[A-Za-z0-9_.-]{1,15}$/
const networkPattern = /^(\d{1,3}\.){3}\d{1,3}(\/\d{1,2})?$/
const networkPattern6 = /^[0-9a-f:]{2,39}(\/\d{1,3})?$/i

/**
 * Puts the table up, with nobody inside. Needs CAP_NET_ADMIN. Throws OnboardingError `fence-failed`, `input-invalid`.
 */
export async function openFence(options: FenceOptions): Promise<Fence> {
  const { table = 'mooring', lifetime = 60 } = options
  requirePattern(tablePattern, table, 'table')
  if (!Number.isSafeInteger(lifetime) || lifetime < 1)
    throw new OnboardingError('input-invalid', { field: 'lifetime', rule: 'whole seconds' })
  const index = new Map(options.segments.map(({ name }, n) => [name, n]))
  await nft(ruleset(table, options))
  const outOfAll = (station: string) =>
    options.segments
      .map(
        (_, n) =>
          `add element inet ${table} inside${n} { ${station} }\ndelete element inet ${table} inside${n} { ${station} }`,
      )
      .join('\n')
  return {
    async admit(station, segment) {
      checkStation(station)
      const n = index.get(segment)
      if (n === undefined) throw new OnboardingError('fence-failed', { reason: `no segment ${segment} here` })
      await nft(`${outOfAll(station)}\nadd element inet ${table} inside${n} { ${station} timeout ${lifetime}s }`)
    },
    async hold(inside) {
      const lines = options.segments.map((_, n) => `flush set inet ${table} inside${n}`)
      for (const [station, segment] of inside) {
        checkStation(station)
        const n = index.get(segment)
        if (n !== undefined) lines.push(`add element inet ${table} inside${n} { ${station} timeout ${lifetime}s }`)
      }
      if (lines.length > 0) await nft(lines.join('\n'))
    },
    async expel(station) {
      checkStation(station)
      await nft(outOfAll(station))
      await endConnections(station, options.ports)
    },
    close: () => nft(ruleset(table, options)),
  }
}

function checkStation(station: string): void {
  if (!stationPattern.test(station))
    throw new OnboardingError('input-invalid', { field: 'station', rule: 'a MAC address' })
}

/**
 * By MAC address at the ports, as a kernel without VLAN filtering in its bridges can do it as well. What comes back to a
 * device belongs to a connection that it may have; those of who is put out are taken from connection tracking.
 */
function ruleset(table: string, { ports, segments, onboarding }: FenceOptions): string {
  for (const port of ports) requirePattern(interfacePattern, port, 'port')
  const port = `{ ${ports.map(each => `"${each}"`).join(', ')} }`
  const sets = segments.map((_, n) => `  set inside${n} { type ether_addr; flags timeout; }`)
  const accepts = segments.flatMap(({ reach }, n) =>
    reach.map(each => `    ether saddr @inside${n} ${destination(each)} accept`),
  )
  const first = onboarding.map(({ address, port: at }) => `    ${destination(address)} tcp dport ${at} accept`)
  return [
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...sets,
    '  chain forward {',
    '    type filter hook forward priority filter; policy accept;',
    `    oifname ${port} ct state established,related accept`,
    `    oifname ${port} counter drop`,
    `    iifname ${port} jump from_device`,
    '  }',
    '  chain from_device {',
    ...first,
    ...accepts,
    '    counter drop',
    '  }',
    '}',
  ].join('\n')
}

function destination(text: string): string {
  if (networkPattern.test(text)) return `ip daddr ${text}`
  requirePattern(networkPattern6, text, 'reach')
  return `ip6 daddr ${text}`
}

function requirePattern(pattern: RegExp, text: string, field: string): void {
  // Everything here becomes a line of a ruleset.
  if (!pattern.test(text)) throw new OnboardingError('input-invalid', { field, rule: 'other characters' })
}

async function nft(script: string): Promise<void> {
  const { code, error } = await run('nft', ['-f', '-'], script)
  if (code !== 0)
    throw new OnboardingError('fence-failed', { reason: error.trim().split('\n')[0] ?? `nft ended with ${code}` })
}

/** An established flow goes on in connection tracking whatever the rules say of its first packet. */
async function endConnections(station: string, ports: readonly string[]): Promise<void> {
  for (const port of ports) {
    const { out } = await run('ip', ['neigh', 'show', 'dev', port])
    for (const line of out.split('\n')) {
      const [address = '', , hardware] = line.split(/\s+/)
      if (hardware !== station) continue
      for (const side of ['-s', '-d'])
        await run('conntrack', ['-D', ...(address.includes(':') ? ['-f', 'ipv6'] : []), side, address])
    }
  }
}

function run(
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number; out: string; error: string }> {
  return new Promise(resolve => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let [out, error] = ['', '']
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (error += chunk))
    child.stdin.on('error', () => {})
    child.once('error', cause => resolve({ code: 127, out, error: cause.message }))
    child.once('close', code => resolve({ code: code ?? 1, out, error }))
    child.stdin.end(input)
  })
}
