import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ScimError } from '../../src/app/scim/failure.ts'
import { parseFilter } from '../../src/app/scim/filter.ts'
import { readPatch, readResource } from '../../src/app/scim/resource.ts'
import { deviceId } from '../../src/domain/device.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { openFactory } from '../role/factory/factory.ts'
import { type Answer, type World, withWorld } from './api/world.ts'

const device = 'urn:ietf:params:scim:schemas:core:2.0:Device'
const birth = 'urn:mooring:scim:schemas:extension:birth:2.0:Device'
const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

type Ask = (method: string, path: string, body?: unknown, token?: string) => Promise<Answer>

async function withScim(work: (world: World, ask: Ask) => Promise<void>): Promise<void> {
  const factory = await openFactory()
  const { deviceRoot, masaRoot } = factory.manufacturer
  await factory.opened.close()
  await withWorld(async world => {
    const decision = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
    await trustManufacturer(world.services, decision, 'root')
    const ask: Ask = (method, path, body, token = world.tokens.operator) =>
      world.ask(`/scim/v2${path}`, {
        method,
        token,
        ...(body === undefined
          ? {}
          : {
              body: typeof body === 'string' ? body : JSON.stringify(body),
              headers: { 'content-type': 'application/scim+json' },
            }),
      })
    await work(world, ask)
    assert.equal((await world.services.store.verify()).integrity, 'pass')
  })
}

const resource = (serialNumber: string, more: object = {}) => ({
  schemas: [device, birth],
  displayName: `Lamp ${serialNumber}`,
  active: true,
  [birth]: { manufacturer: 'acme', serialNumber, model: 'Lamp' },
  ...more,
})

const patch = (...Operations: object[]) => ({ schemas: [patchOp], Operations })

function refused(answer: Answer, status: number, scimType?: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers.get('content-type'), 'application/scim+json')
  assert.deepEqual(answer.json['schemas'], ['urn:ietf:params:scim:api:messages:2.0:Error'])
  assert.equal(answer.json['status'], String(status))
  assert.equal(answer.json['scimType'], scimType)
}

describe('SCIM for devices', () => {
  test('can be discovered without a token', () =>
    withScim(async ({ ask }) => {
      for (const path of [
        'ServiceProviderConfig',
        'Schemas',
        'ResourceTypes',
        `Schemas/${device}`,
        'ResourceTypes/Device',
      ]) {
        const { status, headers } = await ask(`/scim/v2/${path}`)
        assert.deepEqual([status, headers.get('content-type')], [200, 'application/scim+json'], path)
      }
      const { json } = await ask('/scim/v2/Schemas')
      assert.deepEqual(
        (json['Resources'] as { id: string }[]).map(({ id }) => id),
        [device, birth, 'urn:ietf:params:scim:schemas:extension:dpp:2.0:Device'],
      )
      refused(await ask('/scim/v2/Schemas?filter=id%20eq%20%22x%22'), 403)
      refused(await ask('/scim/v2/Schemas/urn:nothing'), 404)
    }))

  test('creates what is expected then, reads it, and refuses it twice', () =>
    withScim(async ({ services }, ask) => {
      const made = await ask('POST', '/Devices', resource('L-1', { externalId: 'asset-7' }))
      assert.equal(made.status, 201, made.text)
      const id = deviceId('acme', 'L-1')
      assert.equal(made.json['id'], id)
      assert.match(made.headers.get('location') ?? '', new RegExp(`/scim/v2/Devices/${id}$`))
      const known = await services.store.read(tables => tables.device.get(id))
      assert.deepEqual(
        [known?.standing, known?.model, known?.provisioning?.externalId],
        ['expected', 'Lamp', 'asset-7'],
      )
      const { json } = await ask('GET', `/Devices/${id}`)
      assert.deepEqual(json, made.json)
      assert.deepEqual([json['displayName'], json['active'], json['externalId']], ['Lamp L-1', true, 'asset-7'])
      refused(await ask('POST', '/Devices', resource('L-1')), 409, 'uniqueness')
    }))

  test('lists by filter and by page', () =>
    withScim(async (_, ask) => {
      for (let n = 1; n <= 5; n++) await ask('POST', '/Devices', resource(`L-${n}`))
      const list = async (query: Record<string, string>) =>
        (await ask('GET', `/Devices?${new URLSearchParams(query).toString()}`)).json
      const all = await list({})
      assert.deepEqual([all['totalResults'], all['itemsPerPage'], all['startIndex']], [5, 5, 1])
      const ids = (all['Resources'] as { id: string }[]).map(({ id }) => id)
      const second = await list({ startIndex: '3', count: '2' })
      assert.deepEqual(
        (second['Resources'] as { id: string }[]).map(({ id }) => id),
        ids.slice(2, 4),
      )
      assert.equal(second['totalResults'], 5)
      assert.equal((await list({ count: '0' }))['itemsPerPage'], 0)
      assert.equal((await list({ startIndex: '-3', count: '-1' }))['itemsPerPage'], 0)
      const by = async (filter: string) => (await list({ filter }))['totalResults']
      assert.equal(await by('displayName eq "LAMP l-3"'), 1)
      assert.equal(await by(`${birth}:serialNumber eq "L-3" and ${birth}:manufacturer eq "acme"`), 1)
      assert.equal(await by('active eq false'), 0)
      assert.equal(await by(`id eq "${ids[0]}"`), 1)
      const only = await list({ attributes: 'displayName', count: '1' })
      assert.deepEqual(Object.keys((only['Resources'] as object[])[0]!).sort(), ['displayName', 'id', 'schemas'])
      for (const wrong of [
        'displayName co "x"',
        'displayName eq',
        'nothing eq "x"',
        '(active eq true)',
        'active eq true or id eq "x"',
      ]) {
        refused(await ask('GET', `/Devices?filter=${encodeURIComponent(wrong)}`), 400, 'invalidFilter')
      }
      refused(await ask('GET', '/Devices?count=many'), 400, 'invalidValue')
    }))

  test('withdraws with active false, for good; renames; lets in who waited', () =>
    withScim(async ({ services }, ask) => {
      const { json } = await ask('POST', '/Devices', resource('L-1', { externalId: 'a' }))
      const path = `/Devices/${String(json['id'])}`
      const renamed = await ask(
        'PATCH',
        path,
        patch({ op: 'Replace', path: 'displayName', value: 'Hall' }, { op: 'remove', path: 'externalId' }),
      )
      assert.deepEqual(
        [renamed.status, renamed.json['displayName'], renamed.json['externalId']],
        [200, 'Hall', undefined],
      )
      const off = await ask('PATCH', path, patch({ op: 'replace', value: { active: false } }))
      assert.deepEqual([off.status, off.json['active'], off.json['displayName']], [200, false, 'Hall'])
      const known = await services.store.read(tables => tables.device.get(String(json['id'])))
      assert.equal(known?.standing, 'withdrawn')
      refused(await ask('PATCH', path, patch({ op: 'replace', path: 'active', value: true })), 400, 'mutability')
    }))

  test('replaces what can be replaced', () =>
    withScim(async (_, ask) => {
      const { json } = await ask('POST', '/Devices', resource('L-1', { externalId: 'a' }))
      const path = `/Devices/${String(json['id'])}`
      const put = await ask('PUT', path, { ...json, displayName: 'Attic', externalId: null })
      assert.deepEqual(
        [put.status, put.json['displayName'], put.json['externalId']],
        [200, 'Attic', undefined],
        put.text,
      )
      refused(await ask('PUT', path, resource('L-2')), 400, 'mutability')
    }))

  test('deletes: withdrawn, not found here any more, and still in the record', () =>
    withScim(async ({ services }, ask) => {
      const { json } = await ask('POST', '/Devices', resource('L-1'))
      const path = `/Devices/${String(json['id'])}`
      assert.equal((await ask('DELETE', path)).status, 204)
      refused(await ask('GET', path), 404)
      refused(await ask('DELETE', path), 404)
      refused(await ask('PATCH', path, patch({ op: 'replace', path: 'active', value: true })), 404)
      refused(await ask('POST', '/Devices', resource('L-1')), 409, 'uniqueness')
      assert.equal((await ask('GET', '/Devices')).json['totalResults'], 0)
      const known = await services.store.read(tables => tables.device.get(String(json['id'])))
      assert.equal(known?.standing, 'withdrawn')
    }))

  test('is for those alone who may do the same over the API', () =>
    withScim(async ({ tokens, ask: plain }, ask) => {
      const { json } = await ask('POST', '/Devices', resource('L-1'))
      const path = `/Devices/${String(json['id'])}`
      assert.equal((await ask('GET', path, undefined, tokens.auditor)).status, 200)
      refused(await ask('POST', '/Devices', resource('L-2'), tokens.auditor), 403)
      refused(await ask('PATCH', path, patch({ op: 'replace', path: 'active', value: false }), tokens.auditor), 403)
      refused(await ask('DELETE', path, undefined, tokens.auditor), 403)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        const answer = await plain(`/scim/v2${method === 'POST' ? '/Devices' : path}`, { method })
        refused(answer, 401)
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
      }
      refused(await ask('GET', path, undefined, 'mrg_wrong'), 401)
    }))

  test('refuses what it does not know, with the codes of RFC 7644', () =>
    withScim(async (_, ask) => {
      refused(await ask('POST', '/Devices', resource('L-1', { colour: 'red' })), 400, 'invalidSyntax')
      refused(
        await ask('POST', '/Devices', { ...resource('L-1'), schemas: [device, birth, 'urn:x'] }),
        400,
        'invalidSyntax',
      )
      refused(await ask('POST', '/Devices', { ...resource('L-1'), schemas: [birth] }), 400, 'invalidSyntax')
      refused(await ask('POST', '/Devices', { ...resource('L-1'), active: 'yes' }), 400, 'invalidValue')
      refused(await ask('POST', '/Devices', { schemas: [device], active: true }), 400, 'invalidValue')
      refused(await ask('POST', '/Devices', resource('two\nlines')), 400, 'invalidValue')
      refused(await ask('POST', '/Devices', '{"a":'), 400, 'invalidSyntax')
      refused(await ask('POST', '/Devices', '{"schemas":[],"schemas":[]}'), 400, 'invalidSyntax')
      refused(await ask('POST', '/Devices', 'x'.repeat(70_000)), 413)
      const unknown = { ...resource('L-1'), [birth]: { manufacturer: 'nobody', serialNumber: 'L-1' } }
      refused(await ask('POST', '/Devices', unknown), 404)
      const { json } = await ask('POST', '/Devices', resource('L-1'))
      const path = `/Devices/${String(json['id'])}`
      refused(await ask('PATCH', path, patch({ op: 'replace', path: 'colour', value: 'red' })), 400, 'invalidPath')
      refused(
        await ask('PATCH', path, patch({ op: 'replace', path: `${birth}:serialNumber`, value: 'x' })),
        400,
        'mutability',
      )
      refused(await ask('PATCH', path, patch({ op: 'remove' })), 400, 'noTarget')
      refused(await ask('PATCH', path, patch({ op: 'move', path: 'active' })), 400, 'invalidSyntax')
      refused(await ask('PATCH', path, patch()), 400, 'invalidSyntax')
      refused(await ask('POST', path, resource('L-1')), 405)
      for (const nowhere of ['/Users', '/Devices/zzz', '/Devices/a/b', '/Bulk', '/%ff'])
        refused(await ask('GET', nowhere), 404)
    }))

  test('of arbitrary input comes nothing but an error of SCIM', () => {
    const tolerant = (work: () => unknown) => {
      try {
        work()
      } catch (error) {
        assert.ok(error instanceof ScimError, String(error))
      }
    }
    fc.assert(fc.property(fc.string({ maxLength: 200 }), text => tolerant(() => parseFilter(text))))
    const names = fc.constantFrom(
      'schemas',
      'active',
      'displayName',
      'Operations',
      'op',
      'path',
      'value',
      birth,
      '__proto__',
      'constructor',
    )
    const json = fc.dictionary(names, fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant([device, birth, patchOp])))
    fc.assert(
      fc.property(json, body => {
        tolerant(() => readResource(body as never))
        tolerant(() => readPatch(body as never))
      }),
    )
  })
})
