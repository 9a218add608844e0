import { Command } from 'commander'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject } from '../../codec/json.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { FourEyesView, RequestView } from '../api/contract/confirmation.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment } from './table.ts'

const statuses = ['pending', 'confirmed', 'done', 'failed', 'declined', 'expired'] as const

interface RequestListOptions extends SiteOptions, ListOptions {
  readonly status?: (typeof statuses)[number]
}

export function requestCommand(cli: Cli): Command {
  const request = new Command('request')
    .summary('what waits for a second person')
    .description('What somebody asked for and a second person must confirm, where the site wants four eyes.')
  described(withSite(withLimit(request.command('list'))), {
    summary: 'list what waits for a second person, or did',
    examples: ['request list --status pending'],
  })
    .option('--status <status>', `one of ${statuses.join(', ')}`, choice(statuses))
    .action(
      cli.run<RequestListOptions, []>(async task => {
        const client = await connect(task)
        const { status } = task.options
        const page = (query: { limit: number; after?: string }) =>
          client.requestList({ query: { ...query, ...defined({ status }) } })
        const found = await listed(task.options, page)
        const render = (items: readonly RequestView[]) => items.map(requestText).join('\n\n')
        task.answer(found, () => listText(found, render, 'Nothing waits for a second person.'))
      }),
    )
  described(withSite(request.command('ask').argument('<operation>', 'of the API, as ownershipGrant')), {
    summary: 'ask somebody who may do it',
    text: 'An authorized onboarder cannot let another network onboard a device, and asks its owner.',
    examples: ['request ask ownershipGrant --input grant.json'],
  })
    .requiredOption('--input <file>', 'JSON with params, query and body, as the operation takes them')
    .action(
      cli.run<SiteOptions & { readonly input: string }, [string]>(async (task, operation) => {
        const input = await readJson(task.options.input)
        const made = await (await connect(task)).requestMake({ body: { operation, input } })
        task.answer(made, () => requestText(made))
      }),
    )
  decision(cli, request.command('confirm'), {
    summary: 'confirm what somebody else asked for: it is done at once',
    text: 'Read what is to be done first. Neither who asked can confirm it, nor anybody whom who asked let in.',
    decide: 'requestConfirm',
  })
  decision(cli, request.command('decline'), {
    summary: 'decline what somebody asked for, or take back your own',
    decide: 'requestDecline',
  })
  return request
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    return decodeJsonObject(await readInputFile(path, 0x1_0000), { depth: 8, count: 10_000, size: 0x1_0000 })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
  }
}

function decision(
  cli: Cli,
  command: Command,
  about: {
    readonly summary: string
    readonly text?: string
    readonly decide: 'requestConfirm' | 'requestDecline'
  },
): void {
  const { decide, ...help } = about
  described(withSite(command.argument('<request>', 'id, as `mooring request list` shows it')), {
    ...help,
    examples: [`request ${command.name()} 3f9a0c5b7d1e2f4a6b`],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, id) => {
      const request = await (await connect(task))[decide]({ params: { id } })
      task.answer(request, () => requestText(request))
    }),
  )
}

export function fourEyesCommand(cli: Cli): Command {
  const fourEyes = new Command('four-eyes')
    .summary('whether two people must agree to what cannot be undone')
    .description(
      'Four eyes: trust anchors, decommissioning, handing over and this very setting then need a second person.\n' +
        'Whoever is let in from then on counts as the one who let in.',
    )
  described(withSite(fourEyes.command('show')), {
    summary: 'show whether four eyes are on',
    examples: ['four-eyes show'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const state = await (await connect(task)).fourEyesShow()
      task.answer(state, () => fourEyesText(state))
    }),
  )
  for (const to of ['on', 'off'] as const) {
    const summary = to === 'on' ? 'want a second person from now on' : 'do without a second person, which needs one'
    described(withSite(fourEyes.command(to)), { summary, examples: [`four-eyes ${to}`] }).action(
      cli.run<SiteOptions, []>(async task => {
        const state = await (await connect(task)).fourEyesSet({ body: { on: to === 'on' } })
        task.answer(state, () => fourEyesText(state))
      }),
    )
  }
  return fourEyes
}

function fourEyesText({ on, since, by }: FourEyesView): string {
  return facts([
    ['four eyes', on ? 'on' : 'off'],
    ['since', moment(since)],
    ['by', by],
  ])
}

function requestText(request: RequestView): string {
  const { id, operation, input, askedBy, party, role, askedAt, expiresAt, status, decidedBy, decidedAt, outcome } =
    request
  return facts([
    ['request', id],
    ['what', operation],
    ...Object.entries(input).flatMap(([part, value]) => members(part, value)),
    ['asked by', askedBy],
    ['', `${party}, as ${role}`],
    ['asked', moment(askedAt)],
    ['until', status === 'pending' ? moment(expiresAt) : ''],
    ['status', outcome === undefined ? status : `${status}: ${outcome}`],
    ['decided by', decidedBy],
    ['decided', moment(decidedAt)],
    ...Object.entries(request.reply ?? {}).map(([part, value], n) => answerFact(part, value, n)),
  ])
}

/** Every member on a line of its own: a long one must not push another out of sight. */
function members(part: string, value: unknown): (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null) return [[`  ${part}`, shortened(value)]]
  return Object.entries(value).map(([name, each]) => [`  ${part} ${name}`, shortened(each)])
}

function shortened(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= 60 ? text : `${text.slice(0, 36)}… (${text.length}; whole with --json)`
}

/** Texts whole: the link of an offer is told this once. */
function answerFact(part: string, value: unknown, n: number): readonly [string, string] {
  return [n === 0 ? 'answer' : '', `${part} ${typeof value === 'string' ? value : shortened(value)}`]
}
