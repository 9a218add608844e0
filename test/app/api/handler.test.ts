import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { cedarEngine } from '../../../src/adapter/policy/cedar.ts'
import { auditHandlers } from '../../../src/app/api/handler/audit.ts'
import type { ApiServices } from '../../../src/app/api/service.ts'
import { decodePemBlock, encodePem } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import type { CredentialRecord } from '../../../src/domain/credential.ts'
import { type Device, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import { proceedings } from '../../../src/role/authorization/admission.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { openFactory } from '../../role/factory/factory.ts'
import { start, type World, withWorld } from './world.ts'

const fjord = await openFactory({ name: 'Fjord Sensors' })
const office = fjord
after(() => fjord.opened.close())
await makeUnits(fjord.order({ count: 5, batch: 'F1' }))

const roots = {
  anchors: [encodePem('CERTIFICATE', fjord.manufacturer.deviceRoot.der)],
  masaAnchors: [encodePem('CERTIFICATE', fjord.manufacturer.masaRoot.der)],
}

function trust(world: World) {
  return world.call('manufacturerTrust', { params: { name: 'fjord' }, body: roots })
}

/** A genuine device that nobody expects knocks. */
async function knock(world: World, serial: string): Promise<string> {
  const { store } = world.services
  const id = deviceId('fjord', serial)
  const request = {
    identity: { manufacturer: 'fjord', serial, certificateHash: 'c'.repeat(64), keyHash: 'd'.repeat(64) },
    network: { id: 'harbour-iot', protocol: 'brski' },
    evidence: { attempt: `a-${serial}`, transcript: 'e'.repeat(64), address: '192.0.2.9:5000' },
  } as const
  const policy = { network: 'harbour-iot', owners: ['harbour'], credentialLifetimeDays: 365, retryAfterSeconds: 10 }
  const policies = { version: 'home', ...cedarEngine.load(profiles.home) }
  await store.transaction(async tx => {
    const known = await tx.device.get(id)
    const { list } = proceedings(known, request, start, { policy, policies })
    const device = list.reduce<Device | undefined>(evolveDevice, known)
    await tx.append(streamName('device', id), known?.version ?? 0, list)
    if (device !== undefined) await tx.device.put(device)
  })
  return id
}

async function giveCredential(world: World, device: string, number: number): Promise<CredentialRecord> {
  const { store, site } = world.services
  const hex = (digit: string) => digit.repeat(63) + number.toString(16)
  const record: CredentialRecord = {
    id: hex('1'),
    device,
    kind: 'network',
    status: 'issued',
    serialHex: `0${number}`,
    requestHash: hex('2'),
    keyHash: hex('3'),
    issuer: 'issuing-1',
    notBefore: start,
    notAfter: start + 86_400_000,
    tbs: '',
    certificate: Buffer.from(site.root.der).toString('base64'),
  }
  await store.transaction(tx => tx.credential.insert(record))
  return record
}

describe('devices', () => {
  test('are expected, listed page by page, filtered, shown and remembered', () =>
    withWorld(async world => {
      const { call, ask, tokens } = world
      await trust(world)
      for (const serial of ['A-1', 'A-2', 'A-3', 'A-4', 'A-5']) {
        const made = await call('deviceExpect', { body: { manufacturer: 'fjord', serial, model: 'Climate 2' } })
        assert.deepEqual([made.serial, made.rung, made.standing], [serial, 'expected', 'expected'])
      }
      const seen: string[] = []
      let after = ''
      for (let pages = 0; ; pages++) {
        const { items, next } = await call('deviceList', { query: { limit: 2, after } })
        seen.push(...items.map(({ serial }) => serial))
        if (next === undefined) {
          assert.equal(pages, 2)
          break
        }
        after = next
      }
      assert.deepEqual(seen.sort(), ['A-1', 'A-2', 'A-3', 'A-4', 'A-5'])
      const [one] = (await call('deviceList', { query: { serial: 'A-3', manufacturer: 'fjord' } })).items
      assert.deepEqual((await call('deviceList', { query: { rung: 'connected' } })).items, [])
      assert.deepEqual(await call('deviceShow', { params: { id: one!.id } }), one)
      const { items: history } = await call('deviceHistory', { params: { id: one!.id } })
      assert.deepEqual(
        history.map(({ kind, version }) => [kind, version]),
        [['device-expected', 1]],
      )
      assert.equal((await call('siteShow', {})).devices['expected'], 5)
      const odd = await ask(`/v1/devices/${one!.id}/events?after=x`, { token: tokens.auditor })
      assert.deepEqual([odd.status, odd.json['code']], [400, 'input-invalid'])
    }))

  test('of a manufacturer that nobody trusts are not expected', () =>
    withWorld(async ({ ask, tokens }) => {
      const body = JSON.stringify({ manufacturer: 'unknown', serial: '1' })
      const headers = { 'content-type': 'application/json' }
      const answer = await ask('/v1/devices', { method: 'POST', body, headers, token: tokens.operator })
      assert.deepEqual([answer.status, answer.json['code']], [404, 'not-found'])
    }))

  test('that are withdrawn lose their credential, and keep the reason on record', () =>
    withWorld(async world => {
      const { call, services } = world
      await trust(world)
      const { id } = await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'W-1' } })
      const credential = await giveCredential(world, id, 1)
      const withdrawn = await call(
        'deviceWithdraw',
        { params: { id }, body: { reason: 'stolen' } },
        world.tokens.operator,
      )
      assert.equal(withdrawn.standing, 'withdrawn')
      const [shown] = (await call('credentialList', { query: { device: id } })).items
      assert.deepEqual(
        [shown!.id, shown!.status, shown!.revocationReason],
        [credential.id, 'revoked', 'privilegeWithdrawn'],
      )
      const { items } = await call('deviceHistory', { params: { id } })
      const event = items.find(({ kind }) => kind === 'device-withdrawn')
      assert.equal(event?.body['reason'], 'stolen')
      assert.match(String(event?.body['by']), /^operator-1 \(token\/[0-9a-f]{18}\)$/)
      const versions = items.length
      assert.equal((await call('deviceWithdraw', { params: { id } })).standing, 'withdrawn')
      assert.equal((await call('deviceHistory', { params: { id } })).items.length, versions)
      assert.equal((await services.store.verify()).integrity, 'pass')
    }))
})

describe('approvals', () => {
  test('list who waits, let in and turn away', () =>
    withWorld(async world => {
      const { call } = world
      await trust(world)
      const [first, second] = [await knock(world, 'K-1'), await knock(world, 'K-2')]
      const { items } = await call('approvalList', {})
      assert.deepEqual(items.map(({ serial }) => serial).sort(), ['K-1', 'K-2'])
      assert.equal(items[0]!.refusal?.code, 'device-unexpected')
      assert.equal((await call('approvalGrant', { params: { id: first } })).standing, 'approved')
      assert.equal((await call('approvalDeny', { params: { id: second } })).standing, 'denied')
      assert.deepEqual((await call('approvalList', {})).items, [])
      assert.equal((await call('approvalGrant', { params: { id: second } })).standing, 'approved')
    }))

  test('of nobody, or of a withdrawn device, are refused', () =>
    withWorld(async world => {
      const { ask, call, tokens } = world
      await trust(world)
      const post = { method: 'POST', token: tokens.operator }
      assert.equal((await ask(`/v1/approvals/${'0'.repeat(24)}/grant`, post)).json['code'], 'device-not-found')
      const id = await knock(world, 'K-3')
      await call('deviceWithdraw', { params: { id } })
      assert.equal((await ask(`/v1/approvals/${id}/grant`, post)).json['code'], 'device-withdrawn')
    }))
})

describe('trust', () => {
  test('is given, changed, shown with fingerprints to compare, and taken back', () =>
    withWorld(async world => {
      const { call, ask, tokens } = world
      const trusted = await trust(world)
      assert.deepEqual(trusted.warnings, [])
      const fingerprints = trusted.anchors.map(({ fingerprint }) => fingerprint)
      assert.match(fingerprints[0]!, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
      const { warnings: _, ...listed } = await call('manufacturerTrust', {
        params: { name: 'fjord' },
        body: { ...roots, masaUrl: 'https://masa.fjord.example', masaPrivateAddress: true },
      })
      assert.deepEqual((await call('manufacturerList', {})).items, [listed])
      assert.equal(listed.masaPrivateAddress, true)
      assert.deepEqual(await call('manufacturerDistrust', { params: { name: 'fjord' } }), { removed: 'fjord' })
      const again = await ask('/v1/manufacturers/fjord', { method: 'DELETE', token: tokens.administrator })
      assert.equal(again.json['code'], 'not-found')
    }))

  test('warns of what is odd and refuses what is no anchor', () =>
    withWorld(async ({ call, ask, tokens, services }) => {
      const { warnings } = await call('manufacturerTrust', {
        params: { name: 'odd' },
        body: { anchors: [encodePem('CERTIFICATE', services.site.issuing.der)] },
      })
      assert.deepEqual(
        warnings.map(({ rule }) => rule),
        ['not-a-root', 'devices-can-vouch'],
      )
      const put = async (body: object) => {
        const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, token: tokens.administrator }
        return (await ask('/v1/manufacturers/bad', { ...init, body: JSON.stringify(body) })).json
      }
      const leaf = encodePem('CERTIFICATE', services.site.registrar.der)
      assert.equal((await put({ anchors: [leaf] }))['code'], 'anchor-invalid')
      assert.equal((await put({ anchors: ['not PEM'] }))['code'], 'anchor-invalid')
      assert.equal((await put({ anchors: [`${roots.anchors[0]}${roots.anchors[0]}`] }))['code'], 'anchor-invalid')
      assert.equal((await put({ anchors: [] }))['code'], 'input-invalid')
      assert.equal((await put({ ...roots, quirks: ['no-such-quirk'] }))['code'], 'input-invalid')
      assert.equal((await put({ ...roots, masaUrl: 'http://masa.example' }))['code'], 'input-invalid')
    }))
})

describe('manifests', () => {
  test('of a purchase are imported, and again without effect', () =>
    withWorld(async world => {
      const { call, services } = world
      await trust(world)
      const buyer = buyerCard({ id: 'harbour', name: 'Harbour', certificates: [services.site.root] })
      await sellUnits(office, { batch: 'F1' }, { buyer })
      const manifest = (await shipmentManifest(office, { batch: 'F1' }, buyer)).toString('base64')
      const report = await call('manifestImport', { body: { manifest } }, world.tokens.operator)
      assert.deepEqual([report.new, report.updated, report.unchanged, report.refused], [5, 0, 0, []])
      assert.match(report.manifest.importedBy, /^operator-1 /)
      const again = await call('manifestImport', { body: { manifest } })
      assert.deepEqual([again.new, again.unchanged], [0, 5])
      assert.deepEqual(again.manifest, report.manifest)
      assert.deepEqual((await call('manifestList', {})).items, [report.manifest])
      const [device] = (await call('deviceList', { query: { serial: 'F1-000001' } })).items
      assert.equal(device?.owner, 'harbour')
    }))

  test('of others are refused whole', () =>
    withWorld(async ({ ask, tokens }) => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, token: tokens.operator }
      const body = JSON.stringify({ manifest: Buffer.from('{"payload":""}\n').toString('base64') })
      const answer = await ask('/v1/manifests', { ...init, body })
      assert.deepEqual([answer.status, answer.json['code']], [403, 'manifest-invalid'])
    }))
})

describe('credentials', () => {
  test('are listed by device and status, carry their certificate, and are revoked once', () =>
    withWorld(async world => {
      const { call, services } = world
      await trust(world)
      const { id: device } = await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'C-1' } })
      const { id } = await giveCredential(world, device, 1)
      await giveCredential(world, deviceId('fjord', 'C-2'), 2)
      const { items } = await call('credentialList', { query: { device, status: 'issued' } })
      assert.deepEqual(
        items.map(each => each.id),
        [id],
      )
      const certificate = decodeCertificate(decodePemBlock('CERTIFICATE', items[0]!.certificate!))
      assert.deepEqual(Buffer.from(certificate.der), Buffer.from(services.site.root.der))
      const revoked = await call('credentialRevoke', { params: { id }, body: { reason: 'keyCompromise' } })
      assert.deepEqual([revoked.status, revoked.revocationReason], ['revoked', 'keyCompromise'])
      assert.deepEqual(await call('credentialRevoke', { params: { id } }), revoked)
    }))

  test('that do not exist are not found', () =>
    withWorld(async ({ ask, tokens }) => {
      const answer = await ask(`/v1/credentials/${'f'.repeat(64)}/revocation`, {
        method: 'POST',
        token: tokens.operator,
      })
      assert.deepEqual([answer.status, answer.json['code']], [404, 'not-found'])
    }))

  test('vouchers are listed by device', () =>
    withWorld(async ({ call, services }) => {
      const [device, other] = [deviceId('fjord', 'V-1'), deviceId('fjord', 'V-2')]
      await services.store.transaction(async tx => {
        for (const [n, owner] of [device, other].entries()) {
          await tx.voucher.insert({
            id: String(n).repeat(64),
            device: owner,
            nonce: n === 0 ? 'AAAA' : '',
            contentType: 'application/voucher-cms+json',
            voucher: 'AAAA',
            assertion: 'proximity',
            obtainedAt: start,
          })
        }
      })
      const { items } = await call('voucherList', { query: { device } })
      assert.deepEqual(
        items.map(({ id, nonced }) => [id, nonced]),
        [['0'.repeat(64), true]],
      )
      assert.equal((await call('voucherList', {})).items.length, 2)
    }))
})

describe('audit', () => {
  test('verifies, against a checkpoint that was kept elsewhere', () =>
    withWorld(async world => {
      const { call } = world
      await trust(world)
      assert.equal((await call('auditVerify', {})).completeness, 'unanchored')
      const anchor = await call('auditCheckpoint', {})
      await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'L-1' } })
      const { integrity, completeness } = await call('auditVerify', { body: { anchor } })
      assert.deepEqual([integrity, completeness], ['pass', 'pass'])
      const forged = { ...anchor, lanes: anchor.lanes.map(lane => ({ ...lane, hash: '0'.repeat(64) })) }
      const verdict = await call('auditVerify', { body: { anchor: forged } })
      assert.notDeepEqual([verdict.integrity, verdict.completeness], ['pass', 'pass'])
    }))

  test('verifies one at a time', async () => {
    let finish: () => void = () => {}
    const verdict = { integrity: 'pass', completeness: 'unanchored', events: 0, checkpoints: 0 } as const
    const verify = () => new Promise<typeof verdict>(resolve => (finish = () => resolve(verdict)))
    const { auditVerify } = auditHandlers({ store: { verify } } as unknown as ApiServices)
    const call = { id: '', by: '' }
    const first = auditVerify({ body: {} }, call)
    await assert.rejects(auditVerify({ body: {} }, call), { code: 'overloaded' })
    finish()
    assert.deepEqual(await first, verdict)
    const second = auditVerify({ body: {} }, call)
    finish()
    assert.deepEqual(await second, verdict)
  })

  test('events follow each other behind the cursor, each once', () =>
    withWorld(async world => {
      const { call, ask, tokens } = world
      await trust(world)
      const seen: string[] = []
      let cursor: string | undefined
      for (;;) {
        const page = await call('eventList', { query: { limit: 2, ...(cursor === undefined ? {} : { cursor }) } })
        if (page.items.length === 0) break
        seen.push(...page.items.map(({ lane, sequence }) => `${lane} ${sequence}`))
        cursor = page.cursor
      }
      assert.equal(new Set(seen).size, seen.length)
      assert.equal(seen.length, (await call('eventList', { query: { limit: 1000 } })).items.length)
      for (const odd of ['x', 'eyJtYWluIjotMX0', 'eyJtYWluIjoxLjV9', 'W10', 'eyJtYWluIjoiMSJ9']) {
        const answer = await ask(`/v1/events?cursor=${odd}`, { token: tokens.auditor })
        assert.deepEqual([answer.status, answer.json['code']], [400, 'input-invalid'], odd)
      }
    }))
})
