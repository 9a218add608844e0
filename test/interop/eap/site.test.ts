import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { furnish, type House, openHouse } from '../../../lab/all-in-one/house.ts'
import { type Attempt, honest, onboard } from '../../../lab/all-in-one/pledge.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import {
  attributeValue,
  decodeRadius,
  integerAttribute,
  type RadiusAttribute,
  radiusAttribute,
  radiusCode,
  textAttribute,
} from '../../../src/codec/radius.ts'
import type { Certificate } from '../../../src/codec/x509/certificate.ts'
import {
  sealRadiusRequest,
  sealRadiusResponse,
  verifyRadiusRequest,
  verifyRadiusResponse,
} from '../../../src/crypto/radius.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { AccessSession } from '../../../src/domain/access-session.ts'
import { addNetwork } from '../../../src/role/onboarding/network-directory.ts'
import { client } from '../../adapter/network/access.ts'
import { needs } from '../../peer.ts'
import { access, authenticate } from './supplicant.ts'

const serverName = 'gateway.home.example'
const sharedSecret = 'harbour-Wall-42-gulls'
const secret = new Secret(sharedSecret)

/** An access point as far as Disconnect goes: it acknowledges, and tells whom it was asked to cut off. */
async function accessPoint() {
  const socket = createSocket('udp4')
  const asked: ReturnType<typeof decodeRadius>[] = []
  const waiting: (() => void)[] = []
  socket.on('message', (datagram, from) => {
    const packet = decodeRadius(datagram)
    verifyRadiusRequest(datagram, packet, secret)
    asked.push({
      ...packet,
      attributes: packet.attributes.map(({ type, value }) => ({ type, value: Buffer.from(value) })),
    })
    socket.send(
      sealRadiusResponse({ code: radiusCode.disconnectAck, attributes: [] }, packet, secret),
      from.port,
      from.address,
    )
    for (const wake of waiting.splice(0)) wake()
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return {
    port: socket.address().port,
    asked,
    async disconnected() {
      while (asked.length === 0) await new Promise<void>(resolve => waiting.push(resolve))
      return asked.shift()!
    },
    close: () => socket.close(),
  }
}

suite('A device at an access point of the site', needs('eapol_test'), () => {
  let data = ''
  let house: House
  let ap: Awaited<ReturnType<typeof accessPoint>>
  const devices: Attempt[] = []
  let next = 0
  const pemOf = ({ key, certificate }: Attempt) => ({
    pem: {
      certificate: encodePem('CERTIFICATE', certificate!),
      key: key!.export({ type: 'pkcs8', format: 'pem' }).toString(),
    },
  })
  const enter = (device: { pem: { certificate: string; key: string } }, more: object = {}) =>
    authenticate({
      port: house.site.networkAccess.listening!.authentication.port,
      secret: sharedSecret,
      device,
      ca: { pem: { certificate: encodePem('CERTIFICATE', house.site.authority.root.der) } },
      serverName,
      version: 'TLSv1.3',
      mac: `02:00:00:00:01:${String(++next).padStart(2, '0')}`,
      ...more,
    })
  const recordOf = async ({ unit }: Attempt) => {
    const [device] = await house.site.store.read(tables => tables.device.find({ serial: unit.serial }))
    return device!
  }
  const sessionsOf = async (attempt: Attempt): Promise<readonly AccessSession[]> => {
    const { id } = await recordOf(attempt)
    return house.site.store.read(tables => tables.accessSession.find({ device: id }))
  }
  const refusals = async (): Promise<string[]> => {
    const { events } = await house.site.store.feed({}, 1000)
    return events
      .filter(({ kind }) => kind === 'stranger-refused')
      .map(({ body }) => String((body as { code: string }).code))
  }

  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'mooring-access-'))
    const radius = { host: '127.0.0.1', port: 0, accountingPort: 0 }
    house = await openHouse({ data }, { site: { hosts: ['127.0.0.1', serverName], radius } })
    const { masaRoot, units } = await furnish(house, 'b1', 5)
    for (const unit of units) {
      const attempt: Attempt = { unit }
      await onboard(attempt, { port: house.site.port, masaRoot }, honest)
      devices.push(attempt)
    }
    ap = await accessPoint()
    const terms = { name: 'gw1', address: '127.0.0.1', disconnectPort: ap.port, secret }
    await house.site.networkAccess.clients.add(terms, 'test')
  })
  after(async () => {
    ap?.close()
    await house?.close()
    await rm(data, { recursive: true })
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`gets in with its network credential (${version}), and a session says where it is`, async () => {
      const device = devices[0]!
      const { success, keysAgreed, output } = await enter(pemOf(device), { version, again: 1 })
      assert.ok(success, output.slice(-3000))
      assert.equal(keysAgreed, 2)
      const session = (await sessionsOf(device)).at(-1)!
      assert.deepEqual([session.state, session.client, session.port], ['granted', 'gw1', 'port3'])
      assert.match(output, /Attribute 25 \(Class\)/)
      const hours = (session.until - session.seenAt) / 3_600_000
      assert.ok(hours >= 0.9 && hours <= 1.1, `${hours}`)
    })
  }

  test('is told the VLAN of its segment', async () => {
    const device = devices[1]!
    const { site } = house
    const terms = {
      ssid64: Buffer.from('harbour').toString('base64url'),
      akm: 'dot1x' as const,
      segments: [{ name: 'devices', vlan: 30, group: 'devices' }],
      passphraseLength: 32,
      channels: [],
      netAccessKeyCurve: 'P-256' as const,
      cSignCurve: 'P-256' as const,
      pmksaCaching: false,
      dot1x: { serverName },
    }
    await addNetwork({ store: site.store, clock: site.clock }, 'harbour', terms, 'test')
    const { success, output } = await enter(pemOf(device), { more: ['-N', '30:s:02-00-00-00-00-AA:harbour'] })
    assert.ok(success, output.slice(-3000))
    assert.match(output, /Attribute 81 \(Tunnel-Private-Group-Id\)[^\n]*\n[^\n]*3330\b/)
    const [session] = await sessionsOf(device)
    assert.deepEqual([session!.segment, session!.vlan, session!.ssid], ['devices', 30, 'harbour'])
  })

  test('with a certificate of somebody else, or one of its own making, stays out, and the reason is on record', async () => {
    const foreign = await access()
    const stranger = await foreign.device(devices[0]!.unit.serial)
    const { success } = await enter(stranger)
    assert.equal(success, false)
    assert.ok((await refusals()).includes('access-certificate-foreign'))
  })

  test('with its birth certificate gets nowhere but to onboarding, and here there is no segment for that', async () => {
    const { unit } = devices[0]!
    const pem = {
      certificate: unit.chain.map(der => encodePem('CERTIFICATE', der)).join(''),
      key: unit.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
    assert.equal((await enter({ pem })).success, false)
  })

  test('with another device’s certificate and its own key stays out', async () => {
    const pem = { certificate: pemOf(devices[0]!).pem.certificate, key: pemOf(devices[1]!).pem.key }
    assert.equal((await enter({ pem }, { timeout: 2 })).success, false)
  })

  test('is on the network when accounting says so, and gone when it says that', async () => {
    const device = devices[2]!
    const { output } = await enter(pemOf(device))
    const given = /Attribute 25 \(Class\) length=\d+\s+Value: ([0-9a-f]+)/.exec(output)![1]!
    const peer = await client(house.site.networkAccess.listening!.accounting.port)
    const report = async (status: number, more: readonly RadiusAttribute[] = [], by = secret) => {
      const attributes = [
        integerAttribute(radiusAttribute.acctStatusType, status),
        textAttribute(radiusAttribute.acctSessionId, 'A1B2'),
        { type: radiusAttribute.class, value: Buffer.from(given, 'hex') },
        ...more,
      ]
      const request = { code: radiusCode.accountingRequest, identifier: status, attributes }
      const bytes = sealRadiusRequest(request, by)
      await peer.send(bytes)
      return bytes
    }
    try {
      // Somebody who does not know the secret ends nobody's session.
      await report(2, [], new Secret('a-secret-that-is-another'))
      const bytes = await report(1)
      const answer = await peer.answer()
      verifyRadiusResponse(answer, decodeRadius(answer), decodeRadius(bytes), { secret, optional: true })
      assert.deepEqual([(await sessionsOf(device))[0]!.state, (await recordOf(device)).rung], ['open', 'connected'])
      await report(3, [integerAttribute(42, 1000), integerAttribute(52, 1), integerAttribute(43, 70)])
      await peer.answer()
      const [counted] = await sessionsOf(device)
      assert.deepEqual([counted!.received, counted!.sent], [2 ** 32 + 1000, 70])
      await report(2, [integerAttribute(radiusAttribute.acctTerminateCause, 1)])
      await peer.answer()
      const [ended] = await sessionsOf(device)
      assert.deepEqual([ended!.state, ended!.endReason], ['ended', 'the device left'])
    } finally {
      peer.close()
    }
  })

  test('is cut off as soon as it is withdrawn, and does not come back', async () => {
    const device = devices[3]!
    assert.ok((await enter(pemOf(device))).success)
    const { id, credential } = await recordOf(device)
    await house.site.revocation.revoke(credential!, 'keyCompromise', 'test')
    const asked = await ap.disconnected()
    assert.equal(asked.code, radiusCode.disconnectRequest)
    const station = Buffer.from(attributeValue(asked, radiusAttribute.callingStationId)!).toString()
    assert.match(station, /^02-00-00-00-01-\d\d$/)
    assert.ok(attributeValue(asked, radiusAttribute.eventTimestamp))
    // The end is written after the access point has said so.
    await house.site.networkAccess.watch.review()
    assert.equal((await enter(pemOf(device))).success, false)
    assert.ok((await refusals()).includes('credential-not-in-force'))
    const history = await house.site.store.history(`device/${id}`)
    assert.ok(history.some(({ kind }) => kind === 'access-ended'))
  })

  test('keeps a record that verifies, without a shared secret in it', async () => {
    const verdict = await house.site.store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    const { events } = await house.site.store.feed({}, 1000)
    assert.ok(!JSON.stringify(events).includes(sharedSecret))
    const records = await house.site.store.read(tables => tables.radiusClient.find({}))
    assert.ok(!JSON.stringify(records).includes(sharedSecret))
  })
})

suite('A device that has only its birth certificate yet', needs('eapol_test'), () => {
  let data = ''
  let house: House
  const units: Attempt[] = []
  let masaRoot: Certificate
  const enter = (pem: { certificate: string; key: string }) =>
    authenticate({
      port: house.site.networkAccess.listening!.authentication.port,
      secret: sharedSecret,
      device: { pem },
      ca: { pem: { certificate: encodePem('CERTIFICATE', house.site.authority.root.der) } },
      serverName,
      version: 'TLSv1.3',
      timeout: 10,
    })
  const born = ({ unit: { chain, key } }: Attempt) => ({
    certificate: chain.map(der => encodePem('CERTIFICATE', der)).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  })
  const deviceOf = async ({ unit }: Attempt) => {
    const [device] = await house.site.store.read(tables => tables.device.find({ serial: unit.serial }))
    return device!
  }
  const segmentsOf = async (attempt: Attempt) => {
    const { id } = await deviceOf(attempt)
    const sessions = await house.site.store.read(tables => tables.accessSession.find({ device: id }))
    return sessions.map(({ segment, credential, until, seenAt }) => ({
      segment,
      credential: credential !== '',
      minutes: Math.round((until - seenAt) / 60_000),
    }))
  }

  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'mooring-newcomer-'))
    const radius = { host: '127.0.0.1', port: 0, accountingPort: 0, onboardingSegment: 'onboarding' }
    house = await openHouse({ data }, { site: { hosts: ['127.0.0.1', serverName], radius } })
    const furnished = await furnish(house, 'b1', 3)
    masaRoot = furnished.masaRoot
    for (const unit of furnished.units) units.push({ unit })
    const terms = { name: 'gw1', address: '127.0.0.1', disconnectPort: 0, secret }
    await house.site.networkAccess.clients.add(terms, 'test')
  })
  after(async () => {
    await house?.close()
    await rm(data, { recursive: true })
  })

  test('gets into the onboarding segment, for minutes, and with its network credential to where it belongs', async () => {
    const device = units[0]!
    assert.ok((await enter(born(device))).success)
    const [first, ...others] = await segmentsOf(device)
    assert.deepEqual([first!.segment, first!.credential, others.length], ['onboarding', false, 0])
    assert.ok(first!.minutes >= 9 && first!.minutes <= 11)
    await onboard(device, { port: house.site.port, masaRoot }, honest)
    const pem = {
      certificate: encodePem('CERTIFICATE', device.certificate!),
      key: device.key!.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
    assert.ok((await enter(pem)).success)
    const after = await segmentsOf(device)
    const operating = after.filter(({ credential }) => credential)
    assert.deepEqual(
      operating.map(({ segment }) => segment),
      ['devices'],
    )
  })

  test('stays out when people have turned it away, and when it is a copy', async () => {
    const withdrawn = units[1]!
    await house.site.approval.withdraw((await deviceOf(withdrawn)).id, 'test', 'test')
    assert.equal((await enter(born(withdrawn))).success, false)
    const stranger = await access()
    const copy = await stranger.device(units[2]!.unit.serial)
    assert.equal((await enter(copy.pem)).success, false)
    assert.ok((await enter(born(units[2]!))).success)
    const { events } = await house.site.store.feed({}, 1000)
    const codes = events.flatMap(({ kind, body }) =>
      kind === 'stranger-refused' ? [(body as { code: string }).code] : [],
    )
    assert.ok(codes.includes('device-withdrawn') && codes.includes('idevid-untrusted'), codes.join(' '))
  })

  test('leaves a record that verifies', async () => {
    const verdict = await house.site.store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
  })
})
