import { Command } from 'commander'
import type { FeedBuyer } from '../../domain/feed.ts'
import { addBuyer, publishManifest, removeBuyer } from '../../role/factory/feed.ts'
import { defined } from '../defined.ts'
import { readCard } from './card.ts'
import { type Cli, described } from './command.ts'
import { type SaleOptions, selectionOf, withSelection } from './factory-sale.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'

interface AddOptions extends FactoryOptions {
  readonly to: string
  readonly notice?: string
  readonly privateAddress?: boolean
}

export function feedCommand(cli: Cli): Command {
  const feed = new Command('feed')
    .summary('let buyers pull manifests and recalls')
    .description(
      'The feed that `mooring masa up` serves at /.well-known/mooring/feed: each buyer pulls the manifests of its own ' +
        'purchases, and recalls. Buyers are known by the root in their card.',
    )
  addCommand(cli, feed.command('add'))
  listCommand(cli, feed.command('list'))
  publishCommand(cli, feed.command('publish'))
  described(withFactory(feed.command('remove').argument('<buyer>', 'id of the buyer')), {
    summary: 'end the pulls of a buyer',
    examples: ['factory feed remove harbour'],
  }).action(
    cli.run<FactoryOptions, [string]>(async (task, buyer) => {
      const removed = await inFactory(task, ({ site }) => removeBuyer(site, buyer, 'cli'))
      task.answer({ items: removed.map(buyerView) }, () => `${buyer} cannot pull any more.`)
    }),
  )
  return feed
}

function addCommand(cli: Cli, command: Command): void {
  described(withFactory(command), {
    summary: 'let a buyer pull',
    text:
      'With --notice the buyer is told when there is something new: a signed word, sent by `mooring masa up` from the ' +
      'first pull of the buyer on. A site hears it where its devices onboard, at /.well-known/mooring/feed-notice.',
    examples: [
      'factory feed add --to card.json',
      'factory feed add --to card.json --notice https://gate.harbour.example/hear',
    ],
  })
    .requiredOption('--to <file>', 'card of the buyer')
    .option('--notice <url>', 'https URL at which the buyer wants to be told')
    .option('--private-address', 'that URL may be at a private or loopback address')
    .action(
      cli.run<AddOptions, []>(async task => {
        const { to, notice, privateAddress } = task.options
        const card = await readCard(to)
        const terms = defined({ noticeUrl: notice, noticePrivateAddress: privateAddress })
        const added = await inFactory(task, ({ site }) => addBuyer(site, card, terms, 'cli'))
        task.answer({ items: added.map(buyerView) }, () => buyersText(added.map(buyerView)))
      }),
    )
}

function listCommand(cli: Cli, command: Command): void {
  described(withFactory(withLimit(command)), {
    summary: 'list buyers, and when they last pulled',
    examples: ['factory feed list'],
  }).action(
    cli.run<FactoryOptions & ListOptions, []>(async task => {
      const found = await inFactory(task, ({ site: { store } }) =>
        listed(task.options, async page => {
          const buyers = await store.read(tables => tables.feedBuyer.find({}, page))
          return { items: buyers.map(buyerView), next: buyers.length < page.limit ? undefined : buyers.at(-1)?.id }
        }),
      )
      task.answer(found, () => listText(found, buyersText, 'No buyer yet. `mooring factory feed add` adds one.'))
    }),
  )
}

function publishCommand(cli: Cli, command: Command): void {
  described(withSelection(command), {
    summary: 'put the signed manifest of sold units into the feed of their buyer',
    text: 'Recalls are in the feed by themselves.',
    examples: ['factory feed publish --batch CL2 --to card.json'],
  })
    .requiredOption('--to <file>', 'card of the buyer')
    .action(
      cli.run<SaleOptions, []>(async task => {
        const buyer = await readCard(task.options.to)
        const published = await inFactory(task, ({ site }) => publishManifest(site, selectionOf(task.options), buyer))
        const { id, document, bytes } = published
        task.answer({ publication: id, buyer: buyer.id, sha256: document, bytes }, () =>
          facts([
            ['publication', id],
            ['buyer', buyer.id],
            ['bytes', bytes],
          ]),
        )
      }),
    )
}

function buyerView({ id, buyer, name, status, noticeUrl, pulledAt }: FeedBuyer) {
  const pulled = pulledAt === undefined ? {} : { pulledAt: new Date(pulledAt).toISOString() }
  return { buyer, name, status, root: id, ...defined({ notice: noticeUrl }), ...pulled }
}

function buyersText(buyers: readonly ReturnType<typeof buyerView>[]): string {
  return table(buyers, [
    { title: 'buyer', of: ({ buyer }) => buyer, flexible: true },
    { title: 'name', of: ({ name }) => name, flexible: true },
    { title: 'status', of: ({ status }) => status },
    { title: 'root', of: ({ root }) => root.slice(0, 16) },
    { title: 'told at', of: ({ notice }) => notice ?? '', flexible: true },
    { title: 'pulled', of: buyer => moment('pulledAt' in buyer ? buyer.pulledAt : undefined) },
  ])
}
