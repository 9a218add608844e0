import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import type { KeyStore } from '../../../src/crypto/signer.ts'
import type { MasaAnswer, MasaClient } from '../../../src/domain/port.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { checkRegistrarRequest } from '../../../src/protocol/brski/masa-check.ts'
import { readBirth } from '../../../src/role/device/birth.ts'
import { type CloneTrick, openClone } from '../../../src/role/device/dishonest.ts'
import { createEvilTwin, type EvilTwinOptions, type TwinTrick } from '../../../src/role/device/evil-twin.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import { memoryDeviceStore } from '../../../src/role/device/store.ts'
import { origin, scene } from './scene.ts'
import { listenerOf, quiet, refusalsOf, rungsOf, watch, wire } from './workbench.ts'
import { makeDevice } from './world.ts'

const evilOrigin = 'https://evil.example'

suite('A clone', () => {
  /** A machine with all that is public of the device, at the network that expects the device. */
  async function clone(trick: (world: Awaited<ReturnType<typeof scene>>) => Promise<CloneTrick>, model = fjordClimate) {
    const world = await scene(model)
    const { device, listeners, time } = world
    const chosen = await trick(world)
    const keys = memoryKeyStore()
    const pledge = await openClone(await readBirth(device.store), chosen, {
      model,
      keys,
      store: memoryDeviceStore(),
      transport: wire(listeners, chosen.kind === 'accomplice' ? chosen.keys : keys),
      clock: time.clock,
      random: randomBytes,
      sleep: time.sleep,
      log: quiet,
    })
    return { ...world, progress: await watch(pledge.onboard([origin]), news => news.type === 'resting') }
  }

  for (const model of [fjordClimate, kestrelMeter]) {
    test(`of ${model.name} with a forged certificate is turned away, and the genuine one is not hurt`, async () => {
      const { progress, registrar, bench, device, listeners } = await clone(
        async () => ({ kind: 'forged-certificate' }),
        model,
      )
      assert.deepEqual(rungsOf(progress), ['heard'])
      assert.deepEqual(registrar.refusals, ['idevid-forged'])
      assert.equal(registrar.issued.size, 0)
      const genuine = await bench(listeners, device)
      assert.equal(rungsOf(await watch(genuine.onboard([origin]))).at(-1), 'connected')
    })
  }

  test('with the stolen certificate in its request is turned away', async () => {
    const { progress, registrar, device } = await clone(async () => ({ kind: 'stolen-certificate' }))
    assert.deepEqual(rungsOf(progress), ['heard'])
    assert.equal(registrar.issued.size, 0)
    // It did send the genuine certificate: only the signature gives it away.
    const [body] = registrar.bodies('brski/requestvoucher')
    assert.ok(body?.includes(Buffer.from(device.idevid.der)))
    assert.throws(() => openVoucherArtifact(body!, { kind: 'request' }), { code: 'bad-signature' })
  })

  test('over the connection of a genuine device of its own is turned away', async () => {
    const { registrar, progress } = await clone(async ({ made, device }) => {
      const accomplice = await makeDevice(made, device.model, 'FC-0666')
      return { kind: 'accomplice', birth: await readBirth(accomplice.store), keys: accomplice.keys }
    })
    assert.deepEqual(rungsOf(progress), ['heard'])
    assert.deepEqual(registrar.refusals, ['signature-invalid'])
    assert.equal(registrar.issued.size, 0)
  })
})

suite('An evil twin', () => {
  /** The twin where the device looks first, and its own network behind it. */
  async function temptation(
    tricks: (
      world: Awaited<ReturnType<typeof scene>>,
      keys: KeyStore,
    ) => Promise<Partial<EvilTwinOptions> & { tricks: TwinTrick[] }>,
    model: DeviceModel = fjordClimate,
  ) {
    const world = await scene(model)
    const { device, registrar, listeners, time, bench } = world
    const keys = memoryKeyStore()
    const options = await tricks(world, keys)
    const imitates = registrar.domain.registrar.certificate
    const twin = await createEvilTwin({ keys, clock: time.clock, random: randomBytes, imitates, ...options })
    listeners.set(evilOrigin, listenerOf(twin.endpoint, twin.certificateChain))
    const pledge = await bench(listeners, device)
    const progress = await watch(pledge.onboard([evilOrigin, origin]))
    assert.ok(!twin.deeds.some(({ kind }) => kind === 'enrolled' || kind === 'believed'))
    assert.equal(registrar.issued.size, 1)
    assert.equal(rungsOf(progress).at(-1), 'connected')
    assert.equal(pledge.status().credential?.origin, origin)
    return { ...world, twin, progress, kinds: twin.deeds.map(({ kind }) => kind) }
  }

  /** A manufacturer's service that gives vouchers to one owner. */
  function masaOf({ registrar, made }: Awaited<ReturnType<typeof scene>>): MasaClient {
    const answer = async (body: Uint8Array): Promise<MasaAnswer> => {
      const anchors = [{ name: 'births', certificate: made.birthRoot }]
      const artifact = openVoucherArtifact(body, { kind: 'request' })
      const checked = checkRegistrarRequest(artifact, { at: new Date(registrar.clock()), deviceAnchors: anchors })
      const owner = registrar.domain.root.certificate
      assert.equal(checked.assertion, 'proximity', 'the twin does stand before the device')
      const mayHave = checked.registrarChain.some(({ spkiDer }) => Buffer.compare(spkiDer, owner.spkiDer) === 0)
      if (!mayHave) return { status: 403, contentType: 'text/plain', body: Buffer.from('owner-mismatch: not yours') }
      return { status: 500, contentType: 'text/plain', body: new Uint8Array() }
    }
    return { requestVoucher: ({ body }) => answer(body), requestAuditLog: ({ body }) => answer(body) }
  }

  const manufacturer = {
    name: 'fjord',
    anchors: [],
    masaUrl: 'https://masa.example',
    masaAnchors: [],
    masaPrivateAddress: true,
    ignoreIdevidLifetime: false,
    quirks: [],
    addedAt: 0,
  }

  test('with the names of the registrar and a voucher of its own is refused', async () => {
    const { progress, kinds } = await temptation(async () => ({ tricks: [{ kind: 'self-signed' }] }))
    assert.deepEqual(refusalsOf(progress), ['voucher-invalid'])
    assert.deepEqual(kinds, ['offered', 'turned-down'])
  })

  test('gets nothing from the manufacturer, nor from the registrar that it stands before', async () => {
    const { twin, registrar } = await temptation(async (world, keys) => ({
      tricks: [{ kind: 'self-signed' }],
      masa: { client: masaOf(world), manufacturer },
      // As a TLS client it can only be itself.
      relay: { transport: wire(world.listeners, keys), origin },
    }))
    assert.deepEqual(
      twin.deeds.map(deed => ('status' in deed ? [deed.kind, deed.status] : [deed.kind])),
      [['asked-masa', 403], ['asked-registrar', 403], ['offered'], ['turned-down']],
    )
    assert.deepEqual(registrar.refusals, ['idevid-forged'])
  })

  test('with an old voucher of the same device is refused', async () => {
    const { progress, kinds } = await temptation(async ({ registrar, device, pledge }) => {
      await watch(pledge.onboard([origin]))
      const [request] = registrar.bodies('brski/requestvoucher')
      const voucher = await registrar.voucher(request!, device.idevid)
      await pledge.factoryReset()
      registrar.issued.clear()
      return { tricks: [{ kind: 'replayed', voucher }] }
    })
    assert.deepEqual(refusalsOf(progress), ['voucher-invalid'])
    assert.deepEqual(kinds, ['offered', 'turned-down'])
  })

  test('with a genuine voucher for the owner’s network is refused by its certificate', async () => {
    const { progress, kinds } = await temptation(async ({ registrar, time }) => {
      const voucher = () =>
        registrar.sign({
          'serial-number': 'FC-0001',
          assertion: 'logged',
          'created-on': new Date(time.now),
          'expires-on': new Date(time.now + 86_400_000),
          'pinned-domain-cert': registrar.domain.root.certificate.der,
        })
      return { tricks: [{ kind: 'foreign', voucher }] }
    }, kestrelMeter)
    assert.deepEqual(refusalsOf(progress), ['network-not-authorized'])
    assert.deepEqual(kinds, ['offered', 'turned-down'])
  })

  test('with garbage is refused', async () => {
    const { progress } = await temptation(async () => ({ tricks: [{ kind: 'garbage' }] }))
    assert.deepEqual(refusalsOf(progress), ['voucher-invalid'])
  })

  test('that would enrol anybody does enrol whoever asks', async () => {
    // The trap is real: without the voucher check the device would be caught.
    const keys = memoryKeyStore()
    const { device, listeners, made, time } = await scene()
    const twin = await createEvilTwin({
      keys,
      clock: time.clock,
      random: randomBytes,
      tricks: [
        {
          kind: 'foreign',
          voucher: async body => {
            const { value } = openVoucherArtifact(body, { kind: 'request' })
            // A manufacturer that is bribed.
            return signVoucherArtifact({
              format: 'voucher-cms+json',
              kind: 'voucher',
              value: {
                'serial-number': value['serial-number'],
                assertion: 'logged',
                'created-on': new Date(time.now),
                nonce: value.nonce!,
                'pinned-domain-cert': twin.certificateChain[1]!,
              },
              signer: made.voucherSigner.signer,
              certificates: [made.voucherSigner.certificate],
            })
          },
        },
      ],
    })
    listeners.set(evilOrigin, listenerOf(twin.endpoint, twin.certificateChain))
    const { bench } = await scene()
    const pledge = await bench(listeners, device)
    await watch(pledge.onboard([evilOrigin]))
    assert.deepEqual(
      twin.deeds.map(({ kind }) => kind),
      ['offered', 'believed', 'enrolled'],
    )
  })
})
