import { Command } from 'commander'
import type { Checkpoint as CheckpointRecord, LedgerVerdict } from '../../domain/port.ts'
import type { Checkpoint } from '../api/contract/audit.ts'
import { readAnchor } from './anchor.ts'
import { type Cli, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { bodyText } from './device.ts'
import { exitCode } from './exit.ts'
import { type OfflineOptions, withOffline, withRecord } from './offline.ts'
import { facts, moment } from './table.ts'
import { harmless } from './terminal.ts'

type VerifyOptions = SiteOptions & OfflineOptions & { anchor?: string }

export function auditCommand(cli: Cli): Command {
  const audit = new Command('audit')
    .summary('the record and whether it is whole')
    .description('The record of the site.')
  described(withOffline(withSite(audit.command('verify'))), {
    summary: 'verify the record: nothing altered, nothing cut off',
    text: `Exit code ${exitCode.unverified} when the record is not as it should be.`,
    examples: ['audit verify --anchor checkpoint.json', 'audit verify --offline --data /var/lib/mooring'],
  })
    .option('--anchor <file>', 'a checkpoint that was kept elsewhere')
    .action(cli.run<VerifyOptions, []>(verify))
  described(withSite(audit.command('checkpoint')), {
    summary: 'sign a checkpoint now, to be kept elsewhere as an anchor',
    examples: ['audit checkpoint > checkpoint.json'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const checkpoint = await (await connect(task)).auditCheckpoint()
      task.answer(checkpoint, () => JSON.stringify(checkpoint))
    }),
  )
  described(withSite(audit.command('follow')), {
    summary: 'print events as they happen, from the first on, until interrupted',
    text: 'With --json one JSON document a line: {"event": ..., "cursor": ...}.',
    examples: ['audit follow', 'audit follow --json --cursor eyJtYWluIjo0Mn0'],
  })
    .option('--cursor <cursor>', 'go on behind this place')
    .action(cli.run<SiteOptions & { cursor?: string }, []>(follow))
  return audit
}

async function verify(task: Task<VerifyOptions>): Promise<number> {
  const { options } = task
  const anchor = options.anchor === undefined ? undefined : await readAnchor(options.anchor)
  const verdict = options.offline === true ? await verifyOffline(task, anchor) : await verifyOnline(task, anchor)
  task.answer(verdict, () => verdictText(verdict))
  if (verdict.completeness === 'unanchored') {
    task.note('Whoever can cut the record can cut its checkpoints: keep one elsewhere (`mooring audit checkpoint`).')
  }
  return verdict.integrity === 'pass' && verdict.completeness !== 'fail' ? exitCode.done : exitCode.unverified
}

function verifyOffline(task: Task<VerifyOptions>, anchor: CheckpointRecord | undefined): Promise<LedgerVerdict> {
  return withRecord(task, ({ store }) => store.verify(anchor))
}

async function verifyOnline(task: Task<VerifyOptions>, anchor: Checkpoint | undefined): Promise<Verdict> {
  const client = await connect(task)
  return client.auditVerify({ body: anchor === undefined ? {} : { anchor } })
}

type Verdict = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['auditVerify']>>

function verdictText({ integrity, completeness, events, checkpoints, firstBad }: Verdict): string {
  return facts([
    ['integrity', integrity],
    ['completeness', completeness],
    ['events', events],
    ['checkpoints', checkpoints],
    ['first bad', firstBad && badText(firstBad)],
  ])
}

/** What no single event is to blame for has no place. */
function badText({ lane, sequence, reason }: NonNullable<Verdict['firstBad']>): string {
  return lane === '' ? reason : `${lane} ${sequence}: ${reason}`
}

async function follow(task: Task<SiteOptions & { cursor?: string }>): Promise<void> {
  const { io, options, note, paint } = task
  const client = await connect(task)
  const events = client.follow({
    signal: io.signal,
    ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
    onRetry: (_, milliseconds) => note(`The connection broke; again in ${Math.ceil(milliseconds / 1000)} s.`),
  })
  for await (const { event, cursor } of events) {
    const { at, stream, kind, body } = event
    task.answer({ event, cursor }, () =>
      [paint('dim', moment(at)), harmless(stream), paint('bold', harmless(kind)), harmless(bodyText(body))].join('  '),
    )
  }
}
