import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { decodeCertificationRequest } from '../../../src/codec/pkcs10.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { type Enrollee, type EnrolleeProgress, type Meeting, openEnrollee } from '../../../src/role/device/enrollee.ts'
import type { OwnershipRule } from '../../../src/role/device/enrollee-check.ts'
import { enrolleeName } from '../../../src/role/device/enrollee-memory.ts'
import type { NetworkInstaller } from '../../../src/role/device/enrollee-port.ts'
import { readMark } from '../../../src/role/device/memory.ts'
import { fjordClimate } from '../../../src/role/device/model.ts'
import { certify, eku, now, type TestSigner } from '../../crypto/pki.ts'
import { silentLog } from '../../store.ts'
import {
  type Answer,
  connectorOf,
  type House,
  house,
  type Lamp,
  lamp,
  type Maker,
  maker,
  proofOf,
  soldTo,
  type TestConfigurator,
  type TestConfiguratorOptions,
  testConfigurator,
} from './dpp-network.ts'

interface Life {
  readonly rule?: OwnershipRule
  readonly meeting?: Partial<Meeting>
  readonly installer?: NetworkInstaller
  readonly version?: number
  readonly birthless?: boolean
}

async function open(device: Lamp, at: TestConfigurator, life: Life = {}): Promise<Enrollee> {
  const { keys, store, birth } = device
  const { rule = 'declaration', installer, version, birthless = false } = life
  return openEnrollee(birthless ? undefined : birth, {
    model: { ...fjordClimate, mudUrl: 'https://mud.example/lamp', retry: { firstMs: 1, maxMs: 1 } },
    keys,
    store,
    transport: at.transport,
    clock: () => now.getTime(),
    random: randomBytes,
    sleep: () => Promise.resolve(),
    log: silentLog,
    ownership: rule,
    ...(installer !== undefined && { installer }),
    ...(version !== undefined && { version }),
  })
}

/** Until it is in, or for one try: what came last. */
async function live(enrollee: Enrollee, meeting: Meeting): Promise<EnrolleeProgress[]> {
  const news: EnrolleeProgress[] = []
  const off = new AbortController()
  for await (const each of enrollee.onboard(meeting, off.signal)) {
    if (each.type === 'resting') off.abort()
    else if (each.type !== 'trying') news.push(each)
  }
  return news
}

async function once(device: Lamp, at: TestConfigurator, life: Life = {}): Promise<EnrolleeProgress[]> {
  return live(await open(device, at, life), { address: 'controller:8908', ...life.meeting })
}

const rungs = (news: readonly EnrolleeProgress[]) => news.map(each => (each.type === 'climbed' ? each.rung : each.type))
const codeOf = (news: readonly EnrolleeProgress[]) =>
  news.map(each => (each.type === 'refused' ? each.code : '')).at(-1)
const all = ['heard', 'authenticated', 'authorized', 'credentialed']

describe('an Enrollee', () => {
  let alice: House
  let eve: House
  let fjord: Maker
  let device: Lamp
  let declaration: Buffer
  before(async () => {
    alice = await house('Alice')
    eve = await house('Eve')
    fjord = await maker()
    declaration = await soldTo(fjord, 'L-1', alice)
  })
  const dpp =
    (of: () => House, thirdParty: () => Promise<object> = () => proofOf(alice, declaration)): Answer =>
    async ({ netAccessKey }) => ({
      cred: { akm: 'dpp', connector: connectorOf(of(), netAccessKey) },
      thirdParty: await thirdParty(),
    })
  const at = (answer: Answer, more: Partial<TestConfiguratorOptions> = {}) =>
    testConfigurator({ answer, scanned: [device.uri], ...more })
  const fresh = async (curve?: 'P-256' | 'P-384') => {
    device = await lamp(fjord, 'L-1', curve)
  }

  test('announces itself, and takes the network of its owner', async () => {
    for (const curve of ['P-256', 'P-384'] as const) {
      await fresh(curve)
      const controller = at(dpp(() => alice))
      const enrollee = await open(device, controller)
      assert.deepEqual(rungs(await live(enrollee, { address: 'controller' })), all)
      const { networks = [], netAccessKey } = (await enrollee.networks()) ?? {}
      assert.deepEqual(
        networks.map(({ cred }) => cred.akm),
        ['dpp'],
      )
      assert.equal(netAccessKey?.curve, curve)
      assert.deepEqual(controller.results, [dppStatus.ok])
      assert.deepEqual(controller.requests[0], {
        name: 'L-1',
        netRole: 'sta',
        mudurl: 'https://mud.example/lamp',
        capabilities: 1,
        thirdParty: {},
      })
    }
  })

  test('begins itself with a code that somebody showed to it, on whatever curve it is', async () => {
    for (const curve of ['P-256', 'P-384'] as const) {
      await fresh(curve)
      const controller = at(
        dpp(() => alice),
        { mutual: curve === 'P-256' },
      )
      assert.deepEqual(rungs(await once(device, controller, { meeting: { configurator: controller.uri } })), all)
    }
  })

  test('with networks it stays as it is, through power losses, and puts them in place again', async () => {
    await fresh()
    const controller = at(dpp(() => alice))
    const installed: string[] = []
    const installer = { install: async ({ origin }: { origin: string }) => void installed.push(origin) }
    await once(device, controller, { installer })
    assert.deepEqual(rungs(await once(device, controller, { installer })), ['credentialed'])
    assert.deepEqual([controller.connections, installed], [1, ['controller:8908', 'controller:8908']])
    const enrollee = await open(device, controller)
    await enrollee.forget()
    assert.equal(await enrollee.networks(), undefined)
  })

  test('power lost at any write leaves what was there before, or all of the new', async () => {
    for (let survives = 0; ; survives++) {
      await fresh()
      const controller = at(dpp(() => alice))
      let left = survives
      const store: typeof device.store = {
        ...device.store,
        write: async (name, value) => {
          if (left-- <= 0) throw new Error('power lost')
          await device.store.write(name, value)
        },
      }
      const news = await once({ ...device, store }, controller)
      const kept = await (await open(device, controller)).networks()
      assert.equal(kept !== undefined, rungs(news).includes('credentialed'))
      // Whatever was lost, with power again it gets there, or is there.
      assert.equal(rungs(await once(device, controller)).at(-1), 'credentialed')
      assert.equal(await readMark(device.store), 2)
      if (kept !== undefined) return assert.equal(survives, 2, 'the mark, and the networks')
    }
  })

  test('memory that cannot be read is like none', async () => {
    await fresh()
    for (const bytes of [
      Buffer.from('{'),
      Buffer.from('{"version":1}'),
      Buffer.from('{"version":1,"name":"a","origin":"b","objects":["e30="],"netAccessKey":"AA=="}'),
    ]) {
      await device.store.write(enrolleeName, bytes)
      assert.deepEqual(rungs(await once(device, at(dpp(() => alice)))), all)
    }
  })

  describe('refuses a network', () => {
    const refuses = async (
      code: string,
      answer: Answer,
      life: Life = {},
      more: Partial<TestConfiguratorOptions> = {},
    ) => {
      const controller = at(answer, more)
      assert.equal(codeOf(await once(device, controller, life)), code)
      assert.deepEqual(controller.results, [dppStatus.configurationRejected])
      assert.equal(await device.store.read(enrolleeName), undefined)
    }

    test('that proves nothing, as everybody could set one up who has a photograph of its code', async () => {
      await fresh()
      await refuses(
        'declaration-missing',
        dpp(
          () => eve,
          async () => ({}),
        ),
      )
      await refuses(
        'declaration-missing',
        dpp(
          () => eve,
          async () => ({}),
        ),
        { rule: 'known-configurator' },
      )
    })
    test('that shows copies of its owner’s declaration and statement', async () => {
      await fresh()
      await refuses(
        'declaration-invalid',
        dpp(() => eve),
      )
      await refuses(
        'declaration-invalid',
        dpp(() => eve),
        { rule: 'anybody' },
      )
    })
    test('that shows a copy of the declaration and a statement of its own', async () => {
      await fresh()
      await refuses(
        'owner-mismatch',
        dpp(
          () => eve,
          () => proofOf(eve, declaration),
        ),
      )
    })
    test('with a declaration that is older than one it has seen', async () => {
      await fresh()
      const newer = await soldTo(fjord, 'L-1', alice, 2)
      await once(
        device,
        at(
          dpp(
            () => alice,
            () => proofOf(alice, newer),
          ),
        ),
      )
      assert.equal(await readMark(device.store), 4)
      await (await open(device, at(dpp(() => alice)))).forget()
      await refuses(
        'declaration-stale',
        dpp(() => alice),
      )
    })
    test('with a declaration of another device, or one that is none', async () => {
      await fresh()
      const other = await soldTo(fjord, 'L-2', alice)
      await refuses(
        'declaration-invalid',
        dpp(
          () => alice,
          () => proofOf(alice, other),
        ),
      )
      await refuses(
        'declaration-invalid',
        dpp(
          () => alice,
          () => proofOf(alice, Buffer.from('{}')),
        ),
      )
      await refuses(
        'configuration-invalid',
        dpp(
          () => alice,
          async () => ({ 'org.mooring.declaration': 1 }),
        ),
      )
    })
    test('whose proof hangs on nothing that was made for this exchange', async () => {
      await fresh()
      const bare: Answer = async () => ({
        cred: { akm: 'psk', pass: new Secret('secret passphrase') },
        thirdParty: await proofOf(alice, declaration),
      })
      await refuses('declaration-missing', bare)
    })
    test('whose Connector is for somebody else', async () => {
      await fresh()
      const answer: Answer = async () => ({
        cred: { akm: 'dpp', connector: connectorOf(alice, generateDppKey('P-256')) },
        thirdParty: await proofOf(alice, declaration),
      })
      await refuses('connector-invalid', answer)
    })
    test('that it cannot store', async () => {
      await fresh()
      const installer = { install: () => Promise.reject(new Error('disk full')) }
      await refuses(
        'device-storage-failed',
        dpp(() => alice),
        { installer },
      )
    })
  })

  test('who knows its Configurator may be told to trust it, who does not may not', async () => {
    await fresh()
    const unproven = dpp(
      () => eve,
      async () => ({}),
    )
    const known = { rule: 'known-configurator' } as const
    const mutual = at(unproven)
    assert.deepEqual(rungs(await once(device, mutual, { ...known, meeting: { configurator: mutual.uri } })), all)
    await fresh()
    const announcing = at(unproven)
    const meeting = { configurator: announcing.uri, way: 'announce' } as const
    assert.deepEqual(rungs(await once(device, announcing, { ...known, meeting })), all)
    await fresh()
    assert.deepEqual(rungs(await once(device, at(unproven), { rule: 'anybody' })), all)
  })

  test('a device without birth credential can only be told to take what comes', async () => {
    await fresh()
    assert.equal(codeOf(await once(device, at(dpp(() => alice)), { birthless: true })), 'declaration-missing')
    assert.deepEqual(rungs(await once(device, at(dpp(() => alice)), { birthless: true, rule: 'anybody' })), all)
  })

  test('a Configurator with another key than that of the code', async () => {
    await fresh()
    const other = { ...at(dpp(() => alice)).uri }
    const controller = at(dpp(() => alice))
    assert.equal(
      codeOf(await once(device, controller, { meeting: { configurator: other } })),
      'configurator-unreachable',
    )
  })

  test('says of a status what it means', async () => {
    await fresh()
    const refusedBy = at(async () => dppStatus.configureFailure)
    const news = await once(device, refusedBy)
    assert.deepEqual(news.at(-1), {
      type: 'refused',
      candidate: 'controller:8908',
      code: 'configurator-refused',
      detail: { rule: 'refused', status: 'configureFailure' },
    })
    assert.equal(
      (
        await once(
          device,
          at(async () => dppStatus.configurePending),
        )
      ).at(-1)?.type,
      'waiting',
    )
    const nobody = testConfigurator({ answer: dpp(() => alice) })
    assert.equal(codeOf(await once(device, nobody)), 'configurator-unreachable')
    const away = { ...nobody, transport: { connect: () => Promise.reject(new Error('no route')) } }
    assert.equal(codeOf(await once(device, away)), 'configurator-unreachable')
  })

  test('tries again until it is in, and waits for who has to say yes', async () => {
    await fresh()
    let asked = 0
    const good = dpp(() => alice)
    const controller = at(async wish => (++asked < 3 ? dppStatus.configurePending : good(wish)))
    const enrollee = await open(device, controller)
    const news: EnrolleeProgress[] = []
    for await (const each of enrollee.onboard({ address: 'controller' }, new AbortController().signal)) news.push(each)
    assert.deepEqual([controller.connections, news.filter(({ type }) => type === 'waiting').length], [3, 2])
    assert.equal(rungs(news).at(-1), 'credentialed')
  })

  test('makes a key on the curve of the network, and says whether it connects', async () => {
    await fresh()
    const controller = at(
      dpp(() => alice),
      { newKey: generateDppKey('P-384'), connectionStatus: true },
    )
    const status = { result: 0, ssid: Buffer.from('home of alice'), channelList: '81/6' }
    const installer = { install: async () => {}, tryConnection: async () => status }
    assert.deepEqual(rungs(await once(device, controller, { installer })), [...all, 'connected'])
    assert.deepEqual(controller.results, [dppStatus.ok, 1000])
    assert.equal((await (await open(device, controller)).networks())?.netAccessKey.curve, 'P-384')
  })

  describe('enterprise', () => {
    const enterprise =
      (of: () => House, server: () => House): Answer =>
      async ({ request, netAccessKey }) => {
        const { spkiDer, subject } = decodeCertificationRequest(request.pkcs10 ?? Buffer.alloc(0))
        const signer = { spkiDer, publicKey: netAccessKey.key, algorithm: 'ES256' } as unknown as TestSigner
        const extensions = [eku(extendedKeyUsageOid.clientAuth)]
        const leaf = await certify({ subject: subject.der, issuer: of().root, signer, extensions })
        return {
          cred: {
            akm: 'dot1x',
            entCreds: {
              certBag: [leaf.certificate.der, of().root.certificate.der],
              caCert: server().root.certificate.der,
              trustedEapServerName: 'radius.alice',
              eapMethods: [13],
            },
          },
          thirdParty: await proofOf(alice, declaration),
        }
      }

    test('a certificate of the owner’s CA for our new key proves as much as a Connector', async () => {
      await fresh()
      const controller = at(
        enterprise(
          () => alice,
          () => alice,
        ),
        { csr: true },
      )
      assert.deepEqual(rungs(await once(device, controller)), all)
      assert.ok(controller.requests[1]?.pkcs10)
    })
    test('of another CA it does not, nor for a server of another CA', async () => {
      await fresh()
      for (const [issuer, server] of [
        [eve, alice],
        [alice, eve],
        [eve, eve],
      ] as const) {
        const controller = at(
          enterprise(
            () => issuer,
            () => server,
          ),
          { csr: true },
        )
        assert.equal(codeOf(await once(device, controller)), 'owner-mismatch')
      }
    })
  })
})
