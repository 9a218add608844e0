import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { coverageGaps, coverageLimits } from './coverage-gap.ts'

/**
 * docs/coverage-nist.md: requirement by requirement, the tests that prove it. A test says what it proves at the end of its
 * name: `[WP-R17]`, `[S3.C1, S5.C3]`, `[WP-R01 to WP-R16]`, `[WP-LT-*]`; a `${…}` in a name made by a loop counts as `*`.
 * `npm run coverage-nist` writes the document.
 */

const root = join(import.meta.dirname, '..')

export interface Requirement {
  readonly id: string
  readonly level: 'mandatory' | 'recommended' | 'optional'
  readonly statement: string
}

export interface Claim {
  /** As it stands in the name: an id, a pattern with `*`, or a range. */
  readonly claimed: string
  readonly file: string
  /** The name without its claims. */
  readonly test: string
}

export interface Covered extends Requirement {
  readonly tests: readonly Claim[]
}

export function readRequirements(): readonly Requirement[] {
  return JSON.parse(readFileSync(join(root, 'test/vector/nist/requirement.json'), 'utf8'))
}

/** Every claim of every test. */
export function readClaims(directory = join(root, 'test')): readonly Claim[] {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return files
    .filter(name => name.endsWith('.test.ts'))
    .sort()
    .flatMap(name => claimsIn(readFileSync(join(directory, name), 'utf8'), relative(root, join(directory, name))))
}

const names = /\b(?:test|it)\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g

/** The names of the tests in the text of a file. */
export function testNames(text: string): string[] {
  return [...text.matchAll(names)].map(([, single, double, template]) =>
    (single ?? double ?? template ?? '').replace(/\\(.)/g, '$1'),
  )
}

/** The claims in the text of one test file. */
export function claimsIn(text: string, file: string): Claim[] {
  return testNames(text).flatMap(name => {
    const [, test, list] = /^(.*) \[([^\][]+)\]$/s.exec(name) ?? []
    if (test === undefined || list === undefined || !isList(list)) return []
    return list.split(', ').map(each => ({ claimed: each.replace(/\$\{[^}]*\}/g, '*'), file, test: shown(test) }))
  })
}

/** Other names end in brackets, too. */
function isList(list: string): boolean {
  return list.split(', ').every(each => /^(WP-|S[0-9]\.)[\w.*${}-]*( to (WP-|S[0-9]\.)[\w.-]+)?$/.test(each))
}

function shown(name: string): string {
  return name
    .replace(/\$\{[^}]*\}/g, '…')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The ids that a claim means; empty when there is none. */
export function idsOf(claimed: string, requirements: readonly Requirement[]): string[] {
  const ids = requirements.map(({ id }) => id)
  const [from, to] = claimed.split(' to ')
  if (to !== undefined) {
    const [first, last] = [ids.indexOf(from!), ids.indexOf(to)]
    return first < 0 || last < first ? [] : ids.slice(first, last + 1)
  }
  const pattern = new RegExp(`^${claimed.split('*').map(escaped).join('.*')}$`)
  return ids.filter(id => pattern.test(id))
}

function escaped(text: string): string {
  return text.replace(/[.\\+?^${}()|[\]]/g, '\\$&')
}

export function coverage(
  requirements: readonly Requirement[] = readRequirements(),
  claims: readonly Claim[] = readClaims(),
): readonly Covered[] {
  const byId = new Map<string, Claim[]>()
  for (const claim of claims) {
    for (const id of idsOf(claim.claimed, requirements)) byId.set(id, [...(byId.get(id) ?? []), claim])
  }
  return requirements.map(requirement => ({ ...requirement, tests: byId.get(requirement.id) ?? [] }))
}

const groups = [
  [
    'WP-LS',
    'Lifecycle states',
    'White paper section 4. That a device is in the state alone, can come to it, and is shown in it; what is done there, such as making a birth credential, is proven where it is done.',
  ],
  ['WP-LT', 'Lifecycle transitions', 'White paper section 4; T01 to T36 as in `src/domain/lifecycle-table.ts`.'],
  ['WP-LE', 'Lifecycle events beside the transitions', 'White paper section 4.'],
  ['WP-LG', 'What holds throughout a life', 'White paper section 4.'],
  ['WP-R', 'Roles', 'White paper section 5. Their authorities are in `docs/authority.md`.'],
  ['WP-M6', 'Security of onboarding', 'White paper section 6.'],
  ['S3', 'Re-onboarding', 'SP 1800-36, scenario 3 of the functional demonstration.'],
  ['S5', 'Credentials', 'SP 1800-36, scenario 5 of the functional demonstration, as far as credentials go.'],
] as const

export function coverageDocument(covered: readonly Covered[] = coverage()): string {
  const proven = covered.filter(({ tests }) => tests.length > 0)
  const lines = [
    '# Requirements and the tests that prove them',
    '',
    'Written by `npm run coverage-nist` from the names of tests, which say what they prove; a test holds this page against them.',
    'Statements are in our own words. A test that is named here runs with `npm test`; what it leaves open stands beside it.',
    '',
    `${proven.length} of ${covered.length} requirements have a test; of the mandatory ones ${count(proven)} of ${count(covered)}.`,
  ]
  for (const [prefix, title, note] of groups) {
    lines.push('', `## ${title}`, '', note, '', '| id | | requirement | proven by |', '|---|---|---|---|')
    const members = covered.filter(({ id }) => id.startsWith(prefix))
    for (const each of members) lines.push(row(each))
  }
  return `${lines.join('\n')}\n`
}

function count(requirements: readonly Requirement[]): number {
  return requirements.filter(({ level }) => level === 'mandatory').length
}

function row({ id, level, statement, tests }: Covered): string {
  const gap = `not yet: ${coverageGaps[id] ?? 'no test says so'}`
  const limit = coverageLimits[id]
  const proofs = [...new Set(tests.map(({ file, test }) => `\`${file}\` ${test}`))]
  const proof =
    tests.length === 0 ? gap : [...proofs, ...(limit === undefined ? [] : [`*open: ${limit}*`])].join('<br>')
  return `| ${id} | ${level === 'mandatory' ? 'must' : 'should'} | ${cell(statement)} | ${cell(proof)} |`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) writeFileSync(join(root, 'docs/coverage-nist.md'), coverageDocument())
