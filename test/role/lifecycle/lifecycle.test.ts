import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { holdCredential } from '../../../src/domain/credential.ts'
import { deviceId } from '../../../src/domain/device.ts'
import type { LifecycleEvent, LifecycleFacts } from '../../../src/domain/lifecycle.ts'
import { lifecycleStates } from '../../../src/domain/lifecycle-table.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { buyer, expectUnit, pledgeOf } from '../onboarding/neighbourhood.ts'
import { type LifeScene, minute, openLifeScene, refusedWith } from './scene.ts'

const by = 'anna (token/1)'

describe('the life of a device after its onboarding', () => {
  let scene: LifeScene
  before(async () => {
    scene = await openLifeScene(8)
  })
  after(() => scene.close())

  const take = (id: string, event: LifecycleEvent, facts: LifecycleFacts = {}, reason = '') =>
    scene.lifecycle.step(id, { event, facts, by, ...(reason === '' ? {} : { reason }) })

  it('goes through operation, both kinds of maintenance and back onto the network [WP-LS-US.*]', async () => {
    const { id, certificate } = await scene.onboard('B1-000001')
    assert.equal((await scene.device(id)).lifecycle, 'US.COM')
    await take(id, 'start-application-onboarding', { applicationIntroduced: true })
    await take(id, 'execute', { applicationInstalled: true })
    await take(id, 'begin-maintenance', { maintainableConnected: true })
    assert.equal((await scene.show(certificate)).status, 200, 'maintenance on the network keeps it there')
    await take(id, 'maintenance-done', { applicationChanged: false })
    await take(id, 'disconnect-for-maintenance', { disconnectionNeeded: true })
    assert.equal((await scene.show(certificate)).status, 403, 'off the network for maintenance')
    const again = await scene.onboard('B1-000001')
    assert.equal((await scene.device(id)).lifecycle, 'US.COM', 're-onboarded after maintenance')
    assert.equal((await scene.show(again.certificate)).status, 200)
    const { entries } = await scene.lifecycle.timeline(id, { after: 0, limit: 100 })
    const way = [
      'SC.SHL',
      'US.INS',
      'US.NLO',
      'US.COM',
      'US.ALO',
      'US.OPR',
      'US.MTC',
      'US.OPR',
      'US.MTD',
      'US.NLO',
      'US.COM',
    ]
    assert.deepEqual(
      entries.map(({ state }) => state),
      way,
    )
    const execute = entries[5]!
    assert.equal(execute.by, by)
    assert.deepEqual(execute.said, { applicationInstalled: true })
    assert.equal(execute.until, entries[6]!.since)
    const [event] = await scene.store.history(`device/${id}`, execute.version - 1, 1)
    assert.equal(event?.hash, execute.hash, 'the timeline names its evidence')
  })

  it('is off the network before the record says that it is decommissioned, and stays off [WP-LE-E4, WP-LG-3]', async () => {
    const { id, certificate } = await scene.onboard('B1-000002')
    await take(id, 'execute', { applicationInstalled: true })
    await assert.rejects(take(id, 'disconnect-for-decommission'), refusedWith('lifecycle-guard-unmet'))
    assert.equal((await scene.show(certificate)).status, 200, 'a refused step revokes nothing')
    await take(id, 'disconnect-for-decommission', {}, 'replaced by a newer model')
    const kinds = (await scene.store.history(`device/${id}`, 0, 100)).map(({ kind }) => kind)
    assert.ok(kinds.lastIndexOf('credential-revoked') < kinds.lastIndexOf('lifecycle-moved'))
    assert.equal((await scene.show(certificate)).status, 403)
    const knock = await scene.knock('B1-000002')
    assert.equal(knock.status, 403, 'its birth credential opens nothing either')
    assert.match(String(knock.body), /device-decommissioned/)
    await assert.rejects(
      take(id, 'repurpose-same-network-new-role', { functional: true }),
      refusedWith('lifecycle-guard-unmet'),
    )
    await scene.lifecycle.wiped(id, { by })
    await take(id, 'repurpose-same-network-new-role', { functional: true })
    await scene.onboard('B1-000002')
    assert.equal((await scene.device(id)).lifecycle, 'US.COM')
    assert.equal((await scene.device(id)).wiped, undefined)
  })

  it('ends for good when it broke [WP-LE-E5, WP-LG-4]', async () => {
    const { id, certificate } = await scene.onboard('B1-000003')
    await take(id, 'execute', { applicationInstalled: true })
    await take(id, 'break', { functional: false, repairable: false })
    assert.equal((await scene.show(certificate)).status, 403)
    await scene.lifecycle.wiped(id, { by })
    const claim = { functional: true }
    await assert.rejects(
      take(id, 'repurpose-same-owner-new-network', claim),
      refusedWith('lifecycle-fact-contradicted', { fact: 'functional' }),
    )
    await take(id, 'retire')
    const knock = await scene.knock('B1-000003')
    assert.match(String(knock.body), /device-retired/)
    assert.deepEqual((await scene.lifecycle.allowed(id)).steps, [])
  })

  it('is onboarded first, sealed away, and connects from where it is', async () => {
    const serial = 'B1-000008'
    const id = await expectUnit(scene.home, serial)
    await take(id, 'acquire-onboard-first', { birthCredentialExpired: false, sealedAway: true })
    await assert.rejects(
      take(id, 'install-after-onboarding', { sealedAway: true }),
      refusedWith('lifecycle-guard-unmet'),
    )
    const { certificate } = await scene.enroll(serial)
    await take(id, 'install-after-onboarding', { sealedAway: true })
    assert.equal((await scene.device(id)).lifecycle, 'US.INS')
    assert.equal((await scene.show(certificate)).status, 200)
    const { lifecycle, entered } = await scene.device(id)
    assert.deepEqual([lifecycle, entered?.transition], ['US.COM', 'T15'])
  })

  it('loses its support, and then goes no more into maintenance [WP-LG-7]', async () => {
    const id = await scene.place('X-1', 'US.OPR')
    await scene.lifecycle.step(id, { event: 'support-ended', facts: { supportEnded: true }, by })
    await assert.rejects(
      take(id, 'begin-maintenance', { maintainableConnected: true }),
      refusedWith('lifecycle-transition-refused'),
    )
    await take(id, 'disconnect')
    assert.equal((await scene.device(id)).lifecycle, 'US.DEC')
  })

  it('goes from the maker to the shelf, in the record of who keeps it there', async () => {
    const id = await scene.place('X-2', 'SC.RDD', '')
    await take(id, 'start-production', { requirementsFixed: true })
    await take(id, 'hand-to-integrator')
    await take(id, 'return-from-integrator', {
      integratorDisconnected: true,
      integratorCredentialsRemoved: true,
      authorityReturned: true,
    })
    await take(id, 'release', { birthCredentialInstalled: true, homologationCertified: true })
    for (const event of ['store', 'ship', 'arrive-rebrander'] as const) await take(id, event)
    await take(id, 'rebrand-done', { maintenanceDutyPassed: true })
    await take(id, 'shelve')
    await take(id, 'acquire', { birthCredentialExpired: false })
    await take(id, 'enter-onboarding-mode', { birthCredentialExpired: false })
    assert.equal((await scene.device(id)).lifecycle, 'US.NLO')
  })

  it('says of every step what stands between, in words', async () => {
    const { id } = await scene.onboard('B1-000004')
    const com = (await scene.lifecycle.allowed(id)).steps
    assert.deepEqual(
      com.map(({ event, verdict }) => [event, verdict]),
      [
        ['start-application-onboarding', 'when-said'],
        ['execute', 'when-said'],
      ],
    )
    assert.equal(
      com[1]?.words,
      'Possible, by automatic or application-manager, who says that its application is installed.',
    )
    const dec = await scene.place('X-3', 'US.DEC')
    const steps = new Map((await scene.lifecycle.allowed(dec)).steps.map(step => [step.event, step]))
    const handOver = steps.get('repurpose-new-owner')!
    assert.equal(handOver.verdict, 'not-now')
    assert.match(
      handOver.words,
      /^Not possible now: its ownership has not passed\. Besides, somebody has to say that it was reset/,
    )
    assert.deepEqual(
      handOver.missing.map(({ fact, from }) => [fact, from]),
      [
        ['wiped', 'person'],
        ['functional', 'person'],
        ['ownershipTransferred', 'record'],
      ],
    )
    const broken = await scene.place('X-4', 'US.OPR')
    assert.equal((await scene.lifecycle.allowed(broken)).steps.length, 5)
  })

  it('what is allowed now is what a step does, in every state', async () => {
    let n = 0
    for (const state of Object.keys(lifecycleStates) as (keyof typeof lifecycleStates)[]) {
      const probe = await scene.place(`Y-${++n}`, state)
      for (const { event, verdict, missing, to } of (await scene.lifecycle.allowed(probe)).steps) {
        const id = await scene.place(`Y-${++n}`, state)
        const facts: LifecycleFacts = Object.fromEntries(missing.map(({ fact, needed }) => [fact, needed]))
        if (verdict === 'not-now')
          await assert.rejects(take(id, event, facts), refusedWith('lifecycle-fact-contradicted'))
        else assert.equal((await take(id, event, facts)).lifecycle, to, `${state} ${event}`)
      }
    }
  })

  it('ends a credential that is held, too', async () => {
    const { id } = await scene.onboard('B1-000007')
    await take(id, 'execute', { applicationInstalled: true })
    const { credential = '' } = await scene.device(id)
    await scene.store.transaction(async tx => {
      const record = (await tx.credential.get(credential))!
      await recordOnDevice(tx, id, () => [{ kind: 'credential-held', body: { credential, by } }])
      await tx.credential.put(holdCredential(record, scene.home.now.value))
    })
    await take(id, 'disconnect-for-decommission', {}, 'recalled')
    const record = await scene.store.read(tables => tables.credential.get(credential))
    assert.equal(record?.status, 'revoked')
  })

  describe('attacks', () => {
    it('a step in the place of another party [WP-LG-8]', async () => {
      const id = await scene.place('Z-1', 'US.OPR')
      const facts = { supportEnded: true }
      const step = scene.lifecycle.step(id, { event: 'support-ended', actor: 'device-manager', facts, by })
      await assert.rejects(step, refusedWith('lifecycle-actor-refused', { actor: 'device-manager' }))
    })

    it('a step for a version of the device that is gone, and the same step twice', async () => {
      const id = await scene.place('Z-2', 'US.OPR')
      const facts = { maintainableConnected: true }
      const { version } = await scene.device(id)
      const ask = () => scene.lifecycle.step(id, { event: 'begin-maintenance', facts, by, version })
      await ask()
      await assert.rejects(ask(), refusedWith('device-changed', { asked: version }))
      await assert.rejects(take(id, 'begin-maintenance', facts), refusedWith('lifecycle-transition-refused'))
      const end = () =>
        scene.lifecycle.step(id, { event: 'maintenance-done', facts: { applicationChanged: false }, by })
      const outcomes = await Promise.allSettled([end(), end(), end()])
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1, 'one of those at once')
    })

    it('a step on a device that is somebody else’s, or nobody’s', async () => {
      await assert.rejects(take(deviceId('acme', 'nobody'), 'acquire'), refusedWith('device-not-found'))
      const shelf = await scene.place('Z-3', 'SC.SHL', 'stranger')
      const facts = { birthCredentialExpired: false }
      await assert.rejects(take(shelf, 'acquire', facts), refusedWith('lifecycle-guard-unmet'))
      const claim = { ...facts, ownershipTransferred: true }
      await assert.rejects(
        take(shelf, 'acquire', claim),
        refusedWith('lifecycle-fact-contradicted', { fact: 'ownershipTransferred' }),
      )
      const gone = await scene.place('Z-4', 'US.DEC', 'stranger')
      await scene.lifecycle.wiped(gone, { by })
      for (const event of ['repurpose-same-owner-new-network', 'repurpose-same-network-new-role', 'retire'] as const) {
        const facts = { functional: true, neverNetworkedAgain: true, birthCredentialExpired: false }
        await assert.rejects(take(gone, event, facts), refusedWith('owner-mismatch', { owner: 'stranger' }), event)
      }
      await take(gone, 'repurpose-new-owner', { functional: true })
    })

    it('facts that the record disproves, one by one [WP-LG-8]', async () => {
      const { id } = await scene.onboard('B1-000005')
      await take(id, 'execute', { applicationInstalled: true })
      const lies: LifecycleFacts[] = [
        { wiped: true },
        { networkCredentialValid: false },
        { networkAuthorized: false },
        { registered: false },
        { birthCredentialExpired: true },
        { declarationSupported: false },
        { onboardedBeforeInstallation: true },
      ]
      for (const lie of lies) {
        const [fact] = Object.keys(lie)
        const step = take(id, 'disconnect-for-decommission', { ...lie, decisionRecorded: true })
        await assert.rejects(step, refusedWith('lifecycle-fact-contradicted', { fact }))
      }
      assert.equal((await scene.device(id)).lifecycle, 'US.OPR')
      await assert.rejects(scene.lifecycle.wiped(id, { by }), refusedWith('lifecycle-transition-refused'))
    })

    it('a connection that the device did not make', async () => {
      const id = await scene.place('Z-5', 'US.NLO')
      await assert.rejects(take(id, 'connect'), refusedWith('lifecycle-guard-unmet'))
      await assert.rejects(
        take(id, 'connect', { networkCredentialValid: true }),
        refusedWith('lifecycle-fact-contradicted'),
      )
    })

    it('a crash between revocation and step: taken again, it is taken', async () => {
      const { id, certificate } = await scene.onboard('B1-000006')
      await take(id, 'execute', { applicationInstalled: true })
      const died = new Error('died')
      const dying = createLifecycle({
        store: scene.store,
        clock: () => scene.home.now.value,
        owners: [buyer],
        onboardingWindow: 60 * minute,
        revocation: {
          async revoke(...args) {
            await scene.revocation.revoke(...args)
            throw died
          },
        },
      })
      const step = { event: 'disconnect-for-decommission', by, reason: 'old' } as const
      await assert.rejects(dying.step(id, step), died)
      assert.equal((await scene.device(id)).lifecycle, 'US.OPR', 'half done, and not said to be done')
      assert.equal((await scene.show(certificate)).status, 403, 'on the safe side')
      assert.equal((await scene.lifecycle.step(id, step)).lifecycle, 'US.DEC')
    })
  })

  it('leaves a record that verifies', async () => {
    await scene.store.checkpoint()
    assert.equal((await scene.store.verify()).integrity, 'pass')
  })
})

describe('what time decides', () => {
  let scene: LifeScene
  before(async () => {
    scene = await openLifeScene(2)
  })
  after(() => scene.close())

  it('ends an onboarding without a credential, once for each attempt, also after a restart', async () => {
    const id = await expectUnit(scene.home, 'B1-000001')
    assert.equal((await scene.knock('B1-000001')).status, 200)
    assert.equal((await scene.device(id)).lifecycle, 'US.NLO')
    scene.home.now.value += 59 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 0 })
    scene.home.now.value += minute
    const both = await Promise.all([scene.lifecycle.sweep(), scene.lifecycle.sweep()])
    assert.equal(both[0].failed + both[1].failed, 1, 'two sweeps at once are one')
    scene.home.now.value += 600 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 0 }, 'nobody was heard since')
    const { entries } = await scene.lifecycle.timeline(id, { after: 0, limit: 100 })
    assert.deepEqual([entries.at(-1)?.transition, entries.at(-1)?.state], ['T16', 'US.NLO'])
    assert.deepEqual(entries.at(-1)?.proven, { attemptEnded: true, networkCredentialValid: false })
    // It tries again, and again does not come to its end.
    const pledge = pledgeOf(scene.home, scene.home.unit('B1-000001'))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    scene.home.now.value += 61 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 1, expired: 0 })
    await scene.onboard('B1-000001')
    assert.equal((await scene.device(id)).lifecycle, 'US.COM', 'a window that is over shuts nobody out')
  })

  it('leaves a device alone that has its credential, and one for which the clock went back', async () => {
    const { id } = await scene.onboard('B1-000002')
    const sealed = await scene.place('N-1', 'US.INS')
    await scene.record(sealed, {
      kind: 'lifecycle-moved',
      body: { transition: 'T12', from: 'US.INS', to: 'US.NLO', actor: 'device-onboarder', at: scene.home.now.value },
    })
    scene.home.now.value -= 6000 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 0 })
    scene.home.now.value += 12_000 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 1, expired: 0 })
    assert.equal((await scene.device(id)).lifecycle, 'US.COM')
  })

  it('finds a birth credential that has run out on the shelf, once, and lets nothing follow that needs it [WP-LG-2]', async () => {
    const at = scene.home.now.value
    const id = await scene.place('N-2', 'SC.SHL')
    const proven = { certificateHash: '', keyHash: 'k', until: at + minute }
    await scene.record(id, { kind: 'identity-proven', body: proven })
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 0 })
    scene.home.now.value += 2 * minute
    assert.deepEqual(
      await scene.lifecycle.sweep(),
      { failed: 0, expired: 0 },
      'shelves are looked through once an hour',
    )
    scene.home.now.value += 60 * minute
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 1 })
    assert.deepEqual(await scene.lifecycle.sweep(), { failed: 0, expired: 0 })
    const acquire = (await scene.lifecycle.allowed(id)).steps.find(({ event }) => event === 'acquire')
    assert.equal(acquire?.words, 'Not possible now: its birth credential has run out.')
    const claim = { event: 'acquire', facts: { birthCredentialExpired: false }, by } as const
    await assert.rejects(scene.lifecycle.step(id, claim), refusedWith('lifecycle-fact-contradicted'))
  })
})
