import { builds, capabilities, type ScenarioId, scenarios, type Verdict } from '../../domain/playbook.ts'
import type { DemonstrationResult } from './demonstration.ts'
import type { CapabilityVerdict } from './judge.ts'
import type { LedgerStatement } from './ledger.ts'
import type { PlaybookReport } from './run.ts'

const verdictNames: readonly Verdict[] = ['pass', 'fail', 'implicit', 'simulated', 'not-yet', 'not-applicable']
const width = 100
const indent = ' '.repeat(8)

/** The report for people: the build that runs with what was seen, then all builds as numbers. */
export function reportText({ capabilities: verdicts, ledgers }: PlaybookReport): string {
  const running = builds.filter(({ status }) => status === 'runs')
  const details = running.flatMap(({ id, title }) => [
    `${title} (${id})`,
    ...scenarioIds.flatMap(scenario => scenarioLines(scenario, ofBuild(verdicts, id))),
  ])
  return [...details, '', ...summaryLines(verdicts), '', ...ledgers.map(ledgerLine), ''].join('\n')
}

/** One line about a demonstration that has just ended. */
export function resultLine({ capability, name, polarity, outcome }: DemonstrationResult): string {
  return `${capability}  ${sign(polarity)} ${name}: ${outcome}`
}

const scenarioIds = Object.keys(scenarios) as ScenarioId[]

function ofBuild(verdicts: readonly CapabilityVerdict[], build: string): readonly CapabilityVerdict[] {
  return verdicts.filter(verdict => verdict.build === build)
}

function scenarioLines(scenario: ScenarioId, verdicts: readonly CapabilityVerdict[]): string[] {
  const lines = ['', `${scenario} ${scenarios[scenario]}`]
  for (const { id, title } of capabilities.filter(capability => capability.scenario === scenario)) {
    const judged = verdicts.find(verdict => verdict.id === id)
    if (judged === undefined) continue
    lines.push(`  ${id} ${judged.verdict.toUpperCase()}: ${title}`, ...wrapped(judged.reason))
    for (const result of judged.evidence) lines.push(...wrapped(evidenceText(result), '    '))
  }
  return lines
}

function evidenceText(result: DemonstrationResult): string {
  const head = `${sign(result.polarity)} ${result.title}.`
  if (result.outcome !== 'held') return `${head} ${result.outcome.toUpperCase()}: ${result.reason}`
  const places = result.events.map(
    ({ ledger, lane, sequence, hash }) => `${ledger}:${lane}:${sequence} ${hash.slice(0, 12)}`,
  )
  return `${head} ${result.seen} [${places.join(', ')}]`
}

function summaryLines(verdicts: readonly CapabilityVerdict[]): string[] {
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(14)}${cells.map(cell => cell.padStart(15)).join('')}`
  return [
    row('build', verdictNames),
    ...builds.map(({ id }) => {
      const own = ofBuild(verdicts, id)
      return row(
        id,
        verdictNames.map(name => String(own.filter(({ verdict }) => verdict === name).length)),
      )
    }),
  ]
}

function ledgerLine({ name, events, integrity, completeness }: LedgerStatement): string {
  return `ledger ${name}: ${events} events, integrity ${integrity}, completeness ${completeness}`
}

function sign(polarity: DemonstrationResult['polarity']): string {
  return polarity === 'positive' ? '+' : '-'
}

function wrapped(text: string, more = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width - indent.length) {
      lines.push(line)
      line = more
    }
    line = line.trim() === '' ? `${line}${word}` : `${line} ${word}`
  }
  return [...lines, line].map(each => indent + each)
}
