import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { cedarEngine } from '../../../src/adapter/policy/cedar.ts'
import { policySchema } from '../../../src/adapter/policy/schema.ts'
import { policyActions, policyLimits } from '../../../src/domain/policy.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'

const text = readFileSync(join(import.meta.dirname, '../../../docs/policy.md'), 'utf8')

describe('docs/policy.md', () => {
  test('names every member of the schema and every action', () => {
    const members = [...policySchema.matchAll(/^ {2}(\w+\??): (\w+),$/gm)].map(([, name, type]) => `${name}: ${type}`)
    assert.equal(members.length, 15)
    for (const member of members) assert.ok(text.includes(`${member},`), member)
    for (const action of policyActions) {
      assert.ok(text.includes(`| \`${action}\` |`), action)
      assert.match(policySchema, new RegExp(`\\b${action}\\b`))
    }
  })

  test('has six examples, each valid, alone and with each profile', () => {
    const examples = [...text.matchAll(/```cedar\n(.*?)```/gs)].map(([, source]) => source!)
    assert.equal(examples.length, 6)
    for (const source of examples) {
      for (const profile of ['', profiles.home, profiles.enterprise]) {
        assert.deepEqual(cedarEngine.check(`${profile}\n${source}`), [], source)
      }
    }
    assert.ok(cedarEngine.load(examples.join('\n')).policies.length >= 5)
  })

  test('says the bounds that hold', () => {
    assert.ok(text.includes(`| text | ${policyLimits.bytes / 1024} KiB |`))
    assert.ok(text.includes(`| policies | ${policyLimits.policies} |`))
    assert.ok(text.includes(`| one policy | ${policyLimits.policyBytes / 1024} KiB |`))
    assert.ok(text.includes(`| brackets | ${policyLimits.depth} deep |`))
  })
})
