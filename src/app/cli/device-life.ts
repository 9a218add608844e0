import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { lifecycleStates } from '../../domain/lifecycle-table.ts'
import type { DeviceView } from '../api/contract/device.ts'
import { type AllowedStepView, type HandOverView, LifecycleActorName } from '../api/contract/lifecycle.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, count, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceNamed } from './device-named.ts'
import { eventNamed, type FactOptions, timelineText, withFacts } from './life.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, wrapped } from './table.ts'
import { harmless } from './terminal.ts'

/** `mooring device timeline`, `allowed`, `step`, `wiped`, `hand-over`: the life of a device beyond its onboarding. */
export function lifeCommands(cli: Cli, device: Command): void {
  timelineCommand(cli, device.command('timeline'))
  allowedCommand(cli, device.command('allowed'))
  stepCommand(cli, device.command('step'))
  wipedCommand(cli, device.command('wiped'))
  handOverCommand(cli, device.command('hand-over'))
}

const named = 'id, or serial number'

function timelineCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command.argument('<device>', named))), {
    summary: 'show the states that a device went through, and what each step rested on',
    examples: ['device timeline CL2-000001', 'device timeline CL2-000001 --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, [string]>(async (task, name) => {
      const client = await connect(task)
      const { id } = await deviceNamed(client, name)
      const found = await listed(task.options, query => client.deviceTimeline({ params: { id }, query }))
      task.answer(found, () => listText(found, timelineText, 'Nothing yet.'))
    }),
  )
}

function allowedCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', named)), {
    summary: 'show what is allowed now: every step from here, and what stands between',
    examples: ['device allowed CL2-000001'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const client = await connect(task)
      const { id } = await deviceNamed(client, name)
      const found = await client.deviceAllowed({ params: { id } })
      task.answer(found, () => allowedText(found.device, found.steps))
    }),
  )
}

function allowedText(device: DeviceView, steps: readonly AllowedStepView[]): string {
  const { serial } = device
  if (steps.length === 0) return `${stateLine(device)}\nNo step leads on from here.`
  const lines = steps.flatMap(({ event, to, words, missing, verdict }) => {
    const flags = missing.map(({ fact, needed }) => ` --fact ${fact}${needed ? '' : '=false'}`).join('')
    const command = `$ mooring device step ${harmless(serial)} ${event}${flags}`
    const shown = verdict === 'not-now' ? [] : [`    ${command}`]
    return ['', `${event} → ${to}`, ...wrapped(words, 94).map(line => `    ${line}`), ...shown]
  })
  return [stateLine(device), ...lines].join('\n')
}

function stateLine({ serial, lifecycle }: DeviceView): string {
  const entry = Object.entries(lifecycleStates).find(([id]) => id === lifecycle)?.[1]
  return harmless(`${serial} is ${lifecycle}${entry === undefined ? '' : `: ${entry.name}`}`)
}

function stepCommand(cli: Cli, command: Command): void {
  described(
    withFacts(withSite(command.argument('<device>', named).argument('<event>', 'as `device allowed` names it'))),
    {
      summary: 'take a step of the lifecycle',
      text:
        'What the record proves need not be said, and cannot be said otherwise; what nobody but you can see, you vouch for ' +
        'with --fact, and your name is on record with it. A device that is decommissioned, or disconnected for maintenance, ' +
        'loses its network credentials first.',
      examples: [
        'device step CL2-000001 execute --fact applicationInstalled',
        'device step CL2-000001 begin-maintenance --fact maintainableConnected',
        'device step CL2-000001 disconnect-for-decommission --reason "replaced"',
      ],
    },
  )
    .option('--actor <actor>', 'in whose place, when the step is of several', choice(LifecycleActorName.options))
    .option('--if-version <version>', 'refused when the device has moved on since', count(1, 2_000_000_000))
    .action(
      cli.run<SiteOptions & FactOptions & StepOptions, [string, string]>(async (task, name, event) => {
        const { actor, fact = {}, reason, ifVersion: version } = task.options
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const body = { event: eventNamed(event), facts: fact, ...defined({ actor, reason, version }) }
        const device = await client.deviceStep({ params: { id }, body })
        task.answer(device, () => stateLine(device))
      }),
    )
}

interface StepOptions {
  readonly actor?: (typeof LifecycleActorName.options)[number]
  readonly ifVersion?: number
}

function wipedCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', named)), {
    summary: 'record that you saw a decommissioned device reset to its birth credential',
    text: 'Wiping is the device’s own act: its button, or `mooring device reset` for a simulated one.',
    examples: ['device wiped CL2-000001'],
  })
    .option('--reason <text>', 'for the record')
    .action(
      cli.run<SiteOptions & { readonly reason?: string }, [string]>(async (task, name) => {
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const device = await client.deviceWiped({ params: { id }, body: defined({ reason: task.options.reason }) })
        task.answer(device, () => `${stateLine(device)}, and wiped`)
      }),
    )
}

interface HandOverOptions extends SiteOptions, FactOptions {
  readonly to?: string
  readonly wiped?: boolean
  readonly transferred?: boolean
  readonly cancel?: boolean
  readonly status?: boolean
}

function handOverCommand(cli: Cli, command: Command): void {
  described(withFacts(withSite(command.argument('<device>', named))), {
    summary: 'hand a device over to another owner: decommission, wipe, transfer, repurpose',
    text:
      'One action, as many calls as it takes: each goes on from where the record stands as far as it can, and says what ' +
      'it waits for. What the site knew of the device stays in its ledger; see docs/lifecycle.md.',
    examples: [
      'device hand-over CL2-000001 --to orchard',
      'device hand-over CL2-000001 --wiped',
      'device hand-over CL2-000001 --status',
      'device hand-over CL2-000001 --cancel',
    ],
  })
    .option('--to <owner>', 'id of the new owner, as manufacturers know it')
    .option('--wiped', 'you saw the device reset, and working')
    .option('--transferred', 'the ownership has passed; of a device that nobody keeps a declaration for')
    .option('--status', 'only look how far it has come')
    .option('--cancel', 'end it where it stands, before the ownership has passed')
    .action(
      cli.run<HandOverOptions, [string]>(async (task, name) => {
        const client = await connect(task)
        const params = { id: (await deviceNamed(client, name)).id }
        const { status, cancel, ...options } = task.options
        if (status && cancel) throw new OnboardingError('input-invalid', { field: 'cancel', rule: 'not with --status' })
        const answer = cancel
          ? await client.deviceHandOverCancel({ params })
          : status
            ? await client.deviceHandOverShow({ params })
            : await client.deviceHandOver({ params, body: handOverBody(options) })
        task.answer(answer, () => handOverText(answer))
      }),
    )
}

function handOverBody({ to, wiped, transferred, fact = {}, reason }: HandOverOptions) {
  const said = { ...fact, ...(wiped ? { wiped } : {}), ...(transferred ? { ownershipTransferred: true } : {}) }
  return { facts: said, ...defined({ to, reason }) }
}

function handOverText({ device, state, to, by, begunAt, steps }: HandOverView): string {
  if (state === 'none') return `${stateLine(device)}\nIt is not being handed over.`
  const head = facts([
    ['device', `${device.serial} in ${device.lifecycle}`],
    ['to', to],
    ['begun', `${moment(begunAt)} by ${by ?? ''}`],
    ['state', state],
  ])
  const marks = { done: '✓', waiting: '…', later: '·' } as const
  const lines = steps.flatMap(({ step, state, words }) => {
    const [first = '', ...rest] = wrapped(harmless(words), 80)
    return [`  ${marks[state]} ${step.padEnd(12)}  ${first}`.trimEnd(), ...rest.map(line => `${' '.repeat(18)}${line}`)]
  })
  return [head, '', ...lines].join('\n')
}
