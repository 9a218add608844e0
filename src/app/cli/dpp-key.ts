import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Command } from 'commander'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import { passphraseFromEnvironment } from '../../adapter/key/master-key.ts'
import { Secret } from '../../crypto/secret.ts'
import type { ConfiguratorKeyRecord } from '../../domain/configurator-key.ts'
import { OnboardingError } from '../../domain/error.ts'
import { curves, type DppCurve } from '../../protocol/dpp/curve.ts'
import { type ConfiguratorKeys, createConfiguratorKeys } from '../../role/onboarding/configurator-key.ts'
import {
  exportForHostap,
  exportKeys,
  importFromHostap,
  importKeys,
} from '../../role/onboarding/configurator-transfer.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, described, type Task } from './command.ts'
import { readInputFile, requireAbsent, writeOutputFile } from './file.ts'
import { type OfflineOptions, withOffline, withRecord } from './offline.ts'
import { facts } from './table.ts'
import type { Io } from './terminal.ts'

interface TransferOptions extends OfflineOptions {
  readonly passphraseFile?: string
  readonly hostap?: boolean
  readonly curve: DppCurve
}

/** Eight dice words have more; a file can be tried against a dictionary for as long as somebody likes. */
const leastPassphrase = 12
const names = curves.map(({ curve }) => curve)
const by = 'offline, at the data directory'

/** `mooring dpp export-keys`, `mooring dpp import-keys` */
export function withConfiguratorTransfer(cli: Cli, dpp: Command): void {
  described(withTransfer(dpp.command('export-keys').argument('<file>', 'to be made, mode 0600')), {
    summary: 'write what makes this Configurator into a file: C-sign keys and ppKeys, sealed under a passphrase',
    text:
      'Who has that file and its passphrase is the Configurator of your networks. With --hostap the current keys are written as ' +
      'DPP_CONFIGURATOR_ADD takes them, not sealed.',
    examples: [
      'dpp export-keys configurator.pem --offline --passphrase-file passphrase.txt',
      'dpp export-keys configurator.txt --offline --hostap',
    ],
  }).action(cli.run<TransferOptions, [string]>(exportTo))
  described(withTransfer(dpp.command('import-keys').argument('<file>', 'as export-keys makes it')), {
    summary: 'become the Configurator whose keys are in a file, without configuring its devices again',
    text:
      'The keys take the place of the current ones, which are kept. Devices and access points that the other Configurator ' +
      'has configured meet those of this site. It knows none of them: for another configuration a device needs its code here.',
    examples: [
      'dpp import-keys configurator.pem --offline --passphrase-file passphrase.txt',
      'dpp import-keys configurator.txt --offline --hostap',
    ],
  }).action(cli.run<TransferOptions, [string]>(importFrom))
}

function withTransfer(command: Command): Command {
  return withOffline(command)
    .option('--data <directory>', 'data directory of the site (MOORING_DATA)')
    .option('--passphrase-file <file>', `${leastPassphrase} characters or more; or in MOORING_DPP_PASSPHRASE`)
    .option('--hostap', 'key= and ppkey= in hexadecimal, as in DPP_CONFIGURATOR_ADD')
    .option('--curve <curve>', `of the keys for hostap: ${names.join(', ')}`, choice(names), 'P-256')
}

async function exportTo(task: Task<TransferOptions>, path: string): Promise<void> {
  requireOffline(task)
  await requireAbsent(path)
  const { hostap, curve } = task.options
  const text = hostap === true ? (keys: ConfiguratorKeys) => exportForHostap(keys, curve) : await sealing(task)
  const secret = await withKeys(task, keys => text(keys))
  await writeOutputFile(path, secret.reveal(), 0o600)
  const sealed = task.options.hostap !== true
  task.answer({ file: path, sealed }, () =>
    facts([
      ['file', path],
      ['sealed', sealed ? 'under the passphrase' : 'not: keep it as you keep the site'],
    ]),
  )
}

async function sealing({ options, io }: Task<TransferOptions>): Promise<(keys: ConfiguratorKeys) => Promise<Secret>> {
  const passphrase = await readPassphrase(options, io)
  return async keys => new Secret(await exportKeys(keys, passphrase, size => randomBytes(size)))
}

async function importFrom(task: Task<TransferOptions>, path: string): Promise<void> {
  requireOffline(task)
  const { options, io } = task
  const text = new Secret(await readInputFile(path, 0x4_0000))
  const passphrase = options.hostap === true ? undefined : await readPassphrase(options, io)
  const taken = await withKeys(task, keys =>
    passphrase === undefined ? importFromHostap(keys, text, by) : importKeys(keys, text.revealText(), passphrase, by),
  )
  const shown = taken.map(({ id, use, curve }) => ({ id, use, curve }))
  task.answer({ keys: shown }, () => takenText(taken))
}

function takenText(taken: readonly ConfiguratorKeyRecord[]): string {
  if (taken.length === 0) return 'These keys are the current ones already.'
  return facts(taken.map(({ id, use, curve }) => [id, `${use} on ${curve}`] as const))
}

function withKeys<T>(task: Task<TransferOptions>, work: (keys: ConfiguratorKeys) => Promise<T>): Promise<T> {
  return withRecord(task, async ({ store, data }) => {
    const passphrase = passphraseFromEnvironment(task.io.env)
    const held = await openFileKeyStore({ directory: join(data, 'keys'), ...defined({ passphrase }) })
    const keys = createConfiguratorKeys({ store, keys: held, clock: Date.now })
    try {
      return await work(keys)
    } finally {
      keys.close()
    }
  })
}

/** Throws OnboardingError `input-invalid`. */
function requireOffline({ options }: Task<TransferOptions>): void {
  if (options.offline === true) return
  throw new OnboardingError('input-invalid', {
    field: 'offline',
    rule: 'only at the data directory: no API gives out private keys',
  })
}

async function readPassphrase({ passphraseFile }: TransferOptions, { env }: Pick<Io, 'env'>): Promise<Secret> {
  const text =
    passphraseFile === undefined
      ? env['MOORING_DPP_PASSPHRASE']
      : (await readInputFile(passphraseFile, 4096)).toString('utf8').trim()
  if (text !== undefined && text.length >= leastPassphrase) return new Secret(text)
  throw new OnboardingError('input-invalid', {
    field: 'passphrase',
    rule: `${leastPassphrase} characters or more, in --passphrase-file or MOORING_DPP_PASSPHRASE`,
  })
}
