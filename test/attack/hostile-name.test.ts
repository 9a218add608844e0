import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeCertsOnly } from '../../src/codec/cms.ts'
import { encode } from '../../src/codec/der/codec.ts'
import { oid } from '../../src/codec/der/oid.ts'
import { utf8String } from '../../src/codec/der/string.ts'
import { element, sequence, sequenceOf, setOf } from '../../src/codec/der/structure.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherName } from '../../src/codec/x509/general-name.ts'
import { type AttributeTypeName, attributeType } from '../../src/codec/x509/name.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { EndpointReply } from '../../src/domain/port.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { expectDevice } from '../../src/role/supply-chain/import.ts'
import { certify } from '../crypto/pki.ts'
import { type Neighbourhood, openNeighbourhood, pledgeOf, testPeer } from '../role/onboarding/neighbourhood.ts'
import { type Maker, makeDevice, obligingMasa, openMaker, trustMaker } from './maker.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]

/** A name as a stranger writes it: any text in any attribute. */
function nameOf(fields: Partial<Record<AttributeTypeName, string>>): Buffer {
  const attribute = sequence({ type: oid, value: element(0x0c) })
  const rdns = Object.entries(fields).map(([name, value]) => [
    { type: attributeType[name as AttributeTypeName], value: encode(utf8String, value) },
  ])
  return encode(sequenceOf(setOf(attribute)), rdns)
}

describe('names that a stranger chose', () => {
  let home: Neighbourhood
  let maker: Maker
  before(async () => {
    home = await openNeighbourhood({ units: 1 })
    maker = await openMaker('globex')
    await trustMaker(home, maker)
    home.masaClient.answer = obligingMasa(home, maker.voucher)
  })
  after(() => home.close())

  const refusals = async () => {
    const { events } = await home.site.feed({}, 1000)
    return events.filter(({ kind }) => kind === 'stranger-refused')
  }

  it('cut in the middle of a character, do no harm to the record', async () => {
    for (const length of [79, 80, 199, 200]) {
      const text = `${'a'.repeat(length)}\u{1f600}${'b'.repeat(400)}`
      const stranger = await certify({ subject: nameOf({ commonName: text, organizationName: text }) })
      const peer = testPeer([stranger.certificate.der], home.authority.registrar.certificate.der)
      const pledge = pledgeOf(
        home,
        { serial: text, signer: stranger.signer, chain: [stranger.certificate.der] },
        { peer },
      )
      const reply = await pledge.post(await pledge.voucherRequest())
      assert.equal(codeOf(reply), 'idevid-untrusted')
      const unit = home.unit('B1-000001')
      const honest = pledgeOf(home, unit)
      assert.equal(codeOf(await honest.post(await honest.voucherRequest({ 'serial-number': text }))), 'serial-mismatch')
    }
    assert.equal((await home.site.verify()).integrity, 'pass')
  })

  it('of 30 kB, fill neither record nor answer', async () => {
    const stranger = await certify({ subject: nameOf({ commonName: 'x'.repeat(30_000) }) })
    const pledge = pledgeOf(home, { serial: '1', signer: stranger.signer, chain: [stranger.certificate.der] })
    const reply = await pledge.post(await pledge.voucherRequest())
    assert.equal(codeOf(reply), 'idevid-untrusted')
    assert.ok(String(reply.body).length < 2000, `an answer of ${String(reply.body).length}`)
    const last = (await refusals()).at(-1)
    assert.ok(JSON.stringify(last?.body).length < 2000, `an event of ${JSON.stringify(last?.body).length}`)
  })

  it('with control characters, reach no answer and no record', async () => {
    const name = 'a\r\nSet-Cookie: x\u001b[2J\u0000\u202e'
    const stranger = await certify({ subject: nameOf({ commonName: name }) })
    const pledge = pledgeOf(home, { serial: '1', signer: stranger.signer, chain: [stranger.certificate.der] })
    const reply = await pledge.post(await pledge.voucherRequest())
    assert.doesNotMatch(String(reply.body), /[\p{Cc}\p{Cf}]/u)
    const unit = home.unit('B1-000001')
    const honest = pledgeOf(home, unit)
    const mismatch = await honest.post(await honest.voucherRequest({ 'serial-number': name }))
    assert.equal(codeOf(mismatch), 'serial-mismatch')
    assert.doesNotMatch(String(mismatch.body), /[\p{Cc}\p{Cf}]/u)
    for (const { body } of await refusals()) {
      for (const value of Object.values(body['facts'] as object)) assert.doesNotMatch(String(value), /[\p{Cc}\p{Cf}]/u)
    }
    const odd = await honest.request('POST', brskiPath.requestVoucher, 'x\u001b[31m', 'x')
    assert.doesNotMatch(String(odd.body), /[\p{Cc}\p{Cf}]/u)
  })

  it('of a device, are serial numbers only when people can read them', async () => {
    for (const serial of ['a\u001b[2Jb', 'a\u0000b', 'a\u202eb', 'x'.repeat(5000), '\n']) {
      const device = await makeDevice(maker, serial, { subject: nameOf({ serialNumber: serial }) })
      const pledge = pledgeOf(home, device)
      const reply = await pledge.post(await pledge.voucherRequest())
      assert.equal(codeOf(reply), 'idevid-serial-missing', JSON.stringify(serial.slice(0, 20)))
      assert.equal(await home.site.read(tables => tables.device.get(deviceId('globex', serial))), undefined)
    }
  })

  it('that no PrintableString holds, are no obstacle to a network credential', async () => {
    const serials = ['SN_12#4@x', 'Gerät-7', '模型七', '𝔖-1', 'x'.repeat(64)]
    for (const serial of serials) {
      const device = await makeDevice(maker, serial, { subject: nameOf({ serialNumber: serial }) })
      assert.equal((await onboarded(serial, device)).spkiDer.length > 0, true)
    }
    const hardware = Buffer.from('HW_0001#A')
    const names = [otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.1', hwSerialNum: hardware })]
    const device = await makeDevice(maker, hardware.toString(), {
      subject: nameOf({ commonName: 'module' }),
      extensions: [makeExtension(extensionKinds.subjectAltName, names)],
    })
    await onboarded(hardware.toString(), device)
  })

  it('in place of a MUD URL, are no intent', async () => {
    for (const [i, url] of ['javascript:alert(1)', 'https://a\u001b[2J', `https://${'a'.repeat(5000)}`].entries()) {
      const extensions = [makeExtension(extensionKinds.mudUrl, url)]
      const serial = `MUD-${i}`
      await onboarded(serial, await makeDevice(maker, serial, { extensions }))
      const device = await home.site.read(tables => tables.device.get(deviceId('globex', serial)))
      assert.equal(device?.mudUrl, undefined)
    }
  })

  async function onboarded(serial: string, device: Awaited<ReturnType<typeof makeDevice>>) {
    await expectDevice(home.site, { manufacturer: 'globex', serial }, 'test')
    const pledge = pledgeOf(home, device)
    const answer = await pledge.post(await pledge.voucherRequest())
    assert.equal(answer.status, 200, `${serial}: ${String(answer.body)}`)
    const csr = keySigner(generateKey('P-256'))
    const enrolled = await pledgeOf(home, { ...device, serial: 'any' }).enroll(csr)
    assert.equal(enrolled.status, 200, `${serial}: ${String(enrolled.body)}`)
    const { certificates } = decodeCertsOnly(Buffer.from(String(enrolled.body), 'base64'))
    return decodeCertificate(certificates[0] ?? new Uint8Array())
  }

  it('of objects, are no operations', async () => {
    const pledge = pledgeOf(home, home.unit('B1-000001'))
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      for (const method of ['GET', 'POST']) {
        for (const root of ['/.well-known/est/', '/.well-known/brski/', '']) {
          const reply = await pledge.request(method, `${root}${name}`, 'text/plain', '')
          assert.deepEqual(reply, { status: 404 }, `${method} ${root}${name}`)
        }
      }
    }
  })
})
