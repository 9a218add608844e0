import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { enrolleeTransport } from '../../../src/adapter/network/dpp-connection.ts'
import { buildStage, type Maker, type Stage } from '../../../src/app/demo/stage.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import type { NetworkAkm, NetworkTerms } from '../../../src/domain/network-definition.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { readBirth } from '../../../src/role/device/birth.ts'
import { type Enrollee, type EnrolleeProgress, type Meeting, openEnrollee } from '../../../src/role/device/enrollee.ts'
import { supplicantFiles } from '../../../src/role/device/network-block.ts'
import { addNetwork, changeNetwork } from '../../../src/role/onboarding/network-directory.ts'
import { partyStores } from '../../store.ts'
import { quiet } from './workbench.ts'

const terms = (akm: NetworkAkm): NetworkTerms => ({
  ssid64: Buffer.from('harbour').toString('base64url'),
  akm,
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: [],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-256',
  pmksaCaching: false,
  ...(akm === 'dot1x' && { dot1x: { serverName: 'radius.harbour' } }),
})
const akms: readonly NetworkAkm[] = ['dpp', 'psk', 'sae', 'psk+sae', 'dpp+sae', 'dpp+psk+sae', 'dot1x']

suite('An Enrollee that wants its manufacturer’s word, at a site', () => {
  let stage: Stage
  let lumen: Maker
  let code: string
  before(async () => {
    const unlisted = ['L26-000009']
    const place = { log: quiet, ...partyStores() }
    const names = { owner: 'harbour', network: 'harbour', unlisted, foreign: [] }
    stage = await buildStage({ ...names, ...place, units: 1, lamps: 10 }, () => {})
    lumen = stage.makers.find(({ joins }) => joins === 'dpp') ?? assert.fail()
    const { store, clock, configurator } = stage.site
    await addNetwork({ store, clock }, 'harbour', terms('dpp'), 'test')
    code = (await configurator.identity()).uri
  })
  after(() => stage.close())

  async function open(serial: string): Promise<Enrollee> {
    const housing = lumen.housings.get(serial) ?? assert.fail()
    return openEnrollee(await readBirth(housing.store), {
      ...housing,
      model: { ...lumen.model, mudUrl: 'https://mud.lumen.example/lamp-3.json' },
      transport: enrolleeTransport(),
      clock: Date.now,
      random: randomBytes,
      sleep: () => Promise.resolve(),
      log: quiet,
      ownership: 'declaration',
      installer: {
        install: async () => {},
        tryConnection: async () => ({ result: dppStatus.ok }),
      },
    })
  }

  /** One try. */
  async function join(serial: string, how: Partial<Meeting> = {}): Promise<readonly EnrolleeProgress[]> {
    const news: EnrolleeProgress[] = []
    const off = new AbortController()
    const meeting = { address: `127.0.0.1:${stage.site.dppPort}`, ...how }
    for await (const each of (await open(serial)).onboard(meeting, off.signal)) {
      if (each.type === 'resting') off.abort()
      else if (each.type !== 'trying') news.push(each)
    }
    return news
  }

  const deviceOf = (serial: string) => stage.site.store.read(tables => tables.device.get(stage.device(serial)))
  const rungs = (news: readonly EnrolleeProgress[]) =>
    news.map(each => (each.type === 'climbed' ? each.rung : each.type))
  const ladder = ['heard', 'authenticated', 'authorized', 'credentialed', 'connected']

  akms.forEach((akm, i) => {
    // Odd ones have scanned the site's code and begin themselves: authentication is mutual, as the site knows theirs.
    const mutual = i % 2 === 1
    test(`${akm}, ${mutual ? 'mutual' : 'announced'}`, async () => {
      const { store, clock } = stage.site
      await changeNetwork({ store, clock }, 'harbour', () => terms(akm), 'test')
      const serial = `L26-00000${i + 1}`
      const news = await join(serial, mutual ? { configurator: parseBootstrappingUri(code) } : {})
      assert.deepEqual(rungs(news), ladder)
      const stored = (await (await open(serial)).networks()) ?? assert.fail()
      assert.deepEqual(
        stored.networks.map(({ ssid, cred }) => `${Buffer.from(ssid).toString()} ${cred.akm}`),
        [`harbour ${akm}`],
      )
      assert.match(supplicantFiles(stored, '/etc/lamp').configuration, /key_mgmt=/)
      const device = await deviceOf(serial)
      assert.ok(device?.rung === 'credentialed' || device?.rung === 'connected', device?.rung)
      if (akm !== 'dot1x') return
      const [leaf = assert.fail()] = stored.networks[0]?.cred.entCreds?.certBag ?? []
      const spki = stored.netAccessKey.key.export({ type: 'spki', format: 'der' })
      assert.deepEqual(Buffer.from(decodeCertificate(leaf).spkiDer), spki)
    })
  })

  /** One try of a device that its network lets in no more. */
  async function comeBack(serial: string): Promise<readonly EnrolleeProgress[]> {
    const news: EnrolleeProgress[] = []
    const off = new AbortController()
    const meeting = { address: `127.0.0.1:${stage.site.dppPort}` }
    for await (const each of (await open(serial)).reconfigure(meeting, off.signal)) {
      if (each.type === 'resting') off.abort()
      else if (each.type !== 'trying') news.push(each)
    }
    return news
  }

  test('comes back by its Connector, gets what holds now, and keeps its identity', async () => {
    const { store, clock, configurator } = stage.site
    for (const akm of ['dpp', 'sae'] as const) {
      await changeNetwork({ store, clock }, 'harbour', () => terms(akm), 'test')
      const serial = 'L26-000001'
      const before = (await (await open(serial)).networks()) ?? assert.fail()
      await configurator.access.reconfigure(stage.device(serial), 'test')
      assert.deepEqual(rungs(await comeBack(serial)), ladder)
      const now = (await (await open(serial)).networks()) ?? assert.fail()
      assert.equal(now.networks[0]?.cred.akm, akm)
      assert.notDeepEqual(
        now.networks[0]?.cred.connector?.signedConnector,
        before.networks[0]?.cred.connector?.signedConnector,
      )
      assert.deepEqual(now.identity?.point, before.identity?.point)
    }
  })

  test('does not come back when its access was taken away, and keeps what it had', async () => {
    const serial = 'L26-000002'
    const before = (await (await open(serial)).networks()) ?? assert.fail()
    await stage.site.configurator.access.revoke(stage.device(serial), 'test')
    const news = await comeBack(serial)
    assert.ok(news.some(({ type }) => type === 'refused'))
    const now = (await (await open(serial)).networks()) ?? assert.fail()
    assert.deepEqual(now.netAccessKey.point, before.netAccessKey.point)
  })

  test('cannot come back when it was never there', async () => {
    await assert.rejects(comeBack('L26-000010'), { code: 'reconfiguration-impossible' })
  })

  test('one on no manifest is answered by nobody, and once a person has scanned its code still wants its maker’s word', async () => {
    const serial = 'L26-000009'
    const silent = await join(serial)
    assert.deepEqual(
      silent.map(each => (each.type === 'refused' ? each.code : each.type)),
      ['configurator-unreachable'],
    )
    const { store, clock, configurator } = stage.site
    await changeNetwork({ store, clock }, 'harbour', () => terms('dpp'), 'test')
    const { text } = (await open(serial)).bootstrapping
    await configurator.bootstrapping.add({ uri: text, manufacturer: lumen.trustedAs, serial }, 'test')
    const rejected = new Promise<void>(resolve => {
      const stop = store.onCommit(
        events => {
          if (!events.some(({ kind }) => kind === 'onboarding-refused')) return
          stop()
          resolve()
        },
        ['device'],
      )
    })
    // Nobody signed anything for this site about it that the site could hand on.
    const news = await join(serial)
    assert.ok(news.some(each => each.type === 'refused' && each.code === 'declaration-missing'))
    await rejected
    assert.equal((await deviceOf(serial))?.refusal?.code, 'dpp-configuration-rejected')
  })
})
