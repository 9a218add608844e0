import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { policyLimits } from '../../src/domain/policy.ts'
import { openWorld, type World } from '../app/api/world.ts'
import { atSite } from '../app/cli/terminal.ts'
import { everything, expected, inside, openGate } from '../role/authorization/gate.ts'

/** Who may write policies, or names that policies see, tries to get more out of it than a decision. */
describe('policies under attack', () => {
  let world: World
  const json = { 'content-type': 'application/json' }

  before(async () => {
    world = await openWorld()
    const { store, policies } = world.services
    const trust = { masaAnchors: [], masaPrivateAddress: false, ignoreIdevidLifetime: false, quirks: [], addedAt: 0 }
    const fjord = { name: 'fjord', anchors: [], ...trust }
    await store.transaction(async tx => {
      await tx.append('manufacturer/fjord', 0, [{ kind: 'manufacturer-trusted', body: { ...fjord, by: 'test' } }])
      await tx.manufacturer.put(fjord)
    })
    await policies.versions.establish('home')
  })
  after(() => world.close())

  async function post(path: string, body: unknown) {
    const init = { method: 'POST', body: JSON.stringify(body), headers: json, token: world.tokens.administrator }
    const { status, json: answer } = await world.ask(path, init)
    return { status, code: answer['code'], answer }
  }

  it('a policy that permits everything permits no withdrawn device', async () => {
    const { store, approval } = world.services
    const id = await inside(store, 'W1')
    await approval.withdraw(id, 'test')
    for (const action of ['admit', 'stay']) {
      const { answer } = await post('/v1/policies/trial', { device: id, action, source: everything })
      assert.deepEqual([answer['verdict'], answer['code'], answer['policies']], ['refuse', 'device-withdrawn', []])
    }
  })

  it('a text of a megabyte, ten thousand policies, and one that is too deep are refused, and nothing else suffers', async () => {
    const one = 'permit(principal, action, resource);'
    const many = Array.from({ length: 10_000 }, (_, n) => `@id("p${n}") ${one}`).join('\n')
    const deep = `permit(principal, action, resource) when { ${'('.repeat(5000)}true${')'.repeat(5000)} };`
    const ifs = `permit(principal, action, resource) when { ${'if true then true else '.repeat(340)}true };`
    const cases: readonly (readonly [string, readonly string[]])[] = [
      [`// ${'x'.repeat(1_000_000)}`, ['request-too-large', 'input-invalid']],
      [many, ['request-too-large', 'input-invalid']],
      [one.repeat(policyLimits.policies + 1), ['policy-too-large']],
      [deep, ['policy-too-large']],
      [ifs, ['policy-invalid', 'policy-too-large', 'undefined']],
    ]
    for (const [source, codes] of cases) {
      const { status, code } = await post('/v1/policies', { name: 'x', source })
      assert.ok(codes.includes(String(code)), `${String(code)} for ${source.slice(0, 30)}`)
      assert.ok(status < 500, String(status))
      assert.ok((await post('/v1/policies/check', { source })).status < 500)
      const device = await expected(world.services.store, `after-${source.length}`)
      const { answer } = await post('/v1/policies/trial', { device, action: 'admit' })
      assert.equal(answer['verdict'], 'permit')
    }
    // Not one of them was written down.
    const names = (await world.call('policyList', {})).items.map(({ name }) => name)
    assert.deepEqual(
      names.filter(name => name !== 'x'),
      ['home'],
    )
  })

  it('names with quotes, line ends and other writing decide nothing but what they are', async () => {
    const { store } = world.services
    const source = `permit(principal, action, resource) when { principal.serial == "plain" };`
    const serials = [
      '"; permit(principal, action, resource); //',
      'a"\n@id("x")',
      "' or 1=1 --",
      '\u202eevil',
      '\u{1f4a3}'.repeat(8),
      'Device::"x"',
      '__proto__',
      '\u0007\u001b[31m',
    ]
    const cli = atSite(world)
    for (const serial of serials) {
      // A registrar takes no control characters; a record of older days may have them.
      const id = await expected(store, serial, '', serial)
      const { answer, status } = await post('/v1/policies/trial', { device: id, action: 'admit', source })
      assert.deepEqual([status, answer['verdict']], [200, 'refuse'], serial)
      assert.equal((answer['facts'] as { serial: string }).serial, serial)
      const shown = await cli(['policy', 'try', '--device', id])
      assert.equal(shown.code, 0)
      assert.doesNotMatch(shown.stdout.replaceAll('\n', ''), /\p{Cc}|\p{Cf}/u)
    }
  })

  it('an unknown version, and a text beside a version, are refused', async () => {
    const device = await expected(world.services.store, 'V1')
    const both = { device, action: 'admit', version: '1', source: everything }
    assert.equal((await post('/v1/policies/trial', both)).code, 'input-invalid')
    assert.equal(
      (await post('/v1/policies/trial', { device, action: 'admit', version: '99' })).code,
      'policy-not-found',
    )
    for (const version of ['0', '-1', '1e3', '../1', '000001', '1 or 1=1']) {
      assert.equal((await post('/v1/policies/preview', { version })).code, 'input-invalid', version)
    }
    assert.equal((await post('/v1/policies/99/activation', {})).code, 'policy-not-found')
  })
})

describe('two processes of one site', () => {
  it('decide by the version that counts, whoever activated it', async () => {
    const gate = await openGate()
    try {
      const other = gate.process()
      await expected(gate.store, 'A1')
      await expected(gate.store, 'A2')
      await gate.activate(everything)
      assert.equal((await gate.ask('A1', {}, other)).verdict, 'admit')
      await gate.activate('')
      assert.equal((await gate.ask('A2', {}, other)).verdict, 'refuse')
      await other.versions.rollback('test')
      gate.pass(120_000)
      assert.equal((await gate.ask('A2')).verdict, 'admit')
    } finally {
      await gate.close()
    }
  })

  it('that activate at once leave one version that counts, and one before it', async () => {
    const gate = await openGate()
    try {
      const other = gate.process()
      const one = await gate.versions.draft({ name: 'one', source: everything, by: 'a' })
      const two = await other.versions.draft({ name: 'two', source: `${everything}// two\n`, by: 'b' })
      await Promise.all([gate.versions.activate(one.id, 'a'), other.versions.activate(two.id, 'b')])
      const state = await gate.store.read(tables => tables.policyState.get('set'))
      assert.deepEqual(new Set([state?.active, state?.previous]), new Set([one.id, two.id]))
      assert.equal((await gate.store.verify()).integrity, 'pass')
    } finally {
      await gate.close()
    }
  })
})
