import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  claimsOfScenarios,
  claimsOfTests,
  dppCoverage,
  dppCoverageDocument,
  readCases,
  readDppClaims,
  standing,
} from '../../tool/coverage-dpp.ts'
import { dppGaps, dppOutside } from '../../tool/coverage-dpp-reason.ts'

const groups = readCases()
const cases = groups.flatMap(group => group.cases)

describe('docs/coverage-dpp.md', () => {
  test('is what the names of the tests say: `npm run coverage-dpp` writes it', () => {
    assert.equal(readFileSync(new URL('../../docs/coverage-dpp.md', import.meta.url), 'utf8'), dppCoverageDocument())
  })

  test('has each of the 476 cases once', () => {
    assert.equal(cases.length, 476)
    assert.equal(new Set(cases).size, 476)
  })

  test('rests on no claim of what is no case', () => {
    for (const { name, file, test } of readDppClaims())
      assert.ok(cases.includes(name), `${file}: "${test}" claims ${name}`)
  })

  test('gives reasons for cases and groups that there are, and none where something covers the case', () => {
    const numbers = groups.map(({ number }) => `${number}`)
    for (const reasons of [dppOutside, dppGaps]) {
      for (const [name, reason] of Object.entries(reasons)) {
        assert.ok(cases.includes(name) || numbers.includes(name), name)
        assert.ok(reason.length > 20, name)
      }
    }
    for (const each of dppCoverage()) {
      if (dppOutside[each.name] !== undefined || dppGaps[each.name] !== undefined)
        assert.ok(
          ['not applicable', 'not yet'].includes(standing(each)),
          `${each.name} is covered: take its reason out`,
        )
    }
  })

  test('leaves no case open that is to be matched, and of those that should be less than a fifth', () => {
    const covered = dppCoverage()
    const must = covered.filter(({ mark }) => mark === 'must')
    assert.deepEqual(
      must.filter(each => standing(each) === 'not yet').map(({ name }) => name),
      [],
    )
    const should = covered.filter(({ mark }) => mark === 'should')
    const proven = should.filter(each => standing(each) === 'test' || standing(each) === 'scenario')
    assert.ok(proven.length >= 0.8 * should.length, `${proven.length} of ${should.length}`)
  })

  const source = new URL('../../../shared/facts/dpp-test-cases.md', import.meta.url)
  test('has the cases as they were read', { skip: existsSync(source) ? false : 'the list is not here' }, () => {
    const [list = ''] = readFileSync(source, 'utf8').split('## Reading')
    for (const name of cases) {
      const known =
        list.includes(name) ||
        name.split('_').some((_, i, parts) => {
          const [prefix, rest] = [`${parts.slice(0, i).join('_')}_\``, parts.slice(i).join('_')]
          return list.includes(prefix) && list.includes(rest)
        })
      assert.ok(known, name)
    }
  })
})

/** The source of a test of that name, which is none of this file's. */
const written = (name: string, call = 'test') => `${call}('${name}', () => {})`

describe('names of tests and comments of scenarios', () => {
  const of = (text: string) => claimsOfTests(text, 'x.test.ts').map(({ name, test }) => [name, test])

  test('say which cases they cover', () => {
    assert.deepEqual(of(written('no nonce, no answer [dpp: a_b, c]')), [
      ['a_b', 'no nonce, no answer'],
      ['c', 'no nonce, no answer'],
    ])
    assert.deepEqual(of(written('both [dpp: a] [WP-R01]')), [['a', 'both']])
    const comments = '  // [dpp: chirp, gas]\n * [dpp: tcp]\n# [dpp: enterprise]\n'
    assert.deepEqual(
      claimsOfScenarios(comments, 'lab/x.ts').map(({ name }) => name),
      ['chirp', 'gas', 'tcp', 'enterprise'],
    )
  })

  test('also where a table makes them', () => {
    const table = `const all = [{ dpp: 'a' }, { dpp: ['b', 'c'] }]\n`
    const looped = `test(\`x [dpp: $` + `{each.dpp}]\`, () => {})`
    assert.deepEqual(
      of(table + looped).map(([each]) => each),
      ['a', 'b', 'c'],
    )
    assert.deepEqual(of(table), [])
  })

  test('may begin with the case itself, alone or from a loop', () => {
    assert.deepEqual(of(written('config_no_cred: nothing to connect with')), [
      ['config_no_cred', 'config_no_cred: nothing to connect with'],
    ])
    const looped = `test(\`config_jwk_error_$` + `{row}\`, () => {})`
    assert.deepEqual(
      of(`const rows = { no_x: {}, 'no_kty': {}, no_such: {} }\n${looped}`).map(([each]) => each),
      ['config_jwk_error_no_kty', 'config_jwk_error_no_x'],
    )
    assert.deepEqual(of(written('tcp is fine')), [])
  })

  test('say nothing otherwise', () => {
    for (const text of [written('dpp: a'), written('x [a]'), written('x [dpp: a]', 'describe')])
      assert.deepEqual(of(text), [], text)
    assert.deepEqual(claimsOfScenarios(`const x = '[dpp: a]'`, 'x.ts'), [])
  })
})
