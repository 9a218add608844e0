import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Kernel, prepareKernel } from './kernel.ts'
import { buildProgram } from './program.ts'
import { findProgram } from './requirement.ts'
import { type GuestLine, ReportCollector, readGuestLine, type ScenarioReport } from './scenario.ts'

export const labFolder = dirname(fileURLToPath(import.meta.url))

export interface GuestOptions {
  readonly scenarios: readonly string[]
  /** Name of the adapter in controller/. */
  readonly controller: string
  /** Where logs and captures go, a folder per scenario. */
  readonly out: string
  /** Of the whole boot; QEMU is stopped then. */
  readonly limitSeconds: number
  readonly tell: (text: string) => void
  readonly onLine?: (line: GuestLine) => void
}

export interface GuestReport {
  readonly scenarios: readonly ScenarioReport[]
  /** From the start of QEMU to its end, by the clock of the host. */
  readonly seconds: number
}

const scenarioLimitSeconds = 180
const radios = 4

/** Boots one guest that runs the scenarios, and waits until it is off. Throws `LabUnavailable`. */
export async function runGuest(options: GuestOptions): Promise<GuestReport> {
  const { scenarios, out, limitSeconds, tell, onLine = () => {} } = options
  const kernel = prepareKernel(join(labFolder, 'guest', 'init'), tell)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'environment'), environment(options))
  const begun = performance.now()
  const collector = new ReportCollector(scenarios)
  const guest = spawn(findProgram('qemu-system-x86_64')!, machine(kernel, out), { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = ending(guest)
  const stop = () => guest.kill('SIGKILL')
  process.once('exit', stop)
  const limit = setTimeout(stop, limitSeconds * 1000)
  let complaint = ''
  guest.stderr.on('data', (data: Buffer) => {
    complaint += data.toString()
  })
  for await (const text of createInterface(guest.stdout)) {
    const line = readGuestLine(text)
    if (line === undefined) continue
    collector.take(line)
    onLine(line)
  }
  const signal = await ended
  clearTimeout(limit)
  process.off('exit', stop)
  const seconds = (performance.now() - begun) / 1000
  const late = signal === 'SIGKILL' ? `the guest was not done within ${limitSeconds} s` : 'the guest ended early'
  const died = [late, complaint.trim(), lastWords(out)].filter(Boolean).join(': ')
  return { scenarios: collector.conclude(died), seconds }
}

async function ending(guest: ChildProcess): Promise<NodeJS.Signals | null> {
  const [, signal] = (await once(guest, 'close')) as [number | null, NodeJS.Signals | null]
  return signal
}

/** Plain emulation unless asked otherwise: what passes without KVM passes everywhere. */
function machine({ image, initrd, modules }: Kernel, out: string): string[] {
  const accelerator = process.env['MOORING_LAB_ACCELERATOR'] ?? 'tcg'
  return [
    ...[
      '-accel',
      accelerator === 'tcg' ? 'tcg,thread=multi' : accelerator,
      '-cpu',
      'max,pku=off',
      '-smp',
      '2',
      '-m',
      '2048',
    ],
    ...['-display', 'none', '-monitor', 'none', '-no-reboot', '-nic', 'none'],
    ...['-serial', `file:${join(out, 'console.log')}`],
    ...['-chardev', 'stdio,id=told,signal=off', '-serial', 'chardev:told'],
    ...share('host', '/', true),
    ...share('modules', modules, true),
    ...share('out', out, false),
    ...['-kernel', image, '-initrd', initrd, '-append', 'console=ttyS0 panic=-1 quiet'],
  ]
}

function share(id: string, path: string, readonly: boolean): string[] {
  // QEMU takes a comma for the end of a value unless it is doubled.
  const place = path.replaceAll(',', ',,')
  const mode = readonly ? ',readonly=on' : ''
  return [
    ...['-fsdev', `local,id=${id},path=${place},security_model=none,multidevs=remap${mode}`],
    ...['-device', `virtio-9p-pci,fsdev=${id},mount_tag=${id}`],
  ]
}

function environment({ scenarios, controller }: GuestOptions): string {
  const values = {
    LAB: labFolder,
    SCENARIOS: scenarios.join(' '),
    RADIOS: String(radios),
    LIMIT: String(scenarioLimitSeconds),
    NODE: process.execPath,
    CONTROLLER: join(labFolder, 'controller', `${controller}.sh`),
    CONTROLLER_NAME: controller,
    ...(controller === 'mooring' ? { MOORING: buildProgram(join(labFolder, '..', '..')) } : {}),
  }
  return Object.entries(values)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('')
}

function lastWords(out: string): string {
  try {
    return readFileSync(join(out, 'console.log'), 'utf8').trim().split('\n').slice(-3).join(' / ')
  } catch {
    return ''
  }
}
