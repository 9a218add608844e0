import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { EndpointReply, MasaClient } from '../../src/domain/port.ts'
import type { Voucher } from '../../src/protocol/brski/voucher.ts'
import { expectDevice } from '../../src/role/supply-chain/import.ts'
import { distrustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { certify } from '../crypto/pki.ts'
import { expectUnit, type Neighbourhood, openNeighbourhood, pledgeOf } from '../role/onboarding/neighbourhood.ts'
import { type Maker, makeDevice, obligingMasa, openMaker, trustMaker } from './maker.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]

describe('a manufacturer that is trusted, and speaks for another', () => {
  let home: Neighbourhood
  let maker: Maker
  let honest: MasaClient['requestVoucher']
  before(async () => {
    home = await openNeighbourhood({ units: 2 })
    honest = home.masaClient.answer
    // Its root has the very name of the other's, and its devices the same serial numbers.
    const { deviceRoot } = home.manufacturer
    maker = await openMaker('globex')
    const root = await certify({ subject: Buffer.from(deviceRoot.subject.der), ca: true })
    maker = { ...maker, root }
    await trustMaker(home, maker)
  })
  after(() => home.close())

  it('has devices of its own under the same names and numbers, and nothing to do with the other', async () => {
    const serial = 'B1-000001'
    await expectUnit(home, serial)
    const imitation = pledgeOf(home, await makeDevice(maker, serial))
    assert.equal((await imitation.post(await imitation.voucherRequest())).status, 202, 'expected is the other one')
    const own = await home.site.read(tables => tables.device.get(deviceId('globex', serial)))
    assert.equal(own?.standing, 'waiting')
    const other = await home.site.read(tables => tables.device.get(deviceId('acme', serial)))
    assert.deepEqual([other?.rung, other?.version], ['expected', 1], 'the other one was not touched')
    const genuine = pledgeOf(home, home.unit(serial))
    assert.equal((await genuine.post(await genuine.voucherRequest())).status, 200)
  })

  it('cannot sign a voucher for a device of the other, whoever answers', async () => {
    const unit = home.unit('B1-000001')
    const pledge = pledgeOf(home, unit)
    home.masaClient.answer = obligingMasa(home, maker.voucher)
    assert.equal(codeOf(await pledge.post(await pledge.voucherRequest())), 'masa-answer-invalid')
    // Nor can the other's signer for one of its own.
    const device = await makeDevice(maker, 'G-1')
    await expectDevice(home.site, { manufacturer: 'globex', serial: 'G-1' }, 'test')
    const stray = pledgeOf(home, device)
    home.masaClient.answer = obligingMasa(home, home.manufacturer.voucher)
    assert.equal(codeOf(await stray.post(await stray.voucherRequest())), 'masa-answer-invalid')
    home.masaClient.answer = obligingMasa(home, maker.voucher)
    assert.equal((await stray.post(await stray.voucherRequest())).status, 200)
    home.masaClient.answer = honest
  })

  it('is asked under its own name, wherever the birth certificate points', async () => {
    const asked: string[] = []
    home.masaClient.answer = async request => {
      asked.push(`${request.manufacturer.name} ${request.baseUrl}`)
      return honest(request)
    }
    await expectDevice(home.site, { manufacturer: 'globex', serial: 'G-3' }, 'test')
    const extensions = [makeExtension(extensionKinds.masaUrl, 'masa.acme.example')]
    const pledge = pledgeOf(home, await makeDevice(maker, 'G-3', { extensions }))
    const reply = await pledge.post(await pledge.voucherRequest())
    home.masaClient.answer = honest
    assert.deepEqual(asked, ['globex https://masa.globex.example'])
    assert.equal(codeOf(reply), 'masa-refused', 'what that MASA said about a device that is not its own')
  })

  it('has a device key that is no voucher signer', async () => {
    const pledge = pledgeOf(home, home.unit('B1-000001'))
    const thief = home.unit('B1-000002')
    const chain = thief.chain.map(decodeCertificate)
    home.masaClient.answer = obligingMasa(home, { signer: thief.signer, chain })
    assert.equal(codeOf(await pledge.post(await pledge.voucherRequest())), 'masa-answer-invalid')
    home.masaClient.answer = honest
  })

  it('lies about serial number, nonce or pin, and nothing of it is handed on', async () => {
    const unit = home.unit('B1-000002')
    const id = await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const stranger = await certify({ subject: 'stranger', ca: true })
    const lies: Record<string, (request: Voucher) => Partial<Voucher>> = {
      'another serial number': () => ({ 'serial-number': 'B1-000001' }),
      'another nonce': () => ({ nonce: randomBytes(16) }),
      'a longer nonce': ({ nonce }) => ({ nonce: Buffer.concat([nonce ?? Buffer.alloc(8), Buffer.alloc(1)]) }),
      'a pin of a stranger': () => ({ 'pinned-domain-cert': stranger.certificate.der }),
      'a pin that is no certificate': () => ({ 'pinned-domain-cert': Buffer.from('300a0101ff0101ff0101ff00', 'hex') }),
      'a pin that is the manufacturer itself': () => ({ 'pinned-domain-cert': home.manufacturer.masaRoot.der }),
      'a pin that is the device itself': () => ({ 'pinned-domain-cert': unit.chain[0] ?? new Uint8Array() }),
    }
    for (const [name, change] of Object.entries(lies)) {
      home.masaClient.answer = obligingMasa(home, home.manufacturer.voucher, change)
      assert.equal(codeOf(await pledge.post(await pledge.voucherRequest())), 'masa-answer-invalid', name)
    }
    for (const [status, code] of [
      [301, 'masa-refused'],
      [307, 'masa-refused'],
      [202, 'masa-refused'],
      [204, 'masa-refused'],
      [429, 'masa-unreachable'],
      [500, 'masa-unreachable'],
    ] as const) {
      const body = Buffer.from('internal: <script>\u001b[31m\r\nx')
      home.masaClient.answer = async ({ contentType }) => ({ status, contentType, body })
      const reply = await pledge.post(await pledge.voucherRequest())
      assert.equal(codeOf(reply), code, `${status}`)
      assert.doesNotMatch(String(reply.body), /[\p{Cc}\p{Cf}]/u)
    }
    const device = await home.site.read(tables => tables.device.get(id))
    assert.equal(device?.voucher, undefined)
    assert.equal(await home.site.read(tables => tables.voucher.count({ device: id })), 0)
    home.masaClient.answer = honest
  })

  it('is a stranger from the moment that trust in it ends, on open connections too', async () => {
    const device = await makeDevice(maker, 'G-2')
    await expectDevice(home.site, { manufacturer: 'globex', serial: 'G-2' }, 'test')
    home.masaClient.answer = obligingMasa(home, maker.voucher)
    const pledge = pledgeOf(home, device)
    const request = await pledge.voucherRequest()
    assert.equal((await pledge.post(request)).status, 200)
    await distrustManufacturer(home.site, 'globex', 'anna')
    const refused = ['idevid-untrusted', 'idevid-forged']
    assert.ok(refused.includes(codeOf(await pledge.post(request)) ?? ''))
    assert.ok(refused.includes(codeOf(await pledge.enroll(device.signer)) ?? ''))
    home.masaClient.answer = honest
    assert.equal((await home.site.verify()).integrity, 'pass')
  })
})
