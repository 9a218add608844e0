import { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { maxAnswerBytes } from '../../role/ownership/exchange.ts'
import type { ApiClient } from '../api/client.ts'
import type { OfferView, OwnershipView, Requested } from '../api/contract/ownership.ts'
import { defined } from '../defined.ts'
import { readBuyerCard, readCard } from './card.ts'
import { type Cli, choice, count, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceNamed } from './device-named.ts'
import { readInputFile, writeOutputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'

interface ErrandOptions extends SiteOptions {
  readonly request?: string
}

interface OfferOptions extends ErrandOptions {
  readonly buyer?: string
  readonly days: number
  readonly out: string
}

type PartyOptions = ErrandOptions & { readonly to: string }

const states = ['open', 'accepted', 'revoked'] as const

export function ownershipCommand(cli: Cli): Command {
  const ownership = new Command('ownership')
    .summary('whose devices are, and who else may onboard them')
    .description(
      'Who owns a device is what its manufacturer has signed, at the request of the owner before. Requests go to the ' +
        'manufacturer over the network; with --request they are written to a file, for people to carry, and the answer is ' +
        'taken in with `mooring ownership take`.',
    )
  offerCommand(cli, ownership.command('offer'))
  offersCommand(cli, ownership.command('offers'))
  acceptCommand(cli, ownership.command('accept'))
  revokeOfferCommand(cli, ownership.command('revoke-offer'))
  grantCommand(cli, ownership.command('grant'))
  revokeCommand(cli, ownership.command('revoke'))
  intentCommand(cli, ownership.command('intent'))
  refreshCommand(cli, ownership.command('refresh'))
  takeCommand(cli, ownership.command('take'))
  showCommand(cli, ownership.command('show'))
  historyCommand(cli, ownership.command('history'))
  return ownership
}

function withErrand(command: Command): Command {
  return withSite(command.option('--request <file>', 'write the signed request there instead of sending it'))
}

function offerCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<device...>', 'ids or serial numbers, of one manufacturer')), {
    summary: 'offer devices to a new owner',
    text:
      'The file made, or the link printed, is for the buyer: it holds a secret, and whoever accepts with it gets the devices. ' +
      'With --buyer nobody else can, and it is encrypted to the buyer. Until then the offer can be revoked. Devices that were in use have to be ' +
      'decommissioned and wiped first; all devices of an offer change hands at once.',
    examples: [
      'ownership offer CL2-000001 --buyer card.json --out offer.json',
      'ownership offer CL2-000001 CL2-000002 --days 3 --out offer.json',
    ],
  })
    .requiredOption('--out <file>', 'offer file to be made, for the buyer')
    .option('--buyer <file>', 'card of the buyer, by `mooring site card` over there')
    .option('--days <count>', 'how long it stays open', count(1, 90), 14)
    .action(
      cli.run<OfferOptions, [string[]]>(async (task, names) => {
        const { buyer: card, days, out, request: file } = task.options
        const buyer = card === undefined ? undefined : await readBuyerCard(card)
        const client = await connect(task)
        const devices = await idsOf(client, names)
        const named = buyer === undefined ? {} : { buyer: { ...buyer, domains: [...buyer.domains] } }
        const made = await client.ownershipOffer({ body: { devices, days, send: file === undefined, ...named } })
        // Whoever can read it can accept.
        await writeOutputFile(out, made.file, 0o600)
        await leaveRequest(made, file)
        const { file: _, request: __, ...answer } = made
        task.answer({ ...answer, out }, () =>
          [
            facts([...offerFacts(made.offer), ['for the buyer', out], ['request', file]]),
            '',
            'The same as a link, once the manufacturer has the offer:',
            `  ${made.link}`,
          ].join('\n'),
        )
      }),
    )
}

function offersCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command)), {
    summary: 'list offers that this site made',
    examples: ['ownership offers', 'ownership offers --state open --json'],
  })
    .option('--state <state>', `only those: ${states.join(', ')}`, choice(states))
    .action(
      cli.run<SiteOptions & ListOptions & { readonly state?: OfferView['state'] }, []>(async task => {
        const client = await connect(task)
        const { state } = task.options
        const found = await listed(task.options, page =>
          client.ownershipOfferList({ query: { ...page, ...defined({ state }) } }),
        )
        task.answer(found, () => listText(found, offersText, 'Nothing was offered yet.'))
      }),
    )
}

function acceptCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<offer>', 'offer file, or link')), {
    summary: 'accept an offer, and expect its devices',
    text: 'Done again, it is answered alike: what was lost on the way is not lost.',
    examples: ['ownership accept offer.json', 'ownership accept offer.json --request accept.jws'],
  }).action(
    cli.run<ErrandOptions, [string]>(async (task, given) => {
      const { request: file } = task.options
      const isLink = given.startsWith('mooring-offer:')
      const offer = isLink ? given : (await readInputFile(given, 200_000)).toString('utf8')
      const done = await (await connect(task)).ownershipAccept({ body: { offer, send: file === undefined } })
      await conclude(task, done, file)
    }),
  )
}

function revokeOfferCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<offer>', 'id of the offer, or its first digits')), {
    summary: 'take an offer back that nobody has accepted',
    examples: ['ownership revoke-offer 5f2b6a0c4d9e8f7a'],
  }).action(
    cli.run<ErrandOptions, [string]>(async (task, id) => {
      const { request: file } = task.options
      const client = await connect(task)
      const params = { id: await offerNamed(client, id) }
      const done = await client.ownershipOfferRevoke({ params, body: { send: file === undefined } })
      await conclude(task, done, file)
    }),
  )
}

function grantCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<device...>', 'ids or serial numbers, of one manufacturer')), {
    summary: 'let another network onboard devices of yours',
    text: 'For an integrator, a tenant, a service: they may onboard the device and no more, until you revoke it.',
    examples: ['ownership grant CL2-000001 --to integrator.json'],
  })
    .requiredOption('--to <file>', 'card of the other, by `mooring site card` over there')
    .action(
      cli.run<PartyOptions, [string[]]>(async (task, names) => {
        const { to, request: file } = task.options
        const card = await readCard(to)
        const client = await connect(task)
        const body = { devices: await idsOf(client, names), onboarder: { ...card, domains: [...card.domains] } }
        await conclude(task, await client.ownershipGrant({ body: { ...body, send: file === undefined } }), file)
      }),
    )
}

function revokeCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<device...>', 'ids or serial numbers, of one manufacturer')), {
    summary: 'end the right of another network to onboard devices of yours',
    examples: ['ownership revoke CL2-000001 --onboarder quay-integrators'],
  })
    .requiredOption('--onboarder <id>', 'as `mooring ownership show` names it')
    .action(
      cli.run<ErrandOptions & { readonly onboarder: string }, [string[]]>(async (task, names) => {
        const { onboarder, request: file } = task.options
        const client = await connect(task)
        const body = { devices: await idsOf(client, names), onboarder, send: file === undefined }
        await conclude(task, await client.ownershipRevoke({ body }), file)
      }),
    )
}

function intentCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('<device...>', 'ids or serial numbers, of one manufacturer')), {
    summary: 'say where the MUD file of devices is, and who keeps it',
    text:
      'For whoever has taken over to keep it, by `mooring factory intent` at the manufacturer: owning a device gives no ' +
      'right to it. With --keeper another one keeps it from then on.',
    examples: [
      'ownership intent CL2-000001 --mud-url https://mud.quay.example/climate-2.json',
      'ownership intent CL2-000001 --mud-url https://mud.ferry.example/c2 --keeper ferry.json',
    ],
  })
    .requiredOption('--mud-url <url>', 'where the MUD file is from now on, https')
    .option('--keeper <file>', 'card of who keeps it from now on')
    .action(
      cli.run<ErrandOptions & { readonly mudUrl: string; readonly keeper?: string }, [string[]]>(
        async (task, names) => {
          const { mudUrl, keeper: path, request: file } = task.options
          const card = path === undefined ? undefined : await readCard(path)
          const client = await connect(task)
          const named = card === undefined ? {} : { keeper: { ...card, domains: [...card.domains] } }
          const body = { devices: await idsOf(client, names), mudUrl, ...named, send: file === undefined }
          await conclude(task, await client.ownershipIntend({ body }), file)
        },
      ),
    )
}

function refreshCommand(cli: Cli, command: Command): void {
  described(withErrand(command.argument('[device...]', 'ids or serial numbers, of one manufacturer')), {
    summary: 'fetch the newest declarations, or what has become of an offer',
    examples: ['ownership refresh CL2-000001', 'ownership refresh --offer 5f2b6a0c4d9e8f7a'],
  })
    .option('--offer <id>', 'an offer of yours, in place of devices')
    .action(
      cli.run<ErrandOptions & { readonly offer?: string }, [string[]]>(async (task, names) => {
        const { offer, request: file } = task.options
        const client = await connect(task)
        const done =
          offer === undefined
            ? await client.ownershipRefresh({ body: { devices: await idsOf(client, names), send: file === undefined } })
            : await client.ownershipOfferRefresh({ params: { id: await offerNamed(client, offer) } })
        await conclude(task, done, file)
      }),
    )
}

function takeCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<file>', 'answer, by `mooring factory answer` over there')), {
    summary: 'take in the answer of a manufacturer that came as a file',
    examples: ['ownership take answer.json'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, path) => {
      const answer = (await readInputFile(path, maxAnswerBytes)).toString('base64')
      const done = await (await connect(task)).ownershipTake({ body: { answer } })
      task.answer(done, () => outcomeText(done))
    }),
  )
}

function showCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'show whose a device is, and what that allows this site',
    examples: ['ownership show CL2-000001'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const shown = await ownershipOf(task, name)
      const { history: _, ...now } = shown
      task.answer(now, () =>
        facts([
          ['device', shown.device],
          ['manufacturer', shown.manufacturer],
          ['serial', shown.serial],
          ['owner', shown.owner],
          ['declaration', `version ${shown.declarationVersion}`],
          ['this site is', shown.right],
          ['onboarders', shown.onboarders.join(', ')],
          ['MUD file kept by', shown.mudKeeper],
        ]),
      )
    }),
  )
}

function historyCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'list the declarations of a device that this site has taken in',
    text: 'The whole chain, from the first owner on, is with the manufacturer: `mooring factory history`.',
    examples: ['ownership history CL2-000001'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const { device, history } = await ownershipOf(task, name)
      task.answer({ device, history }, () => historyText(history))
    }),
  )
}

async function ownershipOf(task: Task<SiteOptions>, name: string): Promise<OwnershipView> {
  const client = await connect(task)
  const { id } = await deviceNamed(client, name)
  return client.ownershipShow({ params: { id } })
}

async function idsOf(client: ApiClient, names: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const name of names) ids.push((await deviceNamed(client, name)).id)
  return ids
}

/** By the first digits of its id, as the list shows them. Throws OnboardingError `offer-not-found`. */
async function offerNamed(client: ApiClient, name: string): Promise<string> {
  if (/^[0-9a-f]{64}$/.test(name)) return name
  const found: string[] = []
  for (let after: string | undefined; /^[0-9a-f]{6,63}$/.test(name); ) {
    const page = await client.ownershipOfferList({ query: { limit: 1000, ...defined({ after }) } })
    found.push(...page.items.map(({ id }) => id).filter(id => id.startsWith(name)))
    after = page.next
    if (after === undefined) break
  }
  const [id] = found
  if (id === undefined || found.length > 1) throw new OnboardingError('offer-not-found', { offer: name.slice(0, 64) })
  return id
}

async function leaveRequest({ request }: Pick<Requested, 'request'>, file: string | undefined): Promise<void> {
  if (file !== undefined) await writeOutputFile(file, Buffer.from(request, 'base64'))
}

async function conclude(task: Task<ErrandOptions>, done: Requested, file: string | undefined): Promise<void> {
  await leaveRequest(done, file)
  const { request: _, ...answer } = done
  task.answer({ ...answer, ...defined({ file }) }, () =>
    file === undefined
      ? outcomeText(done)
      : `${facts([['request', file]])}\n\nGive it to the manufacturer; take in the answer with \`mooring ownership take\`.`,
  )
}

function offerFacts({ id, manufacturer, serials, buyer, expiresAt, state }: OfferView): [string, string | undefined][] {
  return [
    ['offer', id],
    ['state', state],
    ['manufacturer', manufacturer],
    ['devices', serials.join(', ')],
    ['buyer', buyer === undefined ? undefined : `${buyer.name} (${buyer.id})`],
    ['open until', moment(expiresAt)],
  ]
}

function outcomeText({ offer, report }: Pick<Requested, 'offer' | 'report'>): string {
  const lines: [string, string | number | undefined][] = offer === undefined ? [] : [...offerFacts(offer)]
  if (report !== undefined) {
    lines.push(['devices new here', report.new], ['changed', report.updated], ['as before', report.unchanged])
    lines.push(['refused', report.refused.map(({ serial, code }) => `${serial} [${code}]`).join(', ')])
  }
  return facts(lines.length === 0 ? [['done', 'nothing to take in']] : lines)
}

function offersText(offers: readonly OfferView[]): string {
  return table(offers, [
    { title: 'id', of: ({ id }) => id.slice(0, 16) },
    { title: 'state', of: ({ state }) => state },
    { title: 'devices', of: ({ serials }) => String(serials.length), right: true },
    { title: 'buyer', of: ({ buyer }) => buyer?.id ?? '', flexible: true },
    { title: 'open until', of: ({ expiresAt }) => moment(expiresAt) },
  ])
}

function historyText(history: OwnershipView['history']): string {
  return table(history, [
    { title: 'version', of: ({ declarationVersion }) => String(declarationVersion), right: true },
    { title: 'owner', of: ({ owner }) => owner, flexible: true },
    { title: 'this site was', of: ({ right }) => right ?? '' },
    { title: 'onboarders', of: ({ onboarders }) => onboarders.join(', '), flexible: true },
    { title: 'taken in', of: ({ at }) => moment(at) },
  ])
}
