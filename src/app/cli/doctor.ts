import { join } from 'node:path'
import { Command } from 'commander'
import { KeyStoreError } from '../../adapter/key/error.ts'
import { type Inspection, inspectStore } from '../../adapter/store/inspect.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Checkpoint } from '../../domain/port.ts'
import type { ExaminationView } from '../api/contract/doctor.ts'
import { examinationView } from '../api/handler/doctor.ts'
import type { CheckStatus } from '../doctor/check.ts'
import { examine } from '../doctor/examine.ts'
import { thisHost } from '../doctor/host.ts'
import type { ExaminationTerms, Party } from '../doctor/patient.ts'
import { readAnchor } from './anchor.ts'
import { type Cli, count, described, storePlace, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { dataDirectory, readAccessFile } from './data.ts'
import { exitCode } from './exit.ts'
import { type OfflineOptions, withOffline } from './offline.ts'
import { wrapped } from './table.ts'
import { harmless, progressLine } from './terminal.ts'

interface DoctorOptions extends SiteOptions, OfflineOptions {
  readonly full?: boolean
  readonly network?: boolean
  readonly strict?: boolean
  readonly days: number
  readonly anchor?: string
}

export function doctorCommand(cli: Cli): Command {
  return described(withOffline(withSite(new Command('doctor'))), {
    summary: 'say what is wrong with a site or a factory, and what to do',
    text:
      'A running site examines itself; where it does not answer, its data directory is examined from here, which changes ' +
      `nothing. Exit code ${exitCode.done} when nothing fails, ${exitCode.unverified} when something does; with --strict ` +
      'a warning is a failure, too.',
    examples: ['doctor', 'doctor --full --network', 'doctor --offline --data /var/lib/mooring --strict --json'],
  })
    .option('--full', 'verify the whole record, not its end alone')
    .option('--network', 'ask the services of trusted manufacturers, too')
    .option('--days <count>', 'tell what ends within so many days', count(1, 3650), 30)
    .option('--anchor <file>', 'a checkpoint that was kept elsewhere, which the record must reach')
    .option('--strict', 'count warnings as failures')
    .action(cli.run<DoctorOptions, []>(doctor))
}

async function doctor(task: Task<DoctorOptions>): Promise<number> {
  const { options } = task
  const anchor = options.anchor === undefined ? undefined : await readAnchor(options.anchor)
  const terms = { full: options.full === true, network: options.network === true, days: options.days }
  const found = (await askSite(task, terms, anchor)) ?? (await examineDirectory(task, { ...terms, anchor }))
  task.answer(found, () => examinationText(found, task))
  const bad = found.counts.fail > 0 || (options.strict === true && found.counts.warn > 0)
  return bad ? exitCode.unverified : exitCode.done
}

/** Undefined when the site does not answer and its data directory can be looked at instead. */
async function askSite(
  task: Task<DoctorOptions>,
  terms: Omit<ExaminationTerms, 'anchor'>,
  anchor: Checkpoint | undefined,
): Promise<ExaminationView | undefined> {
  const { io, options, note } = task
  if (options.offline === true) return undefined
  const named = options.url ?? io.env['MOORING_URL']
  const place = await partyAt(dataDirectory('site', options.data, io))
  if (named === undefined && place === 'manufacturer') return undefined
  try {
    const client = await connect(task)
    const lanes = anchor?.lanes.map(head => ({ ...head })) ?? []
    return await client.siteExamine({ body: anchor === undefined ? terms : { ...terms, anchor: { ...anchor, lanes } } })
  } catch (error) {
    // Who named an address wants to know of that one. A directory that is in disorder is what we are here for.
    if (named !== undefined || place === undefined || !isNoAnswer(error)) throw error
    note('No site answers: its data directory is examined instead.')
    return undefined
  }
}

const noAnswer = ['service-unreachable', 'not-authenticated', 'file-unreadable', 'not-found']

function isNoAnswer(error: unknown): boolean {
  return error instanceof KeyStoreError || (error instanceof OnboardingError && noAnswer.includes(error.code))
}

async function examineDirectory(task: Task<DoctorOptions>, terms: ExaminationTerms): Promise<ExaminationView> {
  const { io, options } = task
  const data = dataDirectory('site', options.data, io)
  const party = await partyAt(data)
  if (party === undefined) throw new OnboardingError('data-missing', { data })
  const record = await recordAt(task, { data, party })
  const line = progressLine(io.stderr)
  try {
    const show = options.json === true ? () => {} : (title: string) => line.show(title)
    const access = await readAccessFile(data).catch(() => undefined)
    const masaUrl = party === 'manufacturer' ? await masaUrlOf(data) : undefined
    const patient = { party, clock: Date.now, host: thisHost, terms, data, record, access: access?.url, masaUrl }
    return examinationView(await examine(patient, show))
  } finally {
    line.end()
  }
}

/** By what lies there, whole or damaged. */
async function partyAt(data: string): Promise<Party | undefined> {
  for (const [name, party] of [
    ['site.json', 'site'],
    ['factory.json', 'manufacturer'],
  ] as const) {
    if ((await thisHost.file(join(data, name))) !== undefined) return party
  }
  return undefined
}

async function recordAt(
  { io, options }: Task<DoctorOptions>,
  { data, party }: { readonly data: string; readonly party: Party },
): Promise<Inspection | Error> {
  const file = join(data, party === 'site' ? 'site.db' : 'manufacturer.db')
  const place = storePlace(options, io.env)
  if (place === undefined && (await thisHost.file(file)) === undefined) {
    return new OnboardingError('record-missing', { path: file })
  }
  const key = await ledgerKey(data)
  if (key === undefined) {
    return new OnboardingError('key-store-failed', { path: join(data, 'keys', 'ledger.sealed'), rule: 'unreadable' })
  }
  const record = inspectStore(place ?? `sqlite:${file}`, [key])
  try {
    await record.condition()
    return record
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Its public half is in the clear, so that a doctor needs no passphrase. */
async function ledgerKey(data: string): Promise<Buffer | undefined> {
  const text = await thisHost.text(join(data, 'keys', 'ledger.sealed')).catch(() => undefined)
  const spki = /"spki":\s*"([A-Za-z0-9+/=]+)"/.exec(text ?? '')?.[1]
  return spki === undefined ? undefined : Buffer.from(spki, 'base64')
}

async function masaUrlOf(data: string): Promise<string | undefined> {
  const text = await thisHost.text(join(data, 'factory.json'))
  return /"masaUrl":\s*"([^"]*)"/.exec(text ?? '')?.[1]
}

const marks: Readonly<Record<CheckStatus, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: '--' }
const styles = { ok: 'green', warn: 'yellow', fail: 'red', skipped: 'dim' } as const
const indent = '      '

function examinationText({ checks, counts }: ExaminationView, { paint }: Task<DoctorOptions>): string {
  const lines: string[] = []
  for (const { title, status, finding, action, evidence = [] } of checks) {
    const head = wrapped(`${title}: ${harmless(finding)}`, 100 - indent.length)
    lines.push(`${paint(styles[status], marks[status].padEnd(indent.length))}${head[0]}`)
    for (const line of head.slice(1)) lines.push(indent + line)
    if (status === 'ok' || status === 'skipped') continue
    for (const each of evidence) for (const line of wrapped(harmless(each), 90)) lines.push(`${indent}  ${line}`)
    for (const line of wrapped(`Next: ${harmless(action ?? '')}`, 100 - indent.length)) lines.push(indent + line)
  }
  const { ok, warn, fail, skipped } = counts
  lines.push('', `${ok} ok, ${warn} to be looked at, ${fail} failed, ${skipped} skipped`)
  return lines.join('\n')
}
