import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cedarEngine } from '../../../src/adapter/policy/cedar.ts'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { evolveDevice } from '../../../src/domain/device.ts'
import type { LifecycleEvent } from '../../../src/domain/lifecycle.ts'
import { lifecycleTransitions } from '../../../src/domain/lifecycle-table.ts'
import type { PolicyFacts } from '../../../src/domain/policy.ts'
import { createPolicyVersions } from '../../../src/role/authorization/policy-version.ts'
import { type ProfileName, profileNames, profiles } from '../../../src/role/authorization/profile/profile.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { expectUnit, openNeighbourhood, pledgeOf, testPeer } from '../onboarding/neighbourhood.ts'
import { inside, start, withGate } from './gate.ts'

const facts: PolicyFacts = {
  ...{ device: 'a'.repeat(24), serial: 'C1', manufacturer: 'fjord', model: 'Climate 2', standing: 'expected' },
  ...{ owner: 'harbour', lifecycle: 'US.OPR', posture: 'good', network: 'harbour-iot', site: 'harbour' },
  ...{ protocol: 'brski', now: start / 1000 },
}

const inUse = ['US.NLO', 'US.COM', 'US.ALO', 'US.OPR', 'US.MTC', 'US.MTD', 'US.UNS', 'US.DEC'] as const

describe('what a device may use, by the phase that it is in', () => {
  for (const profile of profileNames) {
    test(`${profile}: the update server while it is maintained, and never else [WP-M6.14]`, () => {
      const set = cedarEngine.load(profiles[profile])
      for (const question of ['admit', 'stay'] as const) {
        const reaching = inUse.filter(lifecycle =>
          set.decide(question, { ...facts, lifecycle }).services.includes('update'),
        )
        assert.deepEqual(reaching, ['US.MTC'], question)
      }
    })

    test(`${profile}: no application while it is maintained [WP-LG-6]`, () => {
      const set = cedarEngine.load(profiles[profile])
      const working = inUse.filter(lifecycle =>
        set.decide('stay', { ...facts, lifecycle }).services.includes('application'),
      )
      assert.ok(!working.includes('US.MTC') && !working.includes('US.MTD'), working.join())
      assert.equal(working.includes('US.OPR'), profile === 'enterprise')
    })
  }

  test('follows each step of its life, without being asked, and stands on record [WP-LG-6, WP-M6.14]', () =>
    withGate(async gate => {
      const { store, clock, revocation, reconfirmations } = gate
      await gate.versions.establish('enterprise')
      const id = await inside(store, 'C1')
      for (const transition of ['T10', 'T12', 'T14', 'T18'] as const) {
        const { from, to } = lifecycleTransitions.find(each => each.id === transition)!
        const body = { transition, from, to, actor: 'device-manager', at: clock() } as const
        await store.transaction(tx => recordOnDevice(tx, id, () => [{ kind: 'lifecycle-moved', body }]))
      }
      const lifecycle = createLifecycle({ store, clock, revocation, owners: ['harbour'], onboardingWindow: 1 })
      const services = async (event?: LifecycleEvent, said = {}) => {
        if (event === undefined) await reconfirmations.start('asked')
        else await lifecycle.step(id, { event, by: 'mia', facts: said })
        await reconfirmations.run()
        return (await gate.device(id))?.terms?.services
      }
      assert.deepEqual(await services(), ['application', 'time'])
      assert.deepEqual(await services('begin-maintenance', { maintainableConnected: true }), ['time', 'update'])
      assert.deepEqual(await services('maintenance-done', { applicationChanged: false }), ['application', 'time'])
      const decided = await gate.events(id, 'stay-decided')
      assert.deepEqual(
        decided.map(({ body }) => (body['basis'] as { facts: PolicyFacts }).facts.lifecycle),
        ['US.OPR', 'US.MTC', 'US.OPR'],
      )
    }))

  test('the lifetime of credentials stays what the policy says, after it was asked whether the device may stay', () =>
    withGate(async gate => {
      await gate.versions.establish('enterprise')
      const id = await inside(gate.store, 'L1')
      await gate.reconfirmations.start('asked')
      await gate.reconfirmations.run()
      assert.equal((await gate.device(id))?.terms?.lifetimeDays, 90)
    }))
})

describe('a device in operation asks for its next credential', () => {
  async function scene(policies: string, profile: ProfileName = 'home') {
    const home = await openNeighbourhood({ units: 1, profile })
    const { site: store, point, now } = home
    const versions = createPolicyVersions({ store, clock: () => now.value, point })
    const { id: version } = await versions.draft({ name: 'strict', source: policies, by: 'test' })
    await versions.activate(version, 'test')
    const id = await expectUnit(home, 'B1-000001')
    const unit = home.unit('B1-000001')
    const born = pledgeOf(home, unit)
    assert.equal((await born.post(await born.voucherRequest())).status, 200)
    const key = keySigner(generateKey('P-256'))
    const reply = await born.enroll(key)
    const { certificates } = decodeCertsOnly(Buffer.from(String(reply.body), 'base64'))
    const ldevid = decodeCertificate(certificates[0]!)
    const peer = testPeer([ldevid.der], home.authority.registrar.certificate.der)
    const renew = async () => {
      const csr = await createCsr({ subject: Buffer.from(ldevid.subject.der) }, keySigner(generateKey('P-256')))
      const device = pledgeOf(home, unit, { peer })
      return device.request('POST', '/.well-known/est/simplereenroll', 'application/pkcs10', csr.toString('base64'))
    }
    const enter = (lifecycle: 'US.OPR' | 'US.MTC') =>
      store.transaction(async tx => {
        const device = (await tx.device.get(id))!
        const body = {
          transition: 'T18',
          from: device.lifecycle,
          to: lifecycle,
          actor: 'device-manager',
          at: now.value,
        } as const
        await tx.append(`device/${id}`, device.version, [{ kind: 'lifecycle-moved', body }])
        await tx.device.put(evolveDevice(device, { kind: 'lifecycle-moved', body }))
      })
    return { home, id, born, renew, enter, versions }
  }
  const code = ({ status, body = '' }: { status: number; body?: unknown }) =>
    `${status} ${String(body).split(':', 1)[0]}`
  const strict = `${profiles.home}
@id("none-in-operation")
forbid (principal, action == Action::"issueCredential", resource) when { principal.lifecycle == "US.OPR" };`

  test('where the policies have none given then, it is refused, by renewal and from its birth, and recorded [WP-M6.15]', async () => {
    const { home, id, born, renew, enter } = await scene(strict)
    try {
      await enter('US.OPR')
      assert.equal(code(await renew()), '403 policy-refused')
      const { events } = await home.site.feed({}, 1000)
      const refusals = events.filter(({ kind }) => kind === 'stranger-refused')
      assert.deepEqual(
        refusals.map(({ body }) => body['code']),
        ['policy-refused'],
        JSON.stringify(events.at(-1)),
      )
      assert.match(code(await born.post(await born.voucherRequest())), /^(202|403)/)
      const credentials = await home.site.read(tables => tables.credential.find({ device: id }))
      assert.deepEqual(
        credentials.map(({ status }) => status),
        ['issued'],
        'the one that it has stays in force',
      )
      await enter('US.MTC')
      assert.match(code(await renew()), /^200/, 'while it is maintained')
    } finally {
      await home.close()
    }
  })

  test('by either profile it has it: a credential that ran out in operation would cost the network the device', async () => {
    const { home, renew, enter } = await scene(profiles.home)
    try {
      await enter('US.OPR')
      assert.match(code(await renew()), /^200/)
    } finally {
      await home.close()
    }
  })

  test('a policy that fails takes nothing from who is in', async () => {
    const failing = `${profiles.home}
@id("overflow")
forbid (principal, action == Action::"issueCredential", resource) when { context.now * 9007199254740991 > 1 };`
    const { home, renew, versions } = await scene(profiles.home)
    try {
      const { id } = await versions.draft({ name: 'failing', source: failing, by: 'test' })
      await versions.activate(id, 'test')
      assert.match(code(await renew()), /^200/)
    } finally {
      await home.close()
    }
  })
})
