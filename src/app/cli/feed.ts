import { setTimeout } from 'node:timers/promises'
import { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import type { ApiClient } from '../api/client.ts'
import type { FeedView } from '../api/contract/feed.ts'
import { type Cli, count, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { exitCode } from './exit.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'
import { progressLine } from './terminal.ts'

interface AddOptions extends SiteOptions {
  readonly from: string
  readonly every: number
  readonly hold?: boolean
  readonly privateAddress?: boolean
}

/** Between two looks at a pull, and how long one is watched, milliseconds. */
const interval = 300
const patience = 900_000

export function feedCommand(cli: Cli): Command {
  const feed = new Command('feed')
    .summary('purchases and recalls, straight from the manufacturer')
    .description(
      'The feed of a manufacturer: signed manifests of what you bought, and recalls, without carrying files. Everything ' +
        'that comes is verified as a file would be.',
    )
  addCommand(cli, feed.command('add'))
  described(withSite(withLimit(feed.command('list'))), {
    summary: 'list feeds, and how their pulls went',
    examples: ['feed list', 'feed list --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.feedList({ query }))
      task.answer(found, () => listText(found, feedsText, 'No feed yet. `mooring feed add` adds one.'))
    }),
  )
  described(withSite(feed.command('pull').argument('<manufacturer>', 'as `mooring trust list` names it')), {
    summary: 'pull a feed now, and wait for it',
    examples: ['feed pull fjord'],
  }).action(cli.run<SiteOptions, [string]>(pull))
  described(withSite(feed.command('remove').argument('<manufacturer>', 'as `mooring trust list` names it')), {
    summary: 'pull a feed no more; what came stays',
    examples: ['feed remove fjord'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const removed = await (await connect(task)).feedRemove({ params: { name } })
      task.answer(removed, () => `The feed of ${removed.removed} is not pulled any more.`)
    }),
  )
  return feed
}

function addCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<manufacturer>', 'as `mooring trust list` names it')), {
    summary: 'pull the feed of a manufacturer from now on, or on other terms',
    text: 'The manufacturer must know you as a buyer: send it your card (`mooring site card`).',
    examples: ['feed add fjord --from https://masa.fjord.example/.well-known/mooring/feed --every 60'],
  })
    .requiredOption('--from <url>', 'https URL of the feed')
    .option('--every <minutes>', 'minutes between two pulls', count(15, 40_320), 360)
    .option('--hold', 'hold the credentials of recalled devices instead of revoking them')
    .option('--private-address', 'the feed may be at a private or loopback address')
    .action(
      cli.run<AddOptions, [string]>(async (task, name) => {
        const { from: url, every: intervalMinutes, hold, privateAddress = false } = task.options
        const treatment = hold === true ? 'hold' : 'revoke'
        const body = { url, intervalMinutes, treatment, privateAddress } as const
        const added = await (await connect(task)).feedAdd({ params: { name }, body })
        task.answer(added, () => feedText(added))
      }),
    )
}

async function pull(task: Task<SiteOptions>, name: string): Promise<number | undefined> {
  const { io } = task
  const client = await connect(task)
  const before = await client.feedPull({ params: { name } })
  const progress = progressLine(io.stderr)
  const end = Date.now() + patience
  try {
    for (;;) {
      await setTimeout(interval, undefined, { signal: io.signal })
      const feed = await feedOf(client, name)
      const done = feed.pulledAt !== undefined && feed.pulledAt !== before.pulledAt
      if (done || Date.now() > end) {
        task.answer(feed, () => feedText(feed))
        return done && feed.failure === undefined && feed.refused.length === 0 ? undefined : exitCode.failed
      }
      const { manifests, recalls, progress: item } = feed
      const devices = item === undefined ? '' : `, ${item.done} of ${item.of} devices`
      progress.show(`${manifests - before.manifests} manifests, ${recalls - before.recalls} recalls${devices}`)
    }
  } finally {
    progress.end()
  }
}

async function feedOf(client: ApiClient, name: string): Promise<FeedView> {
  for (let after: string | undefined; ; ) {
    const page = await client.feedList({ query: after === undefined ? {} : { after } })
    const found = page.items.find(({ manufacturer }) => manufacturer === name)
    if (found !== undefined) return found
    if (page.next === undefined) throw new OnboardingError('not-found', { manufacturer: name })
    after = page.next
  }
}

function feedText(feed: FeedView): string {
  const { failure, refused } = feed
  const rows = facts([
    ['manufacturer', feed.manufacturer],
    ['feed', feed.url],
    ['every', `${feed.intervalMinutes} minutes`],
    ['manifests', feed.manifests],
    ['recalls', feed.recalls],
    ['last pull', moment(feed.pulledAt)],
    ['next pull', moment(feed.nextAt)],
    ...(failure === undefined
      ? []
      : ([
          ['failed', `${failure.title} [${failure.code}] ${failure.reason}`],
          ['times', failure.times],
          ['what to do', failure.action],
        ] as const)),
  ])
  if (refused.length === 0) return rows
  const list = table(refused, [
    { title: 'refused publication', of: ({ publication }) => publication },
    { title: 'kind', of: ({ kind }) => kind },
    { title: 'why', of: ({ code }) => code },
  ])
  return `${rows}\n\n${list}`
}

function feedsText(feeds: readonly FeedView[]): string {
  return table(feeds, [
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'feed', of: ({ url }) => url, flexible: true },
    { title: 'manifests', of: ({ manifests }) => String(manifests), right: true },
    { title: 'recalls', of: ({ recalls }) => String(recalls), right: true },
    { title: 'refused', of: ({ refused }) => String(refused.length), right: true },
    { title: 'pulled', of: ({ pulledAt }) => moment(pulledAt) },
    { title: 'failure', of: ({ failure }) => failure?.code ?? '' },
  ])
}
