import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { EndpointReply } from '../../../src/domain/port.ts'
import { openVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { brskiPath } from '../../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../../src/role/onboarding/presence.ts'
import { expectUnit, type Neighbourhood, openNeighbourhood, pledgeOf, testPeer } from './neighbourhood.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]

describe('a site onboards by BRSKI', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 6 })
  })
  after(() => home.close())

  it('takes an expected device from its voucher request to a connection [S5.C2]', async () => {
    const unit = home.unit('B1-000001')
    const id = await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const answer = await pledge.post(request)
    assert.equal(answer.status, 200, String(answer.body))
    const voucher = openVoucherArtifact(Buffer.from(answer.body ?? ''), { kind: 'voucher' })
    assert.equal(voucher.value.assertion, 'proximity')
    assert.deepEqual(
      Buffer.from(voucher.value['pinned-domain-cert'] ?? ''),
      Buffer.from(home.authority.issuing.certificate.der),
    )
    assert.equal((await pledge.status(brskiPath.voucherStatus, true)).status, 200)

    const key = keySigner(generateKey('P-256'))
    const enrolled = await pledge.enroll(key)
    assert.equal(enrolled.status, 200, String(enrolled.body))
    const { certificates } = decodeCertsOnly(Buffer.from(String(enrolled.body), 'base64'))
    const ldevid = decodeCertificate(certificates[0] ?? new Uint8Array())
    assert.deepEqual(Buffer.from(ldevid.spkiDer), key.spkiDer)

    const connected = pledgeOf(home, unit, { peer: testPeer([ldevid.der], home.authority.registrar.certificate.der) })
    assert.equal((await connected.status(brskiPath.enrollStatus, true)).status, 200)
    const presence = await connected.request('GET', presencePath, '', '')
    assert.equal(presence.status, 200)
    assert.deepEqual(JSON.parse(String(presence.body)), { network: 'home', device: id, serial: unit.serial })

    const device = await home.site.read(tables => tables.device.get(id))
    assert.equal(device?.rung, 'connected')
    assert.equal(device?.lifecycle, 'US.COM')
    assert.equal((await home.site.verify()).integrity, 'pass')
    const again = await pledge.post(request)
    assert.deepEqual(again.body, answer.body, 'the same request has the same answer')
  })

  it('lets a device that nobody expects wait, and admits it after approval', async () => {
    const unit = home.unit('B1-000002')
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const waiting = await pledge.post(request)
    assert.equal(waiting.status, 202)
    assert.equal(waiting.headers?.['retry-after'], '5')
    const [device] = await home.site.read(tables => tables.device.find({ standing: 'waiting' }))
    assert.equal(device?.serial, unit.serial)
    await pledge.post(request)
    const later = await home.site.read(tables => tables.device.get(device?.id ?? ''))
    assert.equal(later?.version, device?.version, 'asking again writes nothing')
    await expectUnit(home, unit.serial)
    assert.equal((await pledge.post(request)).status, 200)
  })

  it('refuses, each with its code', async t => {
    const unit = home.unit('B1-000003')
    await expectUnit(home, unit.serial)
    const other = home.unit('B1-000004')
    const honest = pledgeOf(home, unit)
    const attacks: Record<string, { readonly code: string; readonly run: () => Promise<EndpointReply> }> = {
      'no client certificate': {
        code: 'idevid-missing',
        run: async () =>
          pledgeOf(home, unit, { peer: testPeer([], home.authority.registrar.certificate.der) }).post(
            await honest.voucherRequest(),
          ),
      },
      'a request signed by another device': {
        code: 'signer-not-tls-client',
        run: async () => honest.post(await pledgeOf(home, other).voucherRequest()),
      },
      'another serial number': {
        code: 'serial-mismatch',
        run: async () => honest.post(await honest.voucherRequest({ 'serial-number': other.serial })),
      },
      'another registrar seen': {
        code: 'proximity-mismatch',
        run: async () =>
          honest.post(await honest.voucherRequest({ 'proximity-registrar-cert': home.authority.root.der })),
      },
      'no proximity': {
        code: 'proximity-mismatch',
        run: async () => honest.post(await honest.voucherRequest({ assertion: 'logged' })),
      },
      'a damaged signature': {
        code: 'signature-invalid',
        run: async () => {
          const request = await honest.voucherRequest()
          request[request.length - 1] = (request.at(-1) ?? 0) ^ 1
          return honest.post(request)
        },
      },
      garbage: { code: 'request-malformed', run: () => honest.post(Buffer.from('0382ffff', 'hex')) },
      'a wrong content type': {
        code: 'media-type-unknown',
        run: async () => honest.request('POST', brskiPath.requestVoucher, 'text/html', await honest.voucherRequest()),
      },
      'enrolment without a voucher': {
        code: 'enroll-before-voucher',
        run: () => pledgeOf(home, unit).enroll(keySigner(generateKey('P-256'))),
      },
      'presence with a birth certificate': {
        code: 'credential-required',
        run: () => honest.request('GET', presencePath, '', ''),
      },
    }
    for (const [name, { code, run }] of Object.entries(attacks)) {
      await t.test(name, async () => {
        // The device may have no record yet for some of these; admission makes one without admitting anything else.
        const reply = await run()
        assert.equal(codeOf(reply), code)
        assert.ok(reply.status >= 400)
      })
    }
    const device = await home.site.read(tables => tables.device.find({ serial: unit.serial }))
    assert.equal(device[0]?.voucher, undefined)
  })

  it('passes on why the manufacturer refused', async () => {
    const unit = home.unit('B1-000005')
    const id = await expectUnit(home, unit.serial)
    await home.factory.transaction(async tx => {
      const record = await tx.unit.get(unit.serial)
      if (record !== undefined) await tx.unit.put({ ...record, owner: 'thief', domains: ['somebody else'] })
    })
    const pledge = pledgeOf(home, unit)
    const reply = await pledge.post(await pledge.voucherRequest())
    assert.equal(codeOf(reply), 'owner-mismatch')
    const device = await home.site.read(tables => tables.device.get(id))
    assert.equal(device?.refusal?.code, 'owner-mismatch')
  })

  it('survives a MASA that is down, slow or lying, and onboards when it is back', async () => {
    const unit = home.unit('B1-000006')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const honest = home.masaClient.answer
    const lies: Record<string, { readonly code: string; readonly answer: typeof honest }> = {
      down: {
        code: 'masa-unreachable',
        answer: async () => {
          throw new OnboardingError('masa-unreachable')
        },
      },
      overloaded: {
        code: 'masa-unreachable',
        answer: async () => ({ status: 503, contentType: 'text/plain', body: Buffer.from('busy') }),
      },
      nonsense: {
        code: 'masa-answer-invalid',
        answer: async () => ({
          status: 200,
          contentType: 'application/voucher-cms+json',
          body: Buffer.from('0300', 'hex'),
        }),
      },
      'another type': {
        code: 'masa-answer-invalid',
        answer: async () => ({ status: 200, contentType: 'text/html', body: Buffer.from('<html>') }),
      },
      'its own request back': {
        code: 'masa-answer-invalid',
        answer: async request => ({ status: 200, contentType: request.contentType, body: request.body }),
      },
    }
    for (const [name, { code, answer }] of Object.entries(lies)) {
      home.masaClient.answer = answer
      const reply = await pledge.post(await pledge.voucherRequest())
      assert.equal(codeOf(reply), code, name)
    }
    home.masaClient.answer = honest
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
  })
})
