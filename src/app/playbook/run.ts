import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Build,
  type BuildId,
  builds,
  type Capability,
  type CapabilityId,
  capabilities,
} from '../../domain/playbook.ts'
import type { Log } from '../../domain/port.ts'
import { defined } from '../defined.ts'
import { wiredClaims } from './claim.ts'
import { type Demonstration, type DemonstrationResult, demonstrate, reasonOf, skipped } from './demonstration.ts'
import { type CapabilityVerdict, type Claim, judge, settleImplicit } from './judge.ts'
import { type Lab, type LabOptions, openLab } from './lab.ts'
import { confirmEvidence, type LedgerStatement, stateLedgers } from './ledger.ts'
import { wiredScenes } from './scene/wired.ts'

/** What `--json` prints. */
export interface PlaybookReport {
  readonly builds: readonly Build[]
  /** All 32 on each build, builds in order, capabilities in the order of the playbook. */
  readonly capabilities: readonly CapabilityVerdict[]
  /** Where each ledger that evidence points into stood at the end, signed. */
  readonly ledgers: readonly LedgerStatement[]
}

export interface PlaybookOptions {
  readonly log: Log
  /** Keeps keys and ledgers for an auditor; a temporary directory when absent. */
  readonly data?: string
  /** Where the ledger of a party is kept; in `data` when absent. */
  readonly storeUrl?: LabOptions['storeUrl']
  /** In place of the scenes of the wired build. */
  readonly demonstrations?: readonly Demonstration<Lab>[]
  /** In place of a lab of real parties. */
  readonly open?: (options: LabOptions) => Promise<Lab>
  readonly limitMs?: number
  readonly onResult?: (result: DemonstrationResult) => void
}

const silence: (result: DemonstrationResult) => void = () => {}

/** Runs every demonstration and judges every capability on every build. Rejects only when the lab cannot be put away. */
export async function runPlaybook(options: PlaybookOptions): Promise<PlaybookReport> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'mooring-playbook-')))
  try {
    const { results, ledgers } = await runWired(options, data)
    return { builds, capabilities: judgeAll(results), ledgers }
  } finally {
    if (options.data === undefined) await rm(data, { recursive: true, force: true })
  }
}

/** No demonstration failed or was left out, and no claim fell. */
export function isSound({ capabilities: verdicts }: PlaybookReport): boolean {
  return verdicts.every(
    ({ verdict, evidence }) => verdict !== 'fail' && evidence.every(({ outcome }) => outcome === 'held'),
  )
}

interface WiredRun {
  readonly results: readonly DemonstrationResult[]
  readonly ledgers: readonly LedgerStatement[]
}

async function runWired(options: PlaybookOptions, data: string): Promise<WiredRun> {
  const { log, storeUrl, demonstrations = wiredScenes, open = openLab, limitMs = 60_000, onResult = silence } = options
  let lab: Lab
  try {
    lab = await open({ data, log, ...defined({ storeUrl }) })
  } catch (error) {
    return { results: demonstrations.map(each => skipped(each, `no lab: ${reasonOf(error)}`)), ledgers: [] }
  }
  try {
    const results: DemonstrationResult[] = []
    for (const demonstration of demonstrations) {
      const result = await demonstrate(demonstration, lab, limitMs)
      onResult(result)
      results.push(result)
    }
    const ledgers = await stateLedgers(lab.ledgers)
    return { results: await confirmEvidence(results, lab.ledgers, ledgers), ledgers }
  } finally {
    await lab.close()
  }
}

function judgeAll(results: readonly DemonstrationResult[]): CapabilityVerdict[] {
  return builds.flatMap(build => {
    const claims = build.status === 'runs' ? wiredClaims : claimNothing(build)
    const verdicts = capabilities.map(capability => judgeOn(build.id, capability, claims, results))
    return settleImplicit(verdicts, claims)
  })
}

function judgeOn(
  build: BuildId,
  capability: Capability & { readonly id: CapabilityId },
  claims: Readonly<Record<CapabilityId, Claim>>,
  results: readonly DemonstrationResult[],
): CapabilityVerdict {
  // The demonstrations are those of the wired build; they say nothing about another one.
  return judge(capability, build, claims[capability.id], build === 'brski-wired' ? results : [])
}

function claimNothing({ title }: Build): Readonly<Record<CapabilityId, Claim>> {
  const claim: Claim = { type: 'not-yet', note: `Nobody has built this yet: ${title}.` }
  return Object.fromEntries(capabilities.map(({ id }) => [id, claim])) as Record<CapabilityId, Claim>
}
