import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Build, type BuildId, builds, type CapabilityId, capabilities } from '../../domain/playbook.ts'
import type { Log } from '../../domain/port.ts'
import { defined } from '../defined.ts'
import { wifiClaims, wiredClaims } from './claim.ts'
import { type Demonstration, type DemonstrationResult, demonstrate, reasonOf, skipped } from './demonstration.ts'
import { type CapabilityVerdict, type Claim, judge, settleImplicit } from './judge.ts'
import { type Lab, type LabOptions, openLab } from './lab.ts'
import { confirmEvidence, type LedgerStatement, stateLedgers } from './ledger.ts'
import { wifiScenes } from './scene/wifi.ts'
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
  /** In place of the scenes of the wired build; then no other build runs. */
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
    const { results, ledgers } = await runBuilds(options, data)
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

type Results = Readonly<Partial<Record<BuildId, readonly DemonstrationResult[]>>>

interface BuildsRun {
  readonly results: Results
  readonly ledgers: readonly LedgerStatement[]
}

const claims: Readonly<Partial<Record<BuildId, Readonly<Record<CapabilityId, Claim>>>>> = {
  'brski-wired': wiredClaims,
  'dpp-wifi': wifiClaims,
}

type Scenes = readonly (readonly [BuildId, readonly Demonstration<Lab>[]])[]

/** All builds in one lab: a network serves them side by side. */
async function runBuilds(options: PlaybookOptions, data: string): Promise<BuildsRun> {
  const { log, storeUrl, demonstrations, open = openLab, limitMs = 60_000, onResult = silence } = options
  const scenes: Scenes =
    demonstrations === undefined
      ? [
          ['brski-wired', wiredScenes],
          ['dpp-wifi', wifiScenes],
        ]
      : [['brski-wired', demonstrations]]
  let lab: Lab
  try {
    lab = await open({ data, log, ...defined({ storeUrl }) })
  } catch (error) {
    const reason = `no lab: ${reasonOf(error)}`
    return {
      results: Object.fromEntries(scenes.map(([id, all]) => [id, all.map(each => skipped(each, reason))])),
      ledgers: [],
    }
  }
  try {
    const shown: [BuildId, DemonstrationResult[]][] = []
    for (const [build, all] of scenes) {
      const results: DemonstrationResult[] = []
      for (const demonstration of all) {
        const result = await demonstrate(demonstration, lab, limitMs)
        onResult(result)
        results.push(result)
      }
      shown.push([build, results])
    }
    const ledgers = await stateLedgers(lab.ledgers)
    const confirmed: Partial<Record<BuildId, readonly DemonstrationResult[]>> = {}
    for (const [build, results] of shown) confirmed[build] = await confirmEvidence(results, lab.ledgers, ledgers)
    return { results: confirmed, ledgers }
  } finally {
    await lab.close()
  }
}

/** A build that did not run claims nothing. */
function judgeAll(results: Results): CapabilityVerdict[] {
  return builds.flatMap(build => {
    const claimed = results[build.id] === undefined ? claimNothing(build) : (claims[build.id] ?? claimNothing(build))
    const verdicts = capabilities.map(capability =>
      judge(capability, build.id, claimed[capability.id], results[build.id] ?? []),
    )
    return settleImplicit(verdicts, claimed)
  })
}

function claimNothing({ title, status }: Build): Readonly<Record<CapabilityId, Claim>> {
  const claim: Claim = {
    type: 'not-yet',
    note: status === 'runs' ? 'It did not run.' : `Nobody has built this yet: ${title}.`,
  }
  return Object.fromEntries(capabilities.map(({ id }) => [id, claim])) as Record<CapabilityId, Claim>
}
