import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Operation } from '../../../src/app/api/contract/operation.ts'
import { api, type OperationName } from '../../../src/app/api/contract.ts'
import { fourEyesAuthority } from '../../../src/app/api/four-eyes.ts'
import { apiServices } from '../../../src/app/api/listen.ts'
import { createApi } from '../../../src/app/api/server.ts'
import { openSite } from '../../../src/app/site.ts'
import type { RoleName } from '../../../src/domain/authority.ts'
import { deviceId } from '../../../src/domain/device.ts'
import type { Tables } from '../../../src/domain/port.ts'
import { partyStore, silentLog } from '../../store.ts'
import { inScene, type Json, trusting } from './four-eyes-scene.ts'
import { openWorld, requestOf, type Sent, start, type World } from './world.ts'

const day = 86_400_000
const { body, params, root } = trusting

const trusted = ({ services }: World) => services.store.read(tables => tables.manufacturer.get('fjord'))

describe('four eyes', () => {
  test('are off until somebody switches them on, and need two parties', async () => {
    const world = await openWorld()
    try {
      assert.deepEqual(await world.call('fourEyesShow', {}), { on: false })
      await world.call('manufacturerTrust', { params, body })
      const alone = await openWorld()
      try {
        for (const { id, roles } of (await alone.call('tokenList', {})).items) {
          if (!roles.includes('administrator')) await alone.call('tokenRevoke', { params: { id } })
        }
        const { status, json } = await alone.ask(
          ...requestOf('fourEyesSet', { body: { on: true } }, alone.tokens.administrator),
        )
        assert.deepEqual([status, json['code']], [409, 'confirmation-impossible'])
        await alone.makeToken('network-owner', undefined, 'second')
        assert.equal((await alone.call('fourEyesSet', { body: { on: true } })).on, true)
      } finally {
        await alone.close()
      }
    } finally {
      await world.close()
    }
  })

  test('what one asks for is done when another confirms it, once, in both their names', () =>
    inScene(async scene => {
      const { tell, alice, bob, asked, call, services } = scene
      const request = await asked()
      assert.equal(await trusted(scene), undefined)
      assert.equal(await asked(), request, 'the same input is the same request')
      const [shown] = (await call('requestList', { query: { status: 'pending' } }, bob)).items
      assert.deepEqual(shown?.input, {
        params,
        body: { ...body, masaAnchors: [], masaPrivateAddress: false, ignoreIdevidLifetime: false, quirks: [] },
      })
      const [status, , json] = await tell('requestConfirm', { params: { id: request } }, bob)
      assert.deepEqual([status, json['status'], (json['reply'] as Json)['name']], [200, 'done', 'fjord'])
      assert.ok(await trusted(scene))
      assert.deepEqual((await tell('requestConfirm', { params: { id: request } }, bob)).slice(0, 2), [
        409,
        'request-decided',
      ])
      assert.deepEqual((await tell('requestDecline', { params: { id: request } }, alice)).slice(0, 2), [
        409,
        'request-decided',
      ])
      const { events } = await services.store.feed({}, 1000)
      const by = events.find(({ kind }) => kind === 'manufacturer-trusted')?.body['by'] as string
      assert.match(by, /^administrator-1 \(token\/\w+\), confirmed by administrator-1 \(token\/\w+\)$/)
      assert.notEqual(await asked({ params: { name: 'crane' }, body }), request)
    }))

  test('a changed input is another request, and who confirms one confirms nothing else', () =>
    inScene(async scene => {
      const { tell, bob, asked } = scene
      const first = await asked()
      const second = await asked({ params, body: { ...body, masaPrivateAddress: true } })
      assert.notEqual(first, second)
      await tell('requestConfirm', { params: { id: first } }, bob)
      assert.equal((await trusted(scene))?.masaPrivateAddress, false)
    }))

  test('nobody confirms his own: not with the same token, not with a second one of his party', () =>
    inScene(async scene => {
      const { tell, alice, asked, makeToken } = scene
      const request = await asked()
      const refused = async (token: string) =>
        assert.deepEqual((await tell('requestConfirm', { params: { id: request } }, token)).slice(0, 2), [
          403,
          'confirmation-not-independent',
        ])
      await refused(alice)
      await refused((await makeToken('administrator', undefined, 'alice')).text)
      assert.equal(await trusted(scene), undefined)
    }))

  test('nor with a puppet: whom one lets in is no second person, through however many hands', () =>
    inScene(async scene => {
      const { tell, alice, bob, asked, call } = scene
      const request = await asked()
      const puppet = async (party: string, by: string) => {
        const terms = { name: party, party, roles: ['administrator' as const] }
        return (await call('tokenCreate', { body: terms }, by)).token
      }
      const codeBy = async (id: string, token: string) => (await tell('requestConfirm', { params: { id } }, token))[1]
      const zoe = await puppet('zoe', alice)
      const yan = await puppet('yan', zoe)
      // Of the name of somebody else who is there.
      const falseBob = await puppet('bob', yan)
      for (const token of [zoe, yan, falseBob])
        assert.equal(await codeBy(request, token), 'confirmation-not-independent')
      // The other way round: the puppet asks, and who made it confirms; and two puppets of one.
      const [, , json] = await tell('manufacturerTrust', { params: { name: 'crane' }, body }, yan)
      const asked2 = String((json['facts'] as Json)['request'])
      for (const token of [alice, zoe, falseBob])
        assert.equal(await codeBy(asked2, token), 'confirmation-not-independent')
      // A colleague whom Bob lets in is nobody's puppet for Alice, and is one for Bob.
      const carol = await puppet('carol', bob)
      assert.equal(await codeBy(request, carol), undefined)
      assert.ok(await trusted(scene))
      const [, , later] = await tell('manufacturerDistrust', { params }, bob)
      assert.equal(await codeBy(String((later['facts'] as Json)['request']), carol), 'confirmation-not-independent')
    }))

  test('nor with a certificate that one let in oneself', () =>
    inScene(async scene => {
      const { tell, alice, services, asked } = scene
      const [, code] = await tell('callerAuthorityTrust', { params: { name: 'people' }, body }, alice)
      assert.equal(code, 'confirmation-needed', 'an authority for people is an anchor, too')
      await services.callers.trust({ name: 'people', anchors: [root.certificate.der], by: 'test' })
      const terms = { authority: 'people', identity: 'email:zoe@x.example', party: 'zoe', roles: ['administrator'] }
      const [, , made] = await tell('callerAdmit', { body: terms }, alice)
      const id = await asked()
      const { confirmation } = services
      const zoe = { id: `caller/${made['id'] as string}`, name: 'zoe', party: 'zoe', roles: ['administrator' as const] }
      await assert.rejects(
        confirmation.confirm(id, zoe, () => ['network.own']),
        { code: 'confirmation-not-independent' },
      )
    }))

  test('both need the authority, then and now', () =>
    inScene(async scene => {
      const { tell, makeToken, asked, call, services } = scene
      const request = await asked()
      const weak = (await makeToken('device-manager', undefined, 'mia')).text
      const auditor = (await makeToken('auditor', undefined, 'ada')).text
      for (const token of [weak, auditor]) {
        assert.deepEqual((await tell('requestConfirm', { params: { id: request } }, token)).slice(0, 2), [
          403,
          'not-permitted',
        ])
        assert.deepEqual((await tell('requestDecline', { params: { id: request } }, token)).slice(0, 2), [
          403,
          'not-permitted',
        ])
      }
      // Who cannot confirm it does not see it, but for who may look at access.
      assert.deepEqual((await call('requestList', {}, weak)).items, [])
      assert.equal((await call('requestList', {}, auditor)).items.length, 1)
      // Who asked is thrown out before the other confirms.
      const { askedBy } = (await services.store.read((tables: Tables) => tables.confirmation.get(request)))!
      await services.access.revoke(askedBy.replace('token/', ''), 'test')
      assert.deepEqual((await tell('requestConfirm', { params: { id: request } }, scene.bob)).slice(0, 2), [
        409,
        'request-void',
      ])
      assert.equal(await trusted(scene), undefined)
    }))

  test('end with a no, with taking it back, and with time', () =>
    inScene(async scene => {
      const { tell, alice, bob, asked, pass } = scene
      const codes = async (name: 'requestConfirm' | 'requestDecline', id: string, token: string) => {
        const [status, code, json] = await tell(name, { params: { id } }, token)
        return [status, code ?? json['status']]
      }
      const first = await asked()
      assert.deepEqual(await codes('requestDecline', first, bob), [200, 'declined'])
      assert.deepEqual(await codes('requestConfirm', first, bob), [409, 'request-decided'])
      const second = await asked()
      assert.notEqual(second, first)
      assert.deepEqual(await codes('requestDecline', second, alice), [200, 'declined'])
      const third = await asked()
      pass(day)
      assert.deepEqual(await codes('requestConfirm', third, bob), [410, 'request-expired'])
      const fourth = await asked()
      assert.notEqual(fourth, third)
      assert.deepEqual(await codes('requestConfirm', third, bob), [410, 'request-expired'])
      assert.deepEqual(await codes('requestConfirm', fourth, bob), [200, 'done'])
      assert.deepEqual(await codes('requestConfirm', '0'.repeat(18), bob), [404, 'not-found'])
    }))

  test('are switched off by two people only', () =>
    inScene(async ({ tell, alice, bob, call }) => {
      const [, code, json] = await tell('fourEyesSet', { body: { on: false } }, alice)
      assert.equal(code, 'confirmation-needed')
      const id = String((json['facts'] as Json)['request'])
      assert.equal((await tell('requestConfirm', { params: { id } }, alice))[1], 'confirmation-not-independent')
      assert.equal((await call('fourEyesShow', {})).on, true)
      assert.equal((await tell('requestConfirm', { params: { id } }, bob))[0], 200)
      assert.equal((await call('fourEyesShow', {})).on, false)
      await call('manufacturerTrust', { params, body }, alice)
    }))

  test('guard the steps that last, by whoever may take them, and no others', () =>
    inScene(async ({ tell, call, alice, bob }) => {
      const token = async (role: RoleName, party: string, by: string) =>
        (await call('tokenCreate', { body: { name: party, party, roles: [role] } }, by)).token
      const [max, mia] = [await token('device-manager', 'max', alice), await token('device-manager', 'mia', bob)]
      const step = (event: string) => ({ params: { id: deviceId('fjord', '1') }, body: { event } })
      const [, code, json] = await tell('deviceStep', step('retire'), max)
      assert.equal(code, 'confirmation-needed')
      const id = String((json['facts'] as Json)['request'])
      // May take some step, and not this one.
      const installer = await token('device-installer', 'ivy', bob)
      assert.equal((await tell('requestConfirm', { params: { id } }, installer))[1], 'not-permitted')
      // There is no such device: told to who confirms, and kept as the outcome.
      assert.equal((await tell('requestConfirm', { params: { id } }, mia))[1], 'device-not-found')
      assert.equal((await tell('requestConfirm', { params: { id } }, mia))[1], 'request-decided')
      assert.equal((await tell('deviceStep', step('begin-maintenance'), max))[1], 'device-not-found')
    }))

  test('a flood of requests is bounded', () =>
    inScene(async ({ tell, alice, bob }) => {
      const ask = (n: number, token: string) => tell('manufacturerDistrust', { params: { name: `m${n}` } }, token)
      for (let n = 0; n < 100; n++) assert.equal((await ask(n, alice))[1], 'confirmation-needed')
      assert.deepEqual((await ask(100, alice)).slice(0, 2), [409, 'too-many-requests'])
      assert.equal((await ask(99, alice))[1], 'confirmation-needed')
      assert.equal((await ask(100, bob))[1], 'confirmation-needed')
    }))

  test('nor one that was made into a wish, for which one person would be enough', async () => {
    await assert.rejects(
      inScene(async scene => {
        const { tell, alice, asked, services } = scene
        const id = await asked()
        await services.store.transaction(async tx => {
          const request = (await tx.confirmation.get(id))!
          await tx.confirmation.put({ ...request, wish: true })
        })
        assert.deepEqual((await tell('requestConfirm', { params: { id } }, alice)).slice(0, 2), [409, 'request-void'])
        assert.equal(await trusted(scene), undefined)
        const { integrity, firstBad } = await services.store.verify()
        assert.equal(integrity, 'fail')
        throw new Error(firstBad?.reason)
      }),
      /wish of confirmation/,
    )
  })

  test('a request that was changed where it lies is not done, and the ledger shows it', async () => {
    await assert.rejects(
      inScene(async scene => {
        const { tell, bob, asked, services } = scene
        const id = await asked()
        await services.store.transaction(async tx => {
          const request = (await tx.confirmation.get(id))!
          await tx.confirmation.put({ ...request, input: request.input.replace('"fjord"', '"crane"') })
        })
        assert.deepEqual((await tell('requestConfirm', { params: { id } }, bob)).slice(0, 2), [409, 'request-void'])
        const { integrity, firstBad } = await services.store.verify()
        assert.equal(integrity, 'fail')
        throw new Error(firstBad?.reason)
      }),
      /inputHash of confirmation/,
    )
  })

  test('two at once: it is done once', () =>
    inScene(async ({ tell, bob, asked, makeToken, services }) => {
      const carol = (await makeToken('administrator', undefined, 'carol')).text
      // Let in by nobody of the site, so by itself: no second person for it, but for alice.
      const id = await asked()
      const answers = await Promise.all(
        [bob, carol, bob].map(token => tell('requestConfirm', { params: { id } }, token)),
      )
      assert.equal(answers.filter(([status]) => status === 200).length, 1)
      const { events } = await services.store.feed({}, 1000)
      assert.equal(events.filter(({ kind }) => kind === 'manufacturer-trusted').length, 1)
    }))

  test('what fails on our side after the word was given can be confirmed again', () =>
    inScene(async scene => {
      const { bob, asked, services, pass } = scene
      const id = await asked()
      let broken = true
      // The record of trusted manufacturers fails, once.
      const store = {
        ...services.store,
        transaction: (work: Parameters<typeof services.store.transaction>[0]) =>
          services.store.transaction(tx => {
            const manufacturer = {
              ...tx.manufacturer,
              get: (key: string) => {
                if (broken) throw new Error('the machine stops here')
                return tx.manufacturer.get(key)
              },
              find: (...args: Parameters<typeof tx.manufacturer.find>) => tx.manufacturer.find(...args),
              put: (value: Parameters<typeof tx.manufacturer.put>[0]) => tx.manufacturer.put(value),
            }
            const { token, caller, safeguard, confirmation, setting } = tx
            const rest = { token, caller, safeguard, confirmation, setting, append: tx.append.bind(tx) }
            return work({ ...rest, manufacturer } as never)
          }),
        read: services.store.read.bind(services.store),
        history: services.store.history.bind(services.store),
        onCommit: services.store.onCommit.bind(services.store),
      } as typeof services.store
      const server = createApi({ ...services, store })
      const confirm = async () => {
        const [path, init] = requestOf('requestConfirm', { params: { id } })
        const headers = { authorization: `Bearer ${bob}` }
        return server.fetch(new Request(`http://site.test${path}`, { ...init, headers } as RequestInit))
      }
      assert.equal((await confirm()).status, 500)
      broken = false
      pass(1000)
      assert.equal((await confirm()).status, 200)
      assert.ok(await trusted(scene))
      server.close()
    }))

  test('whose process died over it can be confirmed again, a while later and not before', () =>
    inScene(async scene => {
      const { tell, bob, asked, services, pass } = scene
      const id = await asked()
      const { confirmation, store, clock } = services
      const [, token] = (await store.read(tables => tables.token.find({}, { limit: 100 })))
        .filter(({ party }) => party === 'alice' || party === 'bob')
        .sort((a, b) => (a.party! < b.party! ? -1 : 1))
      const caller = { id: `token/${token!.id}`, name: 'bob', party: 'bob', roles: ['administrator' as const] }
      // The word is given, and then nothing is done: the machine stopped.
      await confirmation.confirm(id, caller, () => ['network.own'])
      assert.equal((await tell('requestConfirm', { params: { id } }, bob))[1], 'request-decided')
      pass(day + 1)
      assert.ok(clock() > start + day)
      assert.equal((await tell('requestConfirm', { params: { id } }, scene.alice))[1], 'confirmation-not-independent')
      assert.equal((await tell('requestConfirm', { params: { id } }, bob))[0], 200)
      assert.ok(await trusted(scene))
    }))

  test('a restart forgets nothing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mooring-four-eyes-'))
    const party = await partyStore()
    const open = () =>
      openSite({
        ...{ network: 'harbour-iot', owner: 'harbour', data: join(directory, 'site'), log: silentLog },
        ...{ host: '127.0.0.1', port: 0, clock: () => now },
        ...party,
      })
    let now = start
    const within = async <T>(
      work: (tell: (name: OperationName, given: Sent, token: string) => Promise<Json>) => Promise<T>,
    ) => {
      const site = await open()
      const server = createApi(apiServices(site))
      try {
        return await work(async (name, given, token) => {
          const [path, init] = requestOf(name, given)
          const headers = { ...(init?.headers as object), authorization: `Bearer ${token}` }
          const answer = await server.fetch(new Request(`http://site.test${path}`, { ...init, headers } as RequestInit))
          return (await answer.json()) as Json
        })
      } finally {
        server.close()
        await site.close()
      }
    }
    try {
      const first = await open()
      const admin = { roles: ['administrator' as const], by: 'test' }
      const alice = (await first.access.create({ name: 'alice', ...admin })).secret.revealText()
      const bob = (await first.access.create({ name: 'bob', ...admin })).secret.revealText()
      await first.close()
      now += 1000
      const id = await within(async tell => {
        await tell('fourEyesSet', { body: { on: true } }, alice)
        const { facts } = await tell('manufacturerTrust', { params, body }, alice)
        return String((facts as Json)['request'])
      })
      now += 1000
      await within(async tell => {
        assert.equal((await tell('fourEyesShow', {}, bob))['on'], true)
        assert.equal((await tell('requestConfirm', { params: { id } }, alice))['code'], 'confirmation-not-independent')
        assert.equal((await tell('requestConfirm', { params: { id } }, bob))['status'], 'done')
      })
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('nothing that needs two people can be wished for instead', () => {
    for (const [name, operation] of Object.entries<Operation>(api)) {
      assert.ok(operation.askable === undefined || operation.fourEyes === undefined, name)
      const may: readonly string[] = api.requestMake.authority
      for (const each of operation.askable ?? [])
        assert.ok(may.includes(each), `${name}: requestMake is not for ${each}`)
    }
  })

  test('are for anchors, decommissioning, handing over, transfer and the setting itself', () => {
    const guarded = (Object.keys(api) as OperationName[]).filter(
      name => (api[name] as Operation).fourEyes !== undefined,
    )
    const least: readonly OperationName[] = [
      'manufacturerTrust',
      'manufacturerDistrust',
      'callerAuthorityTrust',
      'callerAuthorityDistrust',
      'authorityRoll',
      'ownershipOffer',
      'deviceStep',
      'deviceHandOver',
      'fourEyesSet',
    ]
    for (const name of least) assert.ok(guarded.includes(name), name)
    for (const name of guarded) {
      const operation: Operation = api[name]
      assert.ok(operation.method !== 'GET', `${name} changes nothing, and needs no second person`)
      for (const each of fourEyesAuthority(operation, {}) ?? []) assert.ok(!each.startsWith('view.'), name)
    }
  })
})
