import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { renderUnicodeCompact } from 'uqr'
import { supplicantConfiguration, supplicantInstaller } from '../../adapter/device/wpa-supplicant.ts'
import { enrolleeTransport } from '../../adapter/network/dpp-connection.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { CodecError } from '../../codec/error.ts'
import type { Curve } from '../../crypto/signer.ts'
import { type ErrorCode, type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import { textSsid } from '../../protocol/dpp/configuration-object.ts'
import { type BootstrappingUri, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { type BirthCredential, birthName, readBirth } from '../../role/device/birth.ts'
import { makeBootstrapping } from '../../role/device/bootstrapping.ts'
import { type Enrollee, type EnrolleeProgress, openEnrollee } from '../../role/device/enrollee.ts'
import { type OwnershipRule, ownershipRules } from '../../role/device/enrollee-check.ts'
import type { Housing } from '../../role/device/unit.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, collected, count, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'
import { deviceHousing, modelNamed } from './onboard.ts'
import { facts } from './table.ts'
import { harmless } from './terminal.ts'

interface OnDevice {
  readonly device: string
}

/** `mooring device enrollee`: being a device that joins by Wi-Fi Easy Connect. */
export function enrolleeCommand(cli: Cli): Command {
  const enrollee = new Command('enrollee')
    .summary('be a device that joins by its code (Wi-Fi Easy Connect)')
    .description(
      'Be an Enrollee of Wi-Fi Easy Connect (DPP) over TCP. The radio is somebody else’s: what the device was given is written ' +
        'for wpa_supplicant.',
    )
  uriCommand(cli, enrollee.command('uri'))
  onboardCommand(cli, enrollee.command('onboard'))
  reconfigureCommand(cli, enrollee.command('reconfigure'))
  forgetCommand(cli, enrollee.command('forget'))
  return enrollee
}

interface UriOptions extends OnDevice {
  readonly create?: boolean
  readonly curve: Curve
  readonly mac?: string
  readonly channel?: readonly string[]
  readonly information?: string
}

function uriCommand(cli: Cli, command: Command): void {
  described(command, {
    summary: 'show the code of the device, and make its bootstrapping key if it has none',
    text: 'The key is made on the device and stays there. The same code each time: what the first call said stands in it.',
    examples: [
      'device enrollee uri --device devices/CL2-000001',
      'device enrollee uri --device lamp --create --mac 02:00:00:00:01:00 --channel 81/6',
    ],
  })
    .requiredOption('--device <directory>', 'directory of the device')
    .option('--create', 'make the directory: a device that no factory made')
    .option('--curve <curve>', 'of the key: P-256, P-384, P-521', choice(['P-256', 'P-384', 'P-521']), 'P-256')
    .option('--mac <address>', 'of its radio')
    .option('--channel <class/channel>', 'where its radio listens, as 81/6; again for more', collected)
    .option('--information <text>', 'for people, as its serial number')
    .action(
      cli.run<UriOptions, []>(async task => {
        const { device, create, curve } = task.options
        if (create !== true) await requireDevice(device)
        const housing = await deviceHousing(device)
        const uri = await makeBootstrapping(housing, { curve, ...fieldsOf(task.options) })
        task.answer({ uri }, () => `${renderUnicodeCompact(uri, { ecc: 'M', border: 2 })}\n${uri}`)
      }),
    )
}

/** Checked by writing a code with it: what cannot be in one is refused before a key is made. */
function fieldsOf({
  mac,
  channel,
  information,
}: UriOptions): Pick<BootstrappingUri, 'mac' | 'channels' | 'information'> {
  const text = [
    ...(channel === undefined ? [] : [`C:${channel.join(',')}`]),
    ...(mac === undefined ? [] : [`M:${mac.replaceAll(/[:-]/g, '')}`]),
    ...(information === undefined ? [] : [`I:${information}`]),
  ]
  if (information?.includes(';') === true)
    throw new OnboardingError('input-invalid', { field: 'information', rule: 'no ;' })
  const key = 'MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADM2206avxHJaHXgLMkq/24e0rsrfMP9K1Tm8gx+ovP0I='
  const { mac: read, channels, information: said } = uriOf(`DPP:${text.join(';')};K:${key};;`)
  return defined({ mac: read, channels, information: said })
}

function uriOf(text: string): BootstrappingUri {
  try {
    return parseBootstrappingUri(text)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new OnboardingError('bootstrapping-uri-invalid', { reason: error.message }, { cause: error })
  }
}

interface OnboardOptions extends OnDevice {
  readonly configurator?: string
  readonly announce?: boolean
  readonly ownership?: OwnershipRule
  readonly wpaSupplicant?: string
  readonly timeout: number
  readonly keepTrying?: boolean
  readonly verbose?: boolean
}

function onboardCommand(cli: Cli, command: Command): void {
  described(command.argument('<controller>', 'host[:port] of a Controller; port 8908 when there is none'), {
    summary: 'be an Enrollee: join with a Controller, ours or another one that speaks Easy Connect over TCP',
    text:
      'Without --configurator the device announces itself, and the Controller has to know its code. With it the device begins ' +
      'itself. A device with a birth credential takes only a network that its manufacturer’s declaration names, unless ' +
      '--ownership says otherwise.',
    examples: [
      'device enrollee onboard gateway --device devices/CL2-000001 --wpa-supplicant /etc/lamp',
      'device enrollee onboard 192.0.2.1 --device lamp --configurator "DPP:V:2;K:MDkw…;;"',
    ],
  })
    .requiredOption('--device <directory>', 'directory of the device')
    .option('--configurator <uri>', 'code of the Configurator, quoted for the shell: the device is then certain of it')
    .option('--announce', 'announce itself even so, and be asked: authentication is mutual')
  withTries(command).action(
    cli.run<OnboardOptions, [string]>((task, controller) => onboard(task, controller, 'onboard')),
  )
}

function reconfigureCommand(cli: Cli, command: Command): void {
  described(command.argument('<controller>', 'host[:port] of a Controller; port 8908 when there is none'), {
    summary: 'be an Enrollee: ask the Configurator that it had before for something new',
    text:
      'As a device does whose network lets it in no more: it shows its Connector, and answers only who has one by the same ' +
      'C-sign key. What it had stays until it has something new.',
    examples: ['device enrollee reconfigure gateway --device lamp --wpa-supplicant /etc/lamp'],
  }).requiredOption('--device <directory>', 'directory of the device')
  withTries(command).action(
    cli.run<OnboardOptions, [string]>((task, controller) => onboard(task, controller, 'reconfigure')),
  )
}

function withTries(command: Command): Command {
  return command
    .option('--ownership <rule>', `what a network has to prove: ${ownershipRules.join(', ')}`, choice(ownershipRules))
    .option('--wpa-supplicant <directory>', 'write configuration, certificates and keys there, readable by us only')
    .option('--timeout <seconds>', 'how long to try', count(1, 86_400), 60)
    .option('--keep-trying', 'do not end when it was refused')
    .option('--verbose', 'log what the device does')
}

function forgetCommand(cli: Cli, command: Command): void {
  described(command, {
    summary: 'be an Enrollee: forget the networks that it was given',
    text: 'Its code stays, and so does how new a declaration has to be. Files written for wpa_supplicant are not touched.',
    examples: ['device enrollee forget --device lamp'],
  })
    .requiredOption('--device <directory>', 'directory of the device')
    .action(
      cli.run<OnDevice, []>(async task => {
        const { device } = task.options
        const enrollee = await open({ device, timeout: 1 })
        await enrollee.forget()
        task.answer({ device: enrollee.name, networks: [] }, () => harmless(`${enrollee.name} has no network`))
      }),
    )
}

async function requireDevice(directory: string): Promise<void> {
  // Nothing is made where no device is: a mistyped path must not get the directories of one.
  await access(join(directory, 'memory')).catch(cause => {
    throw new OnboardingError('data-missing', { device: directory }, { cause })
  })
}

/** Undefined for a device that no factory made. */
async function birthOf({ store }: Housing): Promise<BirthCredential | undefined> {
  return (await store.read(birthName)) === undefined ? undefined : readBirth(store)
}

async function open(options: OnboardOptions): Promise<Enrollee> {
  await requireDevice(options.device)
  const housing = await deviceHousing(options.device)
  const birth = await birthOf(housing)
  const { ownership = birth === undefined ? 'known-configurator' : 'declaration', wpaSupplicant } = options
  return openEnrollee(birth, {
    ...housing,
    model: modelNamed(birth?.model ?? 'enrollee'),
    transport: enrolleeTransport(),
    clock: Date.now,
    random: randomBytes,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
    log: openLog({ level: options.verbose === true ? 'info' : 'error' }),
    ownership,
    ...(wpaSupplicant === undefined ? {} : { installer: supplicantInstaller(wpaSupplicant) }),
  })
}

async function onboard(
  task: Task<OnboardOptions>,
  controller: string,
  way: 'onboard' | 'reconfigure',
): Promise<number> {
  const { io, options, note } = task
  const configurator = options.configurator === undefined ? undefined : uriOf(options.configurator)
  const enrollee = await open(options)
  note(harmless(enrollee.name))
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(options.timeout * 1000)])
  const meeting = {
    address: controller,
    ...defined({ configurator }),
    ...(options.announce === true && { way: 'announce' as const }),
  }
  const { refusal: end, credentialed } = await climb(enrollee[way](meeting, signal), task)
  const stored = await enrollee.networks()
  if (stored !== undefined && credentialed) {
    const networks = stored.networks.map(({ ssid, cred }) => ({ ssid: ssidText(ssid), akm: cred.akm }))
    const file = options.wpaSupplicant && join(resolve(options.wpaSupplicant), supplicantConfiguration)
    const answer = { device: enrollee.name, controller: stored.origin, networks, ...defined({ wpaSupplicant: file }) }
    task.answer(answer, () => answerText(answer))
    return exitCode.done
  }
  if (io.signal.aborted) return exitCode.interrupted
  const { code, detail } = end ?? { code: 'configurator-unreachable', detail: {} }
  throw new OnboardingError(code, { device: enrollee.name, controller, ...detail })
}

interface Refusal {
  readonly code: ErrorCode
  readonly detail: ErrorDetail
}

interface Climb {
  /** What stopped it last. */
  readonly refusal?: Refusal
  readonly credentialed: boolean
}

/** The device's way, told as it goes, to its end or until it was refused. */
async function climb(way: AsyncIterable<EnrolleeProgress>, { note, options }: Task<OnboardOptions>): Promise<Climb> {
  let credentialed = false
  let refusal: Refusal | undefined
  let last = ''
  const tell = (text: string) => {
    if (text !== last) note(`  ${text}`)
    last = text
  }
  for await (const news of way) {
    if (news.type === 'climbed') tell(news.rung)
    credentialed ||= news.type === 'climbed' && news.rung === 'credentialed'
    if (news.type === 'waiting') {
      tell('waiting for a person at the Configurator')
      refusal = { code: 'configurator-refused', detail: { rule: 'not yet' } }
    }
    if (news.type !== 'refused') continue
    refusal = { code: news.code, detail: news.detail }
    tell(`refused: ${news.code}`)
    if (options.keepTrying !== true) break
  }
  return { credentialed, ...(refusal !== undefined && { refusal }) }
}

function ssidText(ssid: Uint8Array): string {
  return textSsid(ssid) ?? Buffer.from(ssid).toString('hex')
}

interface Answer {
  readonly device: string
  readonly controller: string
  readonly networks: readonly { readonly ssid: string; readonly akm: string }[]
  readonly wpaSupplicant?: string
}

function answerText({ device, controller, networks, wpaSupplicant }: Answer): string {
  return facts([
    ['device', harmless(device)],
    ['Controller', harmless(controller)],
    ...networks.map(({ ssid, akm }) => ['network', `${harmless(ssid)} (${akm})`] as const),
    ['written', wpaSupplicant],
    ['next', wpaSupplicant && `wpa_supplicant -i wlan0 -c ${wpaSupplicant}`],
  ])
}
