import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { openFileDeviceStore } from '../../adapter/device/file-store.ts'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Rung } from '../../domain/evidence.ts'
import { readBirth } from '../../role/device/birth.ts'
import { type DeviceModel, deviceModels, fjordClimate } from '../../role/device/model.ts'
import { openPledge, type Pledge, type PledgeStatus } from '../../role/device/pledge.ts'
import type { Housing } from '../../role/device/unit.ts'
import { pledgeTransport } from '../pledge-transport.ts'
import { type Cli, count, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'
import { facts } from './table.ts'
import { harmless } from './terminal.ts'

interface OnboardOptions {
  readonly device: string
  readonly timeout: number
  readonly keepTrying?: boolean
  readonly verbose?: boolean
}

export function onboardCommand(cli: Cli, command: Command): void {
  described(command.argument('<registrar...>', 'https://host[:port]; the best first'), {
    summary: 'be a device: onboard with a registrar, any that speaks RFC 8995',
    text:
      'The device lives in a directory, as `mooring factory make --simulate` makes it. What it comes to know stays there, ' +
      'so that it can be interrupted at any moment. A device that has to wait for a person keeps asking until the time is over.',
    examples: ['device onboard --device devices/CL2-000001 https://gateway:8443'],
  })
    .requiredOption('--device <directory>', 'directory of the device')
    .option('--timeout <seconds>', 'how long to try', count(1, 86_400), 60)
    .option('--keep-trying', 'do not end when every registrar has refused')
    .option('--verbose', 'log what the device does')
    .action(cli.run<OnboardOptions, [readonly string[]]>(onboard))
}

/** The device's own way back: what a button on it does. */
export function resetCommand(cli: Cli, command: Command): void {
  described(command, {
    summary: 'be a device: factory reset, so that only the birth credential is left',
    text:
      'Forgets every network, credential and key but those of the factory. The site is not told: it learns of it when the ' +
      'device knocks again, or from `mooring device wiped`.',
    examples: ['device reset --device devices/CL2-000001'],
  })
    .requiredOption('--device <directory>', 'directory of the device')
    .action(
      cli.run<Pick<OnboardOptions, 'device' | 'verbose'>, []>(async task => {
        const pledge = await openDevice(task)
        await pledge.factoryReset()
        const { serialNumber, model } = pledge.birth
        task.answer({ serialNumber, model, reset: true }, () =>
          harmless(`${model} ${serialNumber} is as its factory made it`),
        )
      }),
    )
}

/** A device that lives in a directory: its keys, and what it remembers. */
export async function deviceHousing(directory: string): Promise<Housing> {
  const keys = await openFileKeyStore({ directory: join(directory, 'keys') })
  return { keys, store: await openFileDeviceStore(join(directory, 'memory')) }
}

async function onboard(task: Task<OnboardOptions>, registrars: readonly string[]): Promise<number> {
  const { io, options, note } = task
  const origins = registrars.map(originOf)
  const pledge = await openDevice(task)
  const { serialNumber, model } = pledge.birth
  note(harmless(`${model} ${serialNumber}`))
  const timeout = AbortSignal.timeout(options.timeout * 1000)
  const refusal = await climb(pledge, origins, task, AbortSignal.any([io.signal, timeout]))
  const status = pledge.status()
  if (status.state === 'connected') {
    const components = await stated(pledge, task)
    task.answer({ ...status, ...(components === undefined ? {} : { components }) }, () => statusText(status))
    return exitCode.done
  }
  if (io.signal.aborted) return exitCode.interrupted
  const { code, candidate } = refusal ?? { code: 'registrar-unreachable', candidate: origins.join(' ') }
  throw new OnboardingError(code, { device: serialNumber, registrar: candidate, rung: status.rung })
}

/** A device that is in stays in when the network does not want to hear what it is made of. */
async function stated(pledge: Pledge, { note }: Task<OnboardOptions>): Promise<string | undefined> {
  try {
    const verdict = await pledge.stateComponents()
    if (verdict !== undefined) note(`  components stated (simulated: read from its directory): ${verdict}`)
    return verdict
  } catch (error) {
    if (!(error instanceof OnboardingError)) throw error
    note(`  components not stated: ${error.code}`)
    return 'not-stated'
  }
}

interface LastRefusal {
  readonly code: ErrorCode
  readonly candidate: string
}

/** The device's way, told as it goes, to its end or until every registrar has refused. @returns what stopped it last */
async function climb(
  pledge: Pledge,
  origins: readonly string[],
  { note, options }: Task<OnboardOptions>,
  signal: AbortSignal,
): Promise<LastRefusal | undefined> {
  let refusal: LastRefusal | undefined
  const refusedBy = new Set<string>()
  let last: Rung | LastRefusal['code'] | undefined
  for await (const progress of pledge.onboard(origins, signal)) {
    if (progress.type === 'climbed' && progress.rung !== last) note(`  ${progress.rung}`)
    if (progress.type === 'climbed') last = progress.rung
    if (progress.type === 'waiting' && last !== 'device-unexpected') {
      note('  waiting for a person to let it in')
      refusal = { code: 'device-unexpected', candidate: progress.candidate }
      last = refusal.code
    }
    if (progress.type !== 'refused') continue
    refusal = { code: progress.code, candidate: progress.candidate }
    if (progress.code !== last) note(`  refused: ${progress.code} (${harmless(progress.candidate)})`)
    last = progress.code
    // It may remember a registrar of an earlier try, which nobody named now.
    if (origins.includes(progress.candidate)) refusedBy.add(progress.candidate)
    if (refusedBy.size === origins.length && options.keepTrying !== true) break
  }
  return refusal
}

async function openDevice({ options }: Task<Pick<OnboardOptions, 'device' | 'verbose'>>): Promise<Pledge> {
  // Nothing is made where no device is: a mistyped path must not get the directories of one.
  await access(join(options.device, 'memory')).catch(cause => {
    throw new OnboardingError('data-missing', { device: options.device }, { cause })
  })
  const { keys, store } = await deviceHousing(options.device)
  const { model } = await readBirth(store)
  return openPledge({
    model: modelNamed(model),
    keys,
    store,
    transport: pledgeTransport(keys),
    clock: Date.now,
    random: randomBytes,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
    log: openLog({ level: options.verbose === true ? 'info' : 'error' }),
  })
}

/** A model that we do not know behaves like the plain one, and asks again soon: somebody waits for it. */
export function modelNamed(name: string): DeviceModel {
  const known = deviceModels.find(model => model.name === name) ?? { ...fjordClimate, name }
  return { ...known, retry: { firstMs: 1000, maxMs: 10_000 } }
}

function originOf(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  if (url === null || url.protocol !== 'https:' || url.username !== '') {
    throw new OnboardingError('input-invalid', { field: 'registrar', rule: 'https://host[:port]' })
  }
  return url.origin
}

function statusText({ model, serialNumber, rung, credential }: PledgeStatus): string {
  return facts([
    ['device', `${model} ${serialNumber}`],
    ['rung', rung],
    ['registrar', credential?.origin],
    ['credential', credential?.serialHex],
    ['until', credential === undefined ? undefined : new Date(credential.notAfter).toISOString().slice(0, 10)],
  ])
}
