import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { usesAkm } from '../../../src/domain/network-definition.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { acceptConfigurations } from '../../../src/protocol/dpp/configuration-check.ts'
import type { ConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import type { EnrolleeAnswer, EnrolleeWish } from '../../../src/role/onboarding/enrollee-decision.ts'
import { openCsr } from '../../../src/role/onboarding/network-credential.ts'
import { type Gate, withGate } from '../authorization/gate.ts'
import { type DppSite, defineNetwork, dppSite, newLamp } from './dpp-site.ts'

let attempts = 0

async function wish(
  site: DppSite,
  key: Awaited<ReturnType<DppSite['bootstrapping']['add']>>['key'],
  over: Partial<EnrolleeWish> & { readonly asked?: Partial<ConfigurationRequest> } = {},
): Promise<{ readonly answer: EnrolleeAnswer; readonly wish: EnrolleeWish }> {
  const { asked = {}, ...rest } = over
  const whole: EnrolleeWish = {
    mutual: false,
    request: { name: 'lamp', netRole: 'sta', thirdParty: {}, ...asked },
    version: 2,
    protocolKey: generateDppKey('P-256'),
    openCsr,
    ...rest,
  }
  const id = `${++attempts}`.padStart(64, '0')
  return {
    answer: await site.decisions.configure({ key, id, transcript: id, address: '192.0.2.7:1' }, whole),
    wish: whole,
  }
}

function configured(answer: EnrolleeAnswer): Extract<EnrolleeAnswer, { type: 'configured' }> {
  assert.equal(answer.type, 'configured', JSON.stringify(answer))
  return answer as Extract<EnrolleeAnswer, { type: 'configured' }>
}

const credentialsOf = (gate: Gate, device: string) => gate.store.read(tables => tables.credential.find({ device }))

for (const akm of ['dpp', 'psk', 'sae', 'psk+sae', 'dpp+sae', 'dpp+psk+sae'] as const) {
  test(`an expected device is configured for ${akm}, and the credential stands in the record`, () =>
    withGate(async gate => {
      const site = dppSite(gate)
      await defineNetwork(gate, { akm })
      const { key, device } = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
      const asked = await wish(site, key, { mutual: true, asked: { mudurl: 'https://maker.example/lamp.json' } })
      const {
        objects,
        credentials: [credential],
      } = configured(asked.answer)
      const [object] = acceptConfigurations(objects, {
        netAccessKey: asked.wish.protocolKey,
        at: new Date(gate.clock()),
      })
      assert.equal(object?.cred.akm, akm)
      assert.equal(Buffer.from(object.ssid).toString(), 'lamps')
      assert.deepEqual(object.connector?.groups, [{ groupId: 'lamps', netRole: 'sta' }])
      const [record] = await credentialsOf(gate, device.id)
      assert.deepEqual(
        [record?.id, record?.status, record?.form, record?.network],
        [credential, 'issued', 'connector', 'lamps'],
      )
      const secret = usesAkm(akm, 'psk') || usesAkm(akm, 'sae')
      assert.equal(object.cred.pass?.reveal().length, secret ? 32 : undefined)
      if (secret) {
        const everything = JSON.stringify([record, await gate.store.history(`device/${device.id}`)])
        assert.ok(!everything.includes(object.cred.pass!.revealText()), 'nobody can read the secret in the record')
      }
      const known = await gate.device(device.id)
      assert.deepEqual(
        [known?.rung, known?.credential, known?.mudUrl],
        ['credentialed', credential, 'https://maker.example/lamp.json'],
      )
    }))
}

test('two devices get two secrets and two Connectors', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate, { akm: 'psk+sae' })
    const secrets = new Set<string>()
    for (const serial of ['A1', 'A2']) {
      const { key } = await site.bootstrapping.add({ uri: newLamp().uri, serial, manufacturer: 'fjord' }, 'somebody')
      const { answer, wish: asked } = await wish(site, key)
      const [object] = acceptConfigurations(configured(answer).objects, { netAccessKey: asked.protocolKey })
      secrets.add(object!.cred.pass!.revealText())
    }
    assert.equal(secrets.size, 2)
  }))

test('enterprise: the CSR is asked for, and answered with a certificate of the issuing CA, leaf first', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate, { akm: 'dot1x', dot1x: { serverName: 'radius.harbour.example' } })
    const { key, device } = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
    const protocolKey = generateDppKey('P-256')
    const first = await wish(site, key, { protocolKey })
    assert.equal(first.answer.type, 'csr-needed')
    const subject = encodeName({ commonName: 'lamp' })
    const pkcs10 = await createCsr({ subject }, keySigner(protocolKey.privateKey))
    const second = await wish(site, key, { protocolKey, asked: { pkcs10 } })
    const {
      objects,
      credentials: [credential],
    } = configured(second.answer)
    const [object] = acceptConfigurations(objects, { netAccessKey: protocolKey })
    const { certBag, trustedEapServerName, eapMethods } = object!.cred.entCreds!
    const leaf = decodeCertificate(certBag[0]!)
    assert.deepEqual(leaf.spkiDer, protocolKey.key.export({ type: 'spki', format: 'der' }))
    assert.equal(trustedEapServerName, 'radius.harbour.example')
    assert.deepEqual(eapMethods, [13])
    assert.deepEqual(decodeCertificate(certBag[1]!).der, gate.authority.issuing.certificate.der)
    const record = (await credentialsOf(gate, device.id)).find(({ id }) => id === credential)
    assert.deepEqual(
      [record?.id, record?.form, record?.network, record?.access?.akm],
      [credential, undefined, 'lamps', 'dot1x'],
    )
    const broken = await wish(site, key, { asked: { pkcs10: pkcs10.subarray(1) } })
    assert.deepEqual(broken.answer, { type: 'refused', status: dppStatus.csrBad, code: 'csr-invalid' })
    const old = await wish(site, key, { version: 1, asked: { pkcs10 } })
    assert.equal(old.answer.type === 'refused' && old.answer.code, 'network-version-old')
  }))

test('only what a person named as an access point becomes one', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
    const ap = await site.bootstrapping.add({ uri: newLamp().uri, netRole: 'ap' }, 'somebody')
    for (const netRole of ['ap', 'configurator'] as const) {
      const { answer } = await wish(site, lamp.key, { asked: { netRole } })
      assert.equal(answer.type === 'refused' && answer.code, 'dpp-role-refused', netRole)
    }
    const asked = await wish(site, ap.key, { asked: { netRole: 'ap' } })
    const [object] = acceptConfigurations(configured(asked.answer).objects, { netAccessKey: asked.wish.protocolKey })
    assert.deepEqual(object?.connector?.groups, [{ groupId: 'lamps', netRole: 'ap' }])
    const history = await gate.store.history(`device/${lamp.device.id}`)
    assert.ok(history.some(({ kind, body }) => kind === 'onboarding-refused' && body['code'] === 'dpp-role-refused'))
  }))

test('who is not let in gets a status, and the record the reason', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const { key, device } = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
    const without = await wish(site, key)
    assert.deepEqual(without.answer, { type: 'refused', status: dppStatus.configureFailure, code: 'network-undefined' })
    await defineNetwork(gate)
    const stolen = { ...newLamp().pair }
    const reused = await site.bootstrapping.add({ uri: newLamp('P-256').uri }, 'somebody')
    assert.equal((await wish(site, reused.key, { protocolKey: stolen })).answer.type, 'configured')
    await gate.approval.deny(device.id, 'somebody')
    const denied = await wish(site, key)
    assert.deepEqual(denied.answer, { type: 'refused', status: dppStatus.configureFailure, code: 'device-denied' })
    assert.equal((await gate.device(device.id))?.refusal?.code, 'device-denied')
    assert.equal(
      (await site.decisions.knock({ key, id: 'k', transcript: 'k', address: '192.0.2.7:1' })).verdict,
      'refuse',
    )
  }))

test('the key of the label is no key for a credential', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { key } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const { answer } = await wish(site, key, { protocolKey: lamp.pair })
    assert.equal(answer.type === 'refused' && answer.code, 'dpp-key-in-use')
  }))

test('a newer configuration ends the one before it once the device has taken it, and a rejected one is revoked', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { key, device } = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
    const [first, second, third] = await (async () => {
      const made: string[] = []
      for (let n = 0; n < 3; n++) made.push(configured((await wish(site, key)).answer).credentials[0])
      return made
    })()
    await site.outcomes.resulted(key, [second!], dppStatus.ok)
    await site.outcomes.resulted(key, [third!], dppStatus.configurationRejected)
    const status = new Map((await credentialsOf(gate, device.id)).map(record => [record.id, record]))
    assert.equal(status.get(first!)?.revocationReason, 'superseded')
    assert.equal(status.get(third!)?.status, 'revoked')
    const known = await gate.device(device.id)
    assert.equal(known?.refusal?.code, 'dpp-configuration-rejected')
  }))

test('a device that says it is connected is', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { key, device } = await site.bootstrapping.add({ uri: newLamp().uri }, 'somebody')
    const { credentials } = configured((await wish(site, key)).answer)
    await site.outcomes.resulted(key, credentials, dppStatus.ok)
    await site.outcomes.connected(key, credentials, 10)
    assert.equal((await gate.device(device.id))?.refusal?.code, 'dpp-not-connected')
    await site.outcomes.connected(key, credentials, dppStatus.ok)
    assert.equal((await gate.device(device.id))?.rung, 'connected')
  }))
