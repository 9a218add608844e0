import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { type PolicyEffect, policyEffects } from '../../role/authorization/preview.ts'
import type { ApiClient } from '../api/client.ts'
import type { ImpactView } from '../api/contract/policy.ts'
import { type Cli, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { type Candidate, type CandidateOptions, candidateOf, versionNumber, withCandidate } from './policy-candidate.ts'
import { impactsText, type Preview, versionText } from './policy-text.ts'
import { progressLine } from './terminal.ts'

export function previewCommand(cli: Cli, command: Command): void {
  described(withCandidate(withSite(command)), {
    summary: 'what would change, device by device; nothing changes',
    text: 'Each device that is in is asked whether it may stay, each other one whether it may come in, by what counts and by what would.',
    examples: ['policy preview --number 4', 'policy preview --file policy.cedar --json'],
  }).action(
    cli.run<SiteOptions & CandidateOptions, []>(async task => {
      const named = await candidateOf(task.options)
      const preview = await previewed(task, await connect(task), named)
      task.answer(preview, () => impactsText(preview))
    }),
  )
}

export function activateCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<version>', 'number, as `mooring policy list` shows it')), {
    summary: 'let a version count from now on',
    text: 'First it is previewed. Where devices would be dropped it is activated only with --yes.',
    examples: ['policy activate 4', 'policy activate 4 --yes'],
  })
    .option('--yes', 'also when devices that are in would be dropped')
    .action(
      cli.run<SiteOptions & { yes?: boolean }, [string]>(async (task, text) => {
        const version = versionNumber(text)
        const client = await connect(task)
        const preview = await previewed(task, client, { version })
        const { drop, fail } = preview.counts
        if (task.options.yes !== true && drop + fail > 0) {
          throw new OnboardingError('policy-drops-devices', { version, drop, fail })
        }
        const activated = await client.policyActivate({ params: { version } })
        const { impacts: _, ...summary } = preview
        task.answer({ ...activated, preview: summary }, () => `${versionText(activated)}\n\n${impactsText(preview)}`)
      }),
    )
}

/** Page by page, so that no answer and no memory grows with the number of devices that stay as they are. */
async function previewed({ io }: Task<object>, client: ApiClient, named: Candidate): Promise<Preview> {
  const progress = progressLine(io.stderr)
  const counts = Object.fromEntries(policyEffects.map(effect => [effect, 0])) as Record<PolicyEffect, number>
  const impacts: ImpactView[] = []
  const start = Date.now()
  let checked = 0
  let after: string | undefined
  try {
    do {
      const body = { ...named, limit: 1000, ...(after === undefined ? {} : { after }) }
      const page = await client.policyPreview({ body })
      for (const impact of page.impacts) counts[impact.effect]++
      impacts.push(...page.impacts)
      checked += page.checked
      after = page.next
      progress.show(`${checked} of ${page.of} devices; would drop ${counts.drop}`)
    } while (after !== undefined)
  } finally {
    progress.end()
  }
  const revoked = impacts.filter(({ revoke }) => revoke).length
  return { checked, counts, revoked, seconds: (Date.now() - start) / 1000, impacts }
}
