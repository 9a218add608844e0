import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { coverageGaps, coverageLimits } from '../../tool/coverage-gap.ts'
import { claimsIn, coverage, coverageDocument, idsOf, readClaims, readRequirements } from '../../tool/coverage-nist.ts'

const requirements = readRequirements()
const ids = requirements.map(({ id }) => id)

describe('docs/coverage-nist.md', () => {
  test('is what the names of the tests say: `npm run coverage-nist` writes it', () => {
    assert.equal(readFileSync(new URL('../../docs/coverage-nist.md', import.meta.url), 'utf8'), coverageDocument())
  })

  test('accounts for every requirement, by a test or by a reason', () => {
    for (const { id, tests } of coverage()) {
      const reason = coverageGaps[id]
      if (tests.length === 0) assert.ok(reason !== undefined && reason.length > 10, `${id} has neither test nor reason`)
      else assert.equal(reason, undefined, `${id} has a test: take it out of tool/coverage-gap.ts`)
    }
    const proven = new Set(
      coverage()
        .filter(({ tests }) => tests.length > 0)
        .map(({ id }) => id),
    )
    for (const id of Object.keys(coverageLimits))
      assert.ok(proven.has(id), `${id} has no test that could leave something open`)
    for (const id of Object.keys(coverageGaps)) assert.ok(ids.includes(id), id)
  })

  test('rests on no claim of what is no requirement', () => {
    const claims = readClaims()
    assert.ok(claims.length > 40)
    for (const { claimed, file, test } of claims) {
      assert.ok(idsOf(claimed, requirements).length > 0, `${file}: "${test}" claims ${claimed}`)
    }
  })

  const source = new URL('../../../shared/nist/requirements.json', import.meta.url)
  test('has the requirements as they were read', {
    skip: existsSync(source) ? false : 'requirements.json is not here',
  }, () => {
    const all = JSON.parse(readFileSync(source, 'utf8')) as { requirements: typeof requirements }
    const wanted = all.requirements.filter(({ id }) => /^(WP-L|WP-R|WP-M6\.|S3\.|S5\.C[23]$)/.test(id))
    assert.deepEqual(
      requirements,
      wanted.map(({ id, level, statement }) => ({ id, level, statement })),
    )
  })
})

describe('the names of tests', () => {
  const of = (text: string) => claimsIn(text, 'x.test.ts').map(({ claimed, test }) => [claimed, test])

  test('say what they prove at their end, however they are quoted', () => {
    assert.deepEqual(of(`test('a thing holds [WP-R17]', () => {})`), [['WP-R17', 'a thing holds']])
    assert.deepEqual(of(`it("isn't so [S3.C1, WP-LG-1]", async () => {})`), [
      ['S3.C1', "isn't so"],
      ['WP-LG-1', "isn't so"],
    ])
    assert.deepEqual(of('test(`$' + '{id} of $' + '{x} [WP-LT-$' + '{id}]`, () => {})'), [['WP-LT-*', '… of …']])
    assert.deepEqual(of(`test(\n  'far [WP-R01 to WP-R16]',\n)`), [['WP-R01 to WP-R16', 'far']])
  })

  test('say nothing otherwise', () => {
    for (const text of [
      `test('a list [1, 2]', () => {})`,
      `test('WP-R17 in the middle [of it]', () => {})`,
      `test('WP-LG-7 without brackets', () => {})`,
      `const name = 'no test [WP-R17]'`,
      `describe('a group [WP-R17]', () => {})`,
    ]) {
      assert.deepEqual(of(text), [], text)
    }
  })

  test('mean ids that there are', () => {
    assert.deepEqual(idsOf('WP-R17', requirements), ['WP-R17'])
    assert.equal(idsOf('WP-LT-*', requirements).length, 36)
    assert.equal(idsOf('WP-LS-*', requirements).length, 17)
    assert.equal(idsOf('WP-R01 to WP-R16', requirements).length, 16)
    for (const none of ['WP-R99', 'WP-R16 to WP-R01', 'WP-R01 to WP-R99', 'WPxR17', 'S3xC1']) {
      assert.deepEqual(idsOf(none, requirements), [], none)
    }
  })
})
