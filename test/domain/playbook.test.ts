import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  builds,
  buildsFor,
  type Capability,
  type CapabilityId,
  capabilities,
  inapplicability,
  scenarios,
} from '../../src/domain/playbook.ts'

const list: readonly (Capability & { readonly id: CapabilityId })[] = capabilities
const counts = { S0: 3, S1: 8, S2: 3, S3: 4, S4: 8, S5: 6 }

describe('the playbook', () => {
  test('has the 32 capabilities of Tables 2-1 to 2-6, numbered without a gap', () => {
    const numbered = Object.entries(counts).flatMap(([scenario, count]) =>
      Array.from({ length: count }, (_, index) => `${scenario}.C${index + 1}`),
    )
    assert.equal(numbered.length, 32)
    assert.deepEqual(
      list.map(({ id }) => id),
      numbered,
    )
    assert.deepEqual(Object.keys(scenarios), Object.keys(counts))
  })

  test('files each capability under its scenario, and says it in a sentence', () => {
    for (const { id, scenario, title, statement } of list) {
      assert.ok(id.startsWith(`${scenario}.`))
      assert.match(title, /^\p{Lu}[^.]*$/u)
      assert.match(statement, /^\p{Lu}.{10,110}\.$/u)
    }
    for (const part of ['title', 'statement'] as const) assert.equal(new Set(list.map(entry => entry[part])).size, 32)
  })

  test('names each build once, and those that run', () => {
    assert.equal(new Set(builds.map(({ id }) => id)).size, builds.length)
    assert.deepEqual(
      builds.filter(({ status }) => status === 'runs').map(({ id }) => id),
      ['brski-wired', 'dpp-wifi'],
    )
  })

  test('gives a reason where a capability does not apply, and every capability a build that it applies to', () => {
    for (const capability of list) {
      assert.ok(buildsFor(capability).length > 0, capability.id)
      for (const { id } of builds) {
        const reason = inapplicability(capability, id)
        assert.equal(buildsFor(capability).includes(id), reason === undefined)
        if (reason !== undefined) assert.match(reason, /^\p{Lu}.{20,}\.$/u)
      }
    }
    assert.ok(list.every(capability => buildsFor(capability).includes('brski-wired')))
  })

  const file = new URL('../../../shared/nist/requirements.json', import.meta.url)
  test('is the one of the requirements', { skip: existsSync(file) ? false : 'requirements.json is not here' }, () => {
    const { requirements } = JSON.parse(readFileSync(file, 'utf8')) as { requirements: { id: string; kind: string }[] }
    const ids = requirements.filter(({ kind }) => kind === 'demonstration-capability').map(({ id }) => id)
    assert.deepEqual(
      list.map(({ id }) => id),
      ids,
    )
  })
})
