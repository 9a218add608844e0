import { Command } from 'commander'
import { policySchema } from '../../adapter/policy/schema.ts'
import { type Posture, postures } from '../../domain/policy.ts'
import { profileNames, profiles } from '../../role/authorization/profile/profile.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, count, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceText } from './device.ts'
import { deviceNamed } from './device-named.ts'
import { exitCode } from './exit.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { type CandidateOptions, candidateOf, policyFile, versionNumber, withCandidate } from './policy-candidate.ts'
import { activateCommand, previewCommand } from './policy-impact.ts'
import { decisionText, explanationText, findingsText, stateText, versionsText, versionText } from './policy-text.ts'

export function policyCommand(cli: Cli): Command {
  const policy = new Command('policy')
    .summary('who comes in, who stays, and on what terms')
    .description('Policies of the site, in Cedar: who comes in, who stays, and on what terms.')
  listCommand(cli, policy.command('list'))
  showCommand(cli, policy.command('show'))
  checkCommand(cli, policy.command('check'))
  draftCommand(cli, policy.command('draft'))
  previewCommand(cli, policy.command('preview'))
  activateCommand(cli, policy.command('activate'))
  rollbackCommand(cli, policy.command('rollback'))
  tryCommand(cli, policy.command('try'))
  explainCommand(cli, policy.command('explain'))
  reconfirmCommand(cli, policy.command('reconfirm'))
  postureCommand(cli, policy.command('posture'))
  schemaCommand(cli, policy.command('schema'))
  return policy
}

function listCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command)), {
    summary: 'list versions of the policies, and what is going on with them',
    examples: ['policy list', 'policy list --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      let newest: Awaited<ReturnType<typeof client.policyList>> | undefined
      const found = await listed(task.options, async query => {
        newest = await client.policyList({ query })
        return newest
      })
      const { reconfirmation, failure } = newest ?? {}
      task.answer({ ...found, ...defined({ reconfirmation, failure }) }, () =>
        [listText(found, versionsText, 'No version yet.'), stateText({ reconfirmation, failure })].join('\n\n'),
      )
    }),
  )
}

function showCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<version>', `number of a version, or a profile: ${profileNames.join(', ')}`)), {
    summary: 'show a version, or a profile to begin from',
    examples: ['policy show 3', 'policy show enterprise > policy.cedar'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const profile = profileNames.find(each => each === name)
      if (profile !== undefined) {
        task.answer({ name: profile, source: profiles[profile] }, () => profiles[profile])
        return
      }
      const found = await (await connect(task)).policyShow({ params: { version: versionNumber(name) } })
      task.answer(found, () => `${versionText(found)}\n\n${found.source}`)
    }),
  )
}

function checkCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<file>', 'policies in Cedar')), {
    summary: 'check a file against the schema',
    text: `\`mooring policy schema\` prints what policies can speak about. Exit code ${exitCode.unverified} when it is not valid.`,
    examples: ['policy check policy.cedar'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, path) => {
      const answer = await (await connect(task)).policyCheck({ body: { source: await policyFile(path) } })
      task.answer(answer, () => findingsText(path, answer.findings))
      return answer.valid ? exitCode.done : exitCode.unverified
    }),
  )
}

function draftCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<file>', 'policies in Cedar')), {
    summary: 'write down a new version; it counts for nothing before it is activated',
    examples: ['policy draft policy.cedar --name quay-cameras'],
  })
    .requiredOption('--name <name>', 'what people call it: 1 to 64 of A-Z a-z 0-9 . _ -')
    .action(
      cli.run<SiteOptions & { name: string }, [string]>(async (task, path) => {
        const body = { name: task.options.name, source: await policyFile(path) }
        const version = await (await connect(task)).policyDraft({ body })
        task.answer(version, () => versionText(version))
        if (version.status === 'draft') {
          task.note(`\nSee what it would change: mooring policy preview --number ${version.version}`)
        }
      }),
    )
}

function rollbackCommand(cli: Cli, command: Command): void {
  described(withSite(command), {
    summary: 'go back to the version that counted before, at once',
    examples: ['policy rollback'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const client = await connect(task)
      const { items } = await listed({ limit: 1_000_000 }, query => client.policyList({ query }))
      const from = String(items.find(({ status }) => status === 'active')?.version ?? 1)
      const version = await client.policyRollback({ body: { from } })
      task.answer(version, () => versionText(version))
    }),
  )
}

function tryCommand(cli: Cli, command: Command): void {
  described(withCandidate(withSite(command)), {
    summary: 'what would be decided about a device, and why; nothing is written down',
    examples: [
      'policy try --device CL2-000001 --action admit',
      'policy try --device CL2-000001 --action stay --file policy.cedar',
    ],
  })
    .requiredOption('--device <device>', 'id, or serial number')
    .option('--action <action>', 'admit or stay', choice(['admit', 'stay']), 'admit')
    .action(
      cli.run<SiteOptions & CandidateOptions & { device: string; action: 'admit' | 'stay' }, []>(async task => {
        const client = await connect(task)
        const named = await candidateOf(task.options)
        const { id: device } = await deviceNamed(client, task.options.device)
        const decision = await client.policyTry({ body: { device, action: task.options.action, ...named } })
        task.answer(decision, () => decisionText(decision))
      }),
    )
}

function explainCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'explain a decision of the record: which policies, which facts',
    text: 'The newest decision, or with --event that of one event in `mooring device history`. It is taken again on the facts of then.',
    examples: ['policy explain CL2-000001', 'policy explain CL2-000001 --event 5 --json'],
  })
    .option('--event <number>', 'number of the event in the history of the device', count(1, 1_000_000_000))
    .action(
      cli.run<SiteOptions & { event?: number }, [string]>(async (task, name) => {
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const found = await client.policyExplain({ params: { id }, query: defined({ event: task.options.event }) })
        task.answer(found, () => explanationText(found))
      }),
    )
}

function reconfirmCommand(cli: Cli, command: Command): void {
  described(withSite(command), {
    summary: 'ask now, for every device that is in, whether it may stay',
    text: 'The site does so by itself every hour, and when other policies begin to count. `mooring policy list` shows how far it is.',
    examples: ['policy reconfirm'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const reconfirmation = await (await connect(task)).policyReconfirm()
      task.answer(reconfirmation, () => stateText({ reconfirmation }))
    }),
  )
}

function postureCommand(cli: Cli, command: Command): void {
  described(
    withSite(
      command.argument('<device>', 'id, or serial number').argument('<posture>', postures.join(', '), choice(postures)),
    ),
    {
      summary: 'say in what state a device is; whether it may stay is decided at once',
      examples: ['policy posture CL2-000001 suspect --reason "talks to a stranger"'],
    },
  )
    .option('--reason <text>', 'for the record')
    .action(
      cli.run<SiteOptions & { reason?: string }, [string, Posture]>(async (task, name, posture) => {
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const body = { posture, ...defined({ reason: task.options.reason }) }
        const device = await client.devicePosture({ params: { id }, body })
        task.answer(device, () => deviceText(device))
      }),
    )
}

function schemaCommand(cli: Cli, command: Command): void {
  described(command, {
    summary: 'print what policies can speak about',
    examples: ['policy schema'],
  }).action(
    cli.run<object, []>(async task => {
      task.answer({ schema: policySchema }, () => policySchema)
    }),
  )
}
