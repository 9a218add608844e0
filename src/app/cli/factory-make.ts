import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { CodecError } from '../../codec/error.ts'
import { decodePemBlock, encodePem } from '../../codec/pem.ts'
import { CryptoError } from '../../crypto/error.ts'
import { type ComponentList, decodeComponents } from '../../domain/component.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import { networkCurves } from '../../domain/network-definition.ts'
import { importSpki } from '../../protocol/dpp/key.ts'
import { installComponents } from '../../role/device/component-statement.ts'
import { simulatedUnit } from '../../role/device/unit.ts'
import { type BootstrappingTerms, composeUri } from '../../role/factory/bootstrapping.ts'
import type { Model } from '../../role/factory/idevid.ts'
import { keyStoreUnits } from '../../role/factory/key-store-port.ts'
import { type BatchProgress, makeUnits, type UnitPort } from '../../role/factory/line.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, collected, count, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { isDer, readInputFile, writeOutputFile } from './file.ts'
import { openKeys } from './key-option.ts'
import { deviceHousing, modelNamed } from './onboard.ts'
import { facts, table } from './table.ts'
import { type Io, progressLine } from './terminal.ts'

interface MakeOptions extends FactoryOptions {
  readonly model: string
  readonly batch: string
  readonly count: number
  readonly mudUrl?: string
  readonly hardwareType?: string
  readonly serialPrefix?: string
  readonly csrs?: string
  readonly simulate?: string
  readonly lineModule?: string
  readonly lineToken?: string
  readonly linePinFile?: string
  readonly certificates?: string
  readonly components?: string
  readonly dpp?: boolean
  readonly dppCurve?: (typeof networkCurves)[number]
  readonly dppVersion?: number
  readonly dppChannel?: readonly string[]
  readonly dppFirstMac?: string
}

export function makeCommand(cli: Cli, command: Command): void {
  described(withFactory(command), {
    summary: 'make the units of a batch, each with a birth certificate of its own',
    text:
      'The key of a unit is made by the unit, never here. With --csrs a directory stands for the line: the unit puts ' +
      '<serial>.csr there, with --dpp also <serial>.dpp (its bootstrapping URI, or its public key in PEM), and gets ' +
      '<serial>.pem (its chain) and anchors.pem. With --simulate devices are made that live in ' +
      'directories, to be onboarded with `mooring device onboard`. Interrupted at any moment and run again, it goes on ' +
      'where it stopped.',
    examples: [
      'factory make --model "Climate 2" --batch CL2 --count 12 --simulate devices',
      'factory make --model "Meter 7" --batch M7 --count 500 --csrs /srv/line',
      'factory make --model Lamp --batch L1 --count 9 --simulate devices --dpp',
    ],
  })
    .requiredOption('--model <name>', 'product, as it stands in the birth certificate')
    .requiredOption('--batch <name>', 'name of the batch: 1 to 40 of A-Z a-z 0-9 . -')
    .requiredOption('--count <count>', 'units of the batch', count(1, 1_000_000))
    .option('--mud-url <url>', 'where the MUD file of the product is')
    .option('--hardware-type <oid>', 'object identifier of the hardware')
    .option('--serial-prefix <text>', 'before the number in serial numbers; the name of the batch when absent')
    .option('--components <file>', 'what the units are made of: {"components": [{"name", "version", "hash"}]}')
    .option('--csrs <directory>', 'certificate requests of the units')
    .option('--simulate <directory>', 'make devices that live in directories below it')
    .option('--line-token <label>', 'make the keys in this PKCS#11 token of the line, each under its serial number')
    .option('--line-module <file>', 'library of its vendor')
    .option('--line-pin-file <file>', 'its PIN; or in MOORING_PKCS11_PIN')
    .option('--certificates <directory>', 'where the certificates for --line-token go')
    .optionsGroup('Wi-Fi Easy Connect:')
    .option('--dpp', 'units with a bootstrapping key of their own, too: its URI goes onto labels and into manifests')
    .option('--dpp-curve <curve>', `of the key: ${networkCurves.join(', ')}; P-256 when absent`, choice(networkCurves))
    .option('--dpp-version <number>', 'of the protocol that the units speak; 2 when absent', count(1, 3))
    .option('--dpp-channel <class/channel>', 'where the units announce themselves, 81/6; again for each', collected)
    .option('--dpp-first-mac <address>', 'of the first unit; each next one has the next')
    .optionsGroup('')
    .action(cli.run<MakeOptions, []>(make))
}

async function make(task: Task<MakeOptions>): Promise<number> {
  const { io, options } = task
  const { model: name, batch, count: units, mudUrl, hardwareType, serialPrefix } = options
  const components = options.components === undefined ? undefined : await readComponents(options.components)
  const progress = progressLine(io.stderr)
  const { batch: record, refused } = await inFactory(task, async ({ site: { manufacturer, store, clock } }) => {
    // After the factory is there: a mistyped one must not leave the directories of a line.
    const { close, ...line } = await openLine(options, io, components)
    const model: Model = { name, ...defined({ mudUrl, hardwareType }) }
    const order = { manufacturer, store, clock, ...line, batch, model, count: units, signal: io.signal }
    const show = (step: BatchProgress) => progress.show(`${batch}: ${step.batch.made} of ${units}`)
    try {
      return await makeUnits({ ...order, ...defined({ serialPrefix, components, dpp: dppTerms(options) }) }, show)
    } finally {
      progress.end()
      close()
    }
  })
  const failures = refused.map(({ serial, error }) => ({ serial, code: error.code }))
  task.answer({ batch: record.id, model: name, count: units, made: record.made, refused: failures }, () =>
    facts([
      ['batch', record.id],
      ['model', name],
      ['made', `${record.made} of ${units}`],
    ]),
  )
  if (failures.length === 0) return exitCode.done
  task.note(
    table(failures.slice(0, 50), [
      { title: 'not made', of: ({ serial }) => serial },
      { title: 'why', of: ({ code }) => code },
    ]),
  )
  task.note('\nRun it again when the cause is gone: it makes the units that are missing.')
  return exitCode.failed
}

/** Throws OnboardingError `input-invalid` for one of its options without --dpp. */
function dppTerms(options: MakeOptions): BootstrappingTerms | undefined {
  const { dpp, dppCurve: curve, dppVersion: version, dppChannel: channels = [], dppFirstMac } = options
  const given = defined({ curve, version, firstMac: dppFirstMac?.replaceAll(/[:-]/g, '').toLowerCase() })
  if (dpp === true) return { channels, ...given, curve: curve ?? 'P-256' }
  if (channels.length === 0 && Object.keys(given).length === 0) return undefined
  throw new OnboardingError('input-invalid', { field: 'dpp', rule: '--dpp, where its options are given' })
}

interface LineEnd {
  readonly port: UnitPort
  readonly keyOrigin: UnitRecord['keyOrigin']
  readonly close: () => void
}

/** Throws OnboardingError `file-unreadable`. */
async function readComponents(path: string): Promise<ComponentList> {
  try {
    return decodeComponents(await readInputFile(path, 0x4000))
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
  }
}

async function openLine(
  options: MakeOptions,
  io: Pick<Io, 'env'>,
  components: ComponentList | undefined,
): Promise<LineEnd> {
  const { csrs, simulate, lineToken } = options
  if ([csrs, simulate, lineToken].filter(each => each !== undefined).length !== 1) {
    throw new OnboardingError('input-invalid', { field: 'line', rule: 'one of --csrs, --simulate and --line-token' })
  }
  if (csrs !== undefined) return { port: csrDirectory(csrs), keyOrigin: 'device', close() {} }
  if (simulate !== undefined) return simulatedLine(options.model, simulate, components)
  return tokenLine(options, io)
}

async function simulatedLine(
  model: string,
  directory: string,
  components: ComponentList | undefined,
): Promise<LineEnd> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const housing = async (serial: string) => {
    await mkdir(join(directory, serial), { recursive: true, mode: 0o700 })
    return deviceHousing(join(directory, serial))
  }
  const unit = simulatedUnit(modelNamed(model), housing)
  const port: UnitPort = {
    csr: (...asked) => unit.csr(...asked),
    bootstrap: (...asked) => unit.bootstrap!(...asked),
    async install(serial, ...rest) {
      if (components !== undefined) await installComponents((await housing(serial)).store, components)
      await unit.install(serial, ...rest)
    },
  }
  return { port, keyOrigin: 'simulated', close() {} }
}

async function tokenLine(options: MakeOptions, io: Pick<Io, 'env'>): Promise<LineEnd> {
  const { lineModule, lineToken, linePinFile, certificates } = options
  if (certificates === undefined) {
    throw new OnboardingError('input-invalid', { field: 'certificates', rule: 'needed with --line-token' })
  }
  await mkdir(certificates, { recursive: true })
  const token = defined({ pkcs11Module: lineModule, pkcs11Token: lineToken, pkcs11PinFile: linePinFile })
  const { authorityKeys: keys, close } = await openKeys(token, io)
  const files = csrDirectory(certificates)
  const port = keyStoreUnits({ keys: keys!, install: (...unit) => files.install(...unit) })
  return { port, keyOrigin: 'pkcs11', close }
}

/** A directory where a line puts requests and finds certificates. A unit without a request is left for the next run. */
function csrDirectory(directory: string): UnitPort {
  return {
    async csr(serial) {
      const path = join(directory, `${serial}.csr`)
      const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
        throw new OnboardingError('file-unreadable', { path, reason: cause.code ?? 'unknown' }, { cause })
      })
      return isDer(bytes) ? bytes : decodePemBlock('CERTIFICATE REQUEST', bytes.toString('utf8'))
    },
    async bootstrap(serial, _curve, fields) {
      const path = join(directory, `${serial}.dpp`)
      const text = (await readInputFile(path, 4096)).toString('utf8').trim()
      return text.startsWith('DPP:') ? text : composeUri(publicKeyIn(path, text), fields)
    },
    async install(serial, idevid, chain, anchors) {
      const pem = (ders: readonly Uint8Array[]) => ders.map(der => encodePem('CERTIFICATE', der)).join('')
      await writeAgain(join(directory, `${serial}.pem`), pem([idevid, ...chain]))
      await writeAgain(join(directory, 'anchors.pem'), pem(anchors))
    },
  }
}

/** Throws OnboardingError `file-unreadable`. */
function publicKeyIn(path: string, text: string): Buffer {
  try {
    const der = decodePemBlock('PUBLIC KEY', text)
    importSpki(der)
    return der
  } catch (cause) {
    if (!(cause instanceof CodecError) && !(cause instanceof CryptoError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
  }
}

/** Whole or not at all: other units, or the run before, may have written the same. */
async function writeAgain(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
  try {
    await writeOutputFile(draft, content)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
