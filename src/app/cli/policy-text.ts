import type { PolicyEffect } from '../../role/authorization/preview.ts'
import type {
  DecisionView,
  ExplanationView,
  ImpactView,
  PolicyFindingView,
  PolicyVersionView,
  ReconfirmationView,
} from '../api/contract/policy.ts'
import { facts, moment, table, wrapped } from './table.ts'
import { harmless } from './terminal.ts'

export function versionsText(versions: readonly PolicyVersionView[]): string {
  return table(versions, [
    { title: 'version', of: ({ version }) => String(version), right: true },
    { title: 'name', of: ({ name }) => name, flexible: true },
    { title: 'status', of: ({ status }) => status },
    { title: 'written', of: ({ createdAt }) => moment(createdAt) },
    { title: 'activated', of: ({ activatedAt }) => moment(activatedAt) },
    { title: 'by', of: ({ createdBy }) => createdBy, flexible: true },
  ])
}

export function versionText({
  version,
  name,
  status,
  sha256,
  createdAt,
  createdBy,
  activatedAt,
}: PolicyVersionView): string {
  return facts([
    ['version', version],
    ['name', name],
    ['status', status],
    ['sha256', sha256],
    ['written', `${moment(createdAt)} by ${createdBy}`],
    ['activated', moment(activatedAt)],
  ])
}

export function stateText(state: {
  readonly reconfirmation?: ReconfirmationView | undefined
  readonly failure?:
    | { readonly policy: string; readonly message: string; readonly device: string; readonly at: string }
    | undefined
}): string {
  const { reconfirmation: last, failure } = state
  const counts = last === undefined ? '' : `${last.checked} of ${last.of} devices, ${last.refused} may not stay`
  return facts([
    ['asked again', last === undefined ? 'not yet' : `${last.state === 'done' ? 'done' : 'under way'}: ${counts}`],
    ['because', last?.cause],
    ['begun', moment(last?.startedAt)],
    ['ended', moment(last?.finishedAt)],
    ['changed', last?.changed],
    ['revoked', last?.revoked],
    ['failed', last?.failed],
    ['FAILURE', failure && `${failure.policy || 'the policies'} on device ${failure.device}: ${failure.message}`],
    ['since', failure && moment(failure.at)],
  ])
}

export function findingsText(path: string, findings: readonly PolicyFindingView[]): string {
  if (findings.length === 0) return 'Valid.'
  return findings
    .flatMap(({ severity, line, column, policy, message, help }) => [
      `${harmless(path)}:${line}:${column}: ${severity}${policy === undefined ? '' : ` in ${policy}`}`,
      ...wrapped(harmless(message), 96).map(text => `  ${text}`),
      ...(help === undefined ? [] : wrapped(harmless(help), 90).map(text => `    ${text}`)),
    ])
    .join('\n')
}

const verdicts = { permit: 'yes', wait: 'a person has to decide', refuse: 'no' } as const

export function decisionText(decision: DecisionView): string {
  const { question, verdict, code, reason, advice, segment, lifetimeDays, services, maintain, revoke } = decision
  const asked = decision.version !== undefined && decision.failure === undefined
  const summary = facts([
    [question === 'admit' ? 'may it come in' : 'may it stay', verdicts[verdict]],
    ['code', code],
    ['because', reason],
    ...advice.map(text => ['', text] as const),
    ['failure', decision.failure?.message],
    ['segment', asked ? (segment ?? 'none') : undefined],
    ['credential', lifetimeDays === undefined ? undefined : `${lifetimeDays} days`],
    ['', revoke ? 'its credential would end' : undefined],
    ['services', asked ? services.join(', ') || 'none' : undefined],
    ['maintenance', asked ? (maintain ? 'yes' : 'not now') : undefined],
  ])
  return decision.facts === undefined ? summary : `${summary}\n\nFacts\n${factsText(decision.facts)}`
}

export function explanationText(found: ExplanationView): string {
  const { question, event, at, verdict, code, reasons, version, deciding, factsIntact, reproduced } = found
  const head = facts([
    ['decision', `${question}: ${verdict}`],
    ['code', code],
    ['at', `${moment(at)}, event ${event}`],
    ['policies', version === undefined ? 'none was asked' : `version ${version}`],
    ...deciding.map(({ id, effect, line, advice }) => {
      return ['', `${effect} ${id} (line ${line})${advice === undefined ? '' : `: ${advice}`}`] as const
    }),
    [
      'facts',
      factsIntact === undefined ? undefined : factsIntact ? 'as they were written down' : 'NOT THE ONES OF THEN',
    ],
    ['taken again', reproduced === undefined ? undefined : reproduced ? 'the same answer' : 'ANOTHER ANSWER'],
  ])
  const list = reasons.map(({ rule, holds, note }) => harmless(`${holds ? '+' : '-'} ${rule}: ${note}`)).join('\n')
  const shown = found.facts === undefined ? '' : `Facts\n${factsText(found.facts)}`
  return [head, list, shown].filter(text => text !== '').join('\n\n')
}

function factsText(known: Readonly<Record<string, string | number>>): string {
  const text = (name: string, value: string | number) =>
    name === 'now' ? moment(new Date(Number(value) * 1000).toISOString()) : value
  return facts(Object.entries(known).map(([name, value]) => [`  ${name}`, text(name, value)] as const))
}

const effects = {
  drop: 'would be dropped',
  restore: 'could stay again',
  admit: 'would be let in',
  'shut-out': 'would not be let in',
  wait: 'would wait for a person',
  move: 'would change segment',
  'change-terms': 'would get other terms',
  fail: 'A POLICY FAILS ON THEM',
} as const

/** Of so many devices each is shown; all of them with --json. */
const most = 100

export interface Preview {
  readonly checked: number
  readonly counts: Readonly<Record<PolicyEffect, number>>
  readonly revoked: number
  readonly seconds: number
  readonly impacts: readonly ImpactView[]
}

export function impactsText({ checked, counts, revoked, seconds, impacts }: Preview): string {
  const changes = Object.entries(counts).filter(([, number]) => number > 0)
  const summary = facts([
    ['devices', `${checked}, looked at in ${seconds.toFixed(1)} s`],
    ...changes.map(([effect, number]) => [String(number), effects[effect as keyof typeof effects]] as const),
    [String(revoked), revoked === 0 ? '' : 'credentials would end'],
  ])
  if (impacts.length === 0) return `${summary}\n\nNothing changes.`
  const rows = table(impacts.slice(0, most), [
    { title: 'device', of: ({ device }) => device },
    { title: 'serial', of: ({ serial }) => serial, flexible: true },
    { title: 'effect', of: ({ effect }) => effect },
    { title: 'policies', of: ({ policies }) => policies.join(', '), flexible: true },
    { title: 'segment', of: ({ segment }) => segment ?? '', flexible: true },
  ])
  return `${summary}\n\n${rows}${impacts.length > most ? `\n(the first ${most} of ${impacts.length}; all with --json)` : ''}`
}
