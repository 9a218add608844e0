import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { dppGaps, dppOutside } from './coverage-dpp-reason.ts'
import { testNames } from './coverage-nist.ts'

/**
 * docs/coverage-dpp.md: case by case of hostap's suite for Easy Connect, what of ours has the same meaning. A test says so at
 * the end of its name: `[dpp: proto_auth_req_no_i_nonce, gas]`. Where a loop makes the names (`[dpp: ${each.dpp}]`), every
 * `dpp: '…'` of the file counts. Scenarios of the lab and of the interoperability runs say it in a comment of the same form.
 * `npm run coverage-dpp` writes the document.
 */

const root = join(import.meta.dirname, '..')

export type Mark = 'must' | 'should' | 'lab' | 'none'

export interface CaseGroup {
  readonly number: number
  readonly title: string
  readonly mark: Mark
  readonly cases: readonly string[]
}

export interface DppClaim {
  readonly name: string
  readonly file: string
  /** The name of the test without its claims; absent of a scenario. */
  readonly test?: string
}

export interface CoveredCase {
  readonly name: string
  readonly mark: Mark
  readonly proofs: readonly DppClaim[]
  /** Why it is not ours to do. */
  readonly outside?: string
  readonly gap?: string
}

export function readCases(): readonly CaseGroup[] {
  return JSON.parse(readFileSync(join(root, 'test/vector/dpp/case.json'), 'utf8'))
}

export function readDppClaims(): readonly DppClaim[] {
  const tests = sources('test', '.test.ts').flatMap(([text, file]) => claimsOfTests(text, file))
  const scenarios = [...sources('lab', '.ts'), ...sources('lab', '.sh'), ...sources('interop', '.ts')]
  return [...tests, ...scenarios.flatMap(([text, file]) => claimsOfScenarios(text, file))]
}

function sources(directory: string, ending: string): (readonly [text: string, file: string])[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(ending))
    .sort()
    .map(name => [readFileSync(join(root, directory, name), 'utf8'), relative(root, join(root, directory, name))])
}

export function claimsOfTests(text: string, file: string): DppClaim[] {
  const plain = testNames(text).flatMap(name => {
    const [, test = '', list] = /^(.*) \[dpp: ([\w, ]+)\]/s.exec(name) ?? []
    const claimed = list === undefined ? named(name, text) : list.split(', ')
    return claimed.map(each => ({ name: each, file, test: shown(test === '' ? name : test) }))
  })
  return text.includes('[dpp: $' + '{') || text.includes('tagged(') ? [...plain, ...claimsOfTables(text, file)] : plain
}

/** Cases that are no plain words, so that no test begins with one by chance. */
const longNames = readCases().flatMap(({ cases }) => cases.filter(name => name.split('_').length > 2))

/** A test may also begin with the name of its case; of one that a loop makes, `config_no_${row}`, the rows are in the file. */
function named(test: string, text: string): string[] {
  const [start = ''] = /^(?:\w|\$\{[^}]*\})+(?=$|[ :,])/.exec(test) ?? []
  if (!start.includes('${')) return longNames.includes(start) ? [start] : []
  // A name that is nothing but a placeholder would claim whatever stands in its file.
  if (!/^[a-z]+_[a-z]+_/.test(start)) return []
  const pattern = new RegExp(`^${start.replace(/\$\{[^}]*\}/g, '(\\w+)')}$`)
  const words = new Set(text.match(/\w+/g))
  return longNames.filter(name => {
    const rows = pattern.exec(name)?.slice(1)
    return rows?.every(row => words.has(row)) === true
  })
}

/** `dpp: 'a'` and `dpp: ['a', 'b']`, wherever they stand; what the test is about stands behind it as `what: '…'`. */
function claimsOfTables(text: string, file: string): DppClaim[] {
  const rows = text.matchAll(/\bdpp: (?:'(\w+)'|\[([^\]]*)\])(?:,\s*what: (['"`])(.*?)\3)?/g)
  return [...rows].flatMap(({ index, 1: one, 2: many, 4: what }) => {
    const names = one === undefined ? [...(many ?? '').matchAll(/'(\w+)'/g)].map(([, name]) => name!) : [one]
    return names.map(name => ({ name, file, test: shown(what ?? `one of a table${groupBefore(text, index)}`) }))
  })
}

/** What the group of tests is about in which a row stands. */
function groupBefore(text: string, index: number): string {
  const title = [...text.slice(0, index).matchAll(/\bdescribe\(\s*(['"`])(.*?)\1/g)].at(-1)?.[2]
  return title === undefined ? '' : `: ${title}`
}

function shown(name: string): string {
  return name
    .replace(/\$\{[^}]*\}/g, '…')
    .replace(/\s+/g, ' ')
    .trim()
}

export function claimsOfScenarios(text: string, file: string): DppClaim[] {
  return [...text.matchAll(/^\s*(?:\/\/|\*|#) \[dpp: ([\w, ]+)\]/gm)].flatMap(([, list]) =>
    (list ?? '').split(', ').map(name => ({ name, file })),
  )
}

export function dppCoverage(
  groups: readonly CaseGroup[] = readCases(),
  claims: readonly DppClaim[] = readDppClaims(),
): readonly CoveredCase[] {
  const proofs = Map.groupBy(claims, ({ name }) => name)
  return groups.flatMap(({ mark, cases, number }) =>
    cases.map(name => {
      const outside = dppOutside[name] ?? dppOutside[`${number}`]
      const gap = dppGaps[name] ?? dppGaps[`${number}`]
      return {
        name,
        mark,
        proofs: proofs.get(name) ?? [],
        ...(outside !== undefined && { outside }),
        ...(gap !== undefined && { gap }),
      }
    }),
  )
}

const marks: { readonly [M in Mark]: string } = {
  must: 'to match',
  should: 'should be matched',
  lab: 'happens in the access point or the station, whose configuration is ours',
  none: 'not of a Configurator',
}

export function dppCoverageDocument(groups = readCases(), covered = dppCoverage(groups)): string {
  const lines = [
    '# Easy Connect: the cases of the peer’s test suite, and what of ours has the same meaning',
    '',
    'Written by `npm run coverage-dpp` from the names of tests, which say what they cover; a test holds this page against them.',
    'Cases are those of hostap’s simulated-radio suite (development version of 2026), `test_dpp_` left out. A test that is',
    'named here runs with `npm test`; a scenario runs in the Wi-Fi lab or against Debian’s own peers.',
    '',
    '| mark | cases | test | scenario only | not applicable | not yet |',
    '|---|---|---|---|---|---|',
    ...(Object.keys(marks) as Mark[]).map(mark => summary(mark, covered)),
  ]
  for (const group of groups) {
    lines.push('', `## ${group.number} ${group.title}`, '', '| case | | covered by |', '|---|---|---|')
    for (const name of group.cases) lines.push(row(covered.find(each => each.name === name)!))
  }
  return `${lines.join('\n')}\n`
}

export type Standing = 'test' | 'scenario' | 'not applicable' | 'not yet'

export function standing({ proofs, outside }: CoveredCase): Standing {
  if (proofs.some(({ test }) => test !== undefined)) return 'test'
  if (proofs.length > 0) return 'scenario'
  return outside === undefined ? 'not yet' : 'not applicable'
}

function summary(mark: Mark, covered: readonly CoveredCase[]): string {
  const own = covered.filter(each => each.mark === mark)
  const count = (wanted: Standing) => own.filter(each => standing(each) === wanted).length
  const counts = (['test', 'scenario', 'not applicable', 'not yet'] as const).map(count)
  return `| ${mark}: ${marks[mark]} | ${own.length} | ${counts.join(' | ')} |`
}

function row(each: CoveredCase): string {
  return `| ${each.name} | ${each.mark} | ${proofOf(each)} |`
}

function proofOf({ proofs, outside, gap }: CoveredCase): string {
  if (proofs.length > 0) {
    const texts = proofs.map(({ file, test }) => (test === undefined ? `scenario \`${file}\`` : `\`${file}\` ${test}`))
    return [...new Set(texts)].join('<br>').replaceAll('|', '\\|')
  }
  return outside === undefined ? `not yet${gap === undefined ? '' : `: ${gap}`}` : `not applicable: ${outside}`
}

if (import.meta.main) writeFileSync(join(root, 'docs/coverage-dpp.md'), dppCoverageDocument())
