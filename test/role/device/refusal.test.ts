import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { encodeBase64 } from '../../../src/codec/base64.ts'
import { openVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import type { Voucher } from '../../../src/protocol/brski/voucher.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import type { DeviceStore } from '../../../src/role/device/port.ts'
import { type Fault, type RegistrarDouble, reply } from './registrar-double.ts'
import { origin, scene } from './scene.ts'
import { refusalsOf, rungsOf, watch } from './workbench.ts'
import { authority, day, domain, endEntity, maker, start } from './world.ts'

const requestVoucher = '/.well-known/brski/requestvoucher'
const voucherType = { 'content-type': 'application/voucher-cms+json' }
const evilOrigin = 'https://evil.example'

type Trick = (evil: RegistrarDouble, world: Awaited<ReturnType<typeof scene>>) => Fault | Promise<Fault>

/** The honest voucher with something changed in it, signed by the manufacturer all the same. */
const changed =
  (changes: Partial<Voucher>): Trick =>
  evil =>
  async ({ request, client }) =>
    reply(200, voucherType, await evil.voucher(request.body!, client, changes))

/** A body that has nothing to do with the request. */
const answer =
  (body: Uint8Array | string, headers: Record<string, string> = voucherType): Trick =>
  () =>
  () =>
    reply(200, headers, body)

const elsewhere = await domain('Elsewhere')

const tricks: readonly {
  readonly name: string
  readonly trick: Trick
  readonly code: string
  readonly rule?: string
  readonly model?: DeviceModel
}[] = [
  { name: 'another nonce', trick: changed({ nonce: randomBytes(32) }), code: 'voucher-invalid', rule: 'nonce' },
  {
    name: 'another serial number',
    trick: changed({ 'serial-number': 'FC-0002' }),
    code: 'voucher-invalid',
    rule: 'serial-number',
  },
  {
    name: 'another issuer of birth certificates',
    trick: changed({ 'idevid-issuer': randomBytes(24) }),
    code: 'voucher-invalid',
    rule: 'idevid-issuer',
  },
  {
    name: 'the pin of another domain',
    trick: changed({ 'pinned-domain-cert': elsewhere.issuing.certificate.der }),
    code: 'network-not-authorized',
  },
  {
    name: 'a registrar of another domain as the pin',
    trick: changed({ 'pinned-domain-cert': elsewhere.registrar.certificate.der }),
    code: 'network-not-authorized',
  },
  {
    name: 'a demand for revocation checks that the device cannot make',
    trick: changed({ 'domain-cert-revocation-checks': true }),
    code: 'network-not-authorized',
    rule: 'revocation-unknown',
  },
  {
    name: 'no nonce, to a device that wants one',
    trick: evil => async () =>
      reply(
        200,
        voucherType,
        await evil.sign({
          'serial-number': 'FC-0001',
          assertion: 'logged',
          'created-on': new Date(start),
          'expires-on': new Date(start + 30 * day),
          'pinned-domain-cert': evil.domain.issuing.certificate.der,
        }),
      ),
    code: 'voucher-invalid',
    rule: 'nonceless',
  },
  {
    name: 'the signature of a MASA that is not ours',
    trick: async evil => {
      const other = await maker('Somebody')
      return async ({ request, client }) => {
        const genuine = await evil.voucher(request.body!, client)
        const { value } = openVoucherArtifact(genuine, {
          kind: 'voucher',
        })
        return reply(200, voucherType, await evil.sign(value, other.voucherSigner))
      }
    },
    code: 'voucher-invalid',
    rule: 'signer',
  },
  {
    name: 'the signature of a unit of the same manufacturer',
    trick: async (evil, { made }) => {
      const unit = await endEntity('unit', made.births)
      return async ({ request, client }) => {
        const genuine = await evil.voucher(request.body!, client)
        const { value } = openVoucherArtifact(genuine, {
          kind: 'voucher',
        })
        return reply(200, voucherType, await evil.sign(value, unit))
      }
    },
    code: 'voucher-invalid',
    rule: 'signer',
  },
  {
    name: 'one bit turned over',
    trick:
      evil =>
      async ({ request, client }) => {
        const bytes = await evil.voucher(request.body!, client)
        bytes[bytes.length - 9]! ^= 0x01
        return reply(200, voucherType, bytes)
      },
    code: 'voucher-invalid',
  },
  {
    name: 'half of the bytes',
    trick:
      evil =>
      async ({ request, client }) => {
        const bytes = await evil.voucher(request.body!, client)
        return reply(200, voucherType, bytes.subarray(0, bytes.length / 2))
      },
    code: 'voucher-invalid',
    rule: 'truncated',
  },
  {
    name: 'base64 of the bytes',
    trick:
      evil =>
      async ({ request, client }) =>
        reply(200, voucherType, encodeBase64(await evil.voucher(request.body!, client))),
    code: 'voucher-invalid',
  },
  {
    name: 'the request itself',
    trick:
      () =>
      ({ request }) =>
        reply(200, voucherType, request.body!),
    code: 'voucher-invalid',
  },
  {
    name: 'the right bytes in a wrong type',
    trick:
      evil =>
      async ({ request, client }) =>
        reply(200, { 'content-type': 'application/json' }, await evil.voucher(request.body!, client)),
    code: 'voucher-invalid',
    rule: 'media-type',
  },
  { name: 'no type at all', trick: answer('x', {}), code: 'voucher-invalid', rule: 'media-type' },
  { name: 'nothing', trick: answer(''), code: 'voucher-invalid' },
  { name: 'noise', trick: answer(randomBytes(3000)), code: 'voucher-invalid' },
  { name: 'a web page', trick: answer('<!doctype html>'), code: 'voucher-invalid' },
  { name: 'a mountain', trick: answer(Buffer.alloc(0x1_0001, 0x30)), code: 'voucher-invalid', rule: 'too-large' },
  { name: 'a status of its own invention', trick: () => () => reply(299), code: 'registrar-answer-invalid' },
  { name: 'informational nonsense', trick: () => () => reply(0), code: 'registrar-answer-invalid' },
]

suite('Offered a voucher with', () => {
  for (const { name, trick, code, rule, model } of tricks) {
    test(`${name}, a device refuses, says so, and finds its own network`, async () => {
      const world = await scene(model)
      const { pledge, listeners, registrar, made, time, rival } = world
      const evil = await rival('Evil', made, time)
      evil.faults.set(requestVoucher, await trick(evil, world))
      listeners.set(evilOrigin, evil)
      const progress = await watch(pledge.onboard([evilOrigin, origin]))
      const [refused] = progress.filter(news => news.type === 'refused')
      assert.equal(refused?.code, code)
      assert.equal(refused?.candidate, evilOrigin)
      if (rule !== undefined) assert.equal(refused?.detail['rule'], rule)
      assert.deepEqual(rungsOf(progress), [
        'heard',
        'heard',
        'authenticated',
        'authorized',
        'credentialed',
        'connected',
      ])
      const paths = new Set(evil.seen.map(({ path }) => path))
      assert.ok(![...paths].some(path => path.includes('/est/')), 'no EST with a network that is not ours')
      if (code.startsWith('voucher') || code.startsWith('network')) {
        // RFC 8995 section 5.7: said, and without a hint.
        assert.deepEqual(
          evil.telemetry.map(({ status, reason }) => ({ status, reason })),
          [{ status: false, reason: 'voucher not accepted' }],
        )
      }
      assert.equal(evil.issued.size, 0)
      assert.equal(registrar.issued.size, 1)
    })
  }
})

suite('A voucher without nonce', () => {
  const nonceless = (evil: RegistrarDouble, changes: Partial<Voucher> = {}) =>
    evil.sign({
      'serial-number': 'FC-0001',
      assertion: 'logged',
      'created-on': new Date(start - 60 * day),
      'expires-on': new Date(start - 30 * day),
      'pinned-domain-cert': evil.domain.issuing.certificate.der,
      ...changes,
    })

  test('is good enough for the meter, at any time, at the network that it names', async () => {
    const { pledge, registrar } = await scene(kestrelMeter)
    registrar.faults.set(requestVoucher, async () => reply(200, voucherType, await nonceless(registrar)))
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
  })

  test('of its owner does not help anybody else', async () => {
    const { pledge, registrar, listeners, rival, made, time } = await scene(kestrelMeter)
    const evil = await rival('Evil', made, time)
    evil.faults.set(requestVoucher, async () => reply(200, voucherType, await nonceless(registrar)))
    listeners.set(evilOrigin, evil)
    const progress = await watch(pledge.onboard([evilOrigin, origin]))
    assert.deepEqual(refusalsOf(progress), ['network-not-authorized'])
    assert.equal(rungsOf(progress).at(-1), 'connected')
    assert.equal(registrar.issued.size, 1)
  })

  test('that ran out is refused where there is a clock', async () => {
    const { pledge, registrar } = await scene({ ...fjordClimate, nonceless: true })
    registrar.faults.set(requestVoucher, async () => reply(200, voucherType, await nonceless(registrar)))
    const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
    assert.deepEqual(refusalsOf(progress), ['voucher-expired'])
  })
})

suite('A registrar whose TLS certificate', () => {
  test('is below the pinned CA but no registrar is refused', async () => {
    const { pledge, registrar, listeners } = await scene()
    const device = await endEntity('a device of that domain', registrar.domain.issuing)
    const { issuing } = registrar.domain
    const twin = {
      chain: [device.certificate.der, issuing.certificate.der],
      // It passes on a voucher that it could only get if the registrar helped it.
      handle: async (
        request: Parameters<typeof registrar.handle>[0],
        client: Parameters<typeof registrar.handle>[1],
      ) =>
        request.path === requestVoucher
          ? reply(200, voucherType, await relayed(registrar, request.body!))
          : registrar.handle(request, client),
    }
    listeners.set(evilOrigin, twin)
    const progress = await watch(pledge.onboard([evilOrigin, origin]))
    assert.deepEqual(refusalsOf(progress), ['network-not-authorized'])
    assert.equal(rungsOf(progress).at(-1), 'connected')
  })

  test('cannot be read is left alone, before anything is asked', async () => {
    const { pledge, registrar, listeners } = await scene()
    for (const chain of [[], [Buffer.from('3000', 'hex')], [randomBytes(500)], [Buffer.alloc(0x8000, 0x30)]]) {
      const evil = { chain, handle: async () => reply(500) }
      listeners.set(evilOrigin, evil)
      const progress = await watch(pledge.onboard([evilOrigin]), news => news.type === 'resting')
      assert.deepEqual(refusalsOf(progress), ['registrar-answer-invalid'])
    }
    assert.equal(registrar.seen.length, 0)
  })
})

async function relayed(registrar: RegistrarDouble, body: Uint8Array): Promise<Buffer> {
  const { value } = openVoucherArtifact(body, { kind: 'request' })
  return registrar.sign({
    'serial-number': value['serial-number'],
    assertion: 'logged',
    'created-on': new Date(start),
    nonce: value.nonce!,
    'pinned-domain-cert': registrar.domain.issuing.certificate.der,
  })
}

suite('Enrolment', () => {
  const est = (name: string) => `/.well-known/est/${name}`
  const certsOnly = { 'content-type': 'application/pkcs7-mime' }

  const faults: readonly {
    readonly name: string
    readonly path: string
    readonly fault: (registrar: RegistrarDouble) => Fault | Promise<Fault>
    readonly code: string
  }[] = [
    {
      name: 'with CA certificates of another domain',
      path: 'cacerts',
      fault: registrar => () => reply(200, certsOnly, registrar.certificates([elsewhere.root.certificate])),
      code: 'domain-certificates-invalid',
    },
    {
      name: 'with a certificate for another key',
      path: 'simpleenroll',
      fault: registrar => async () =>
        reply(200, certsOnly, registrar.certificates([(await endEntity('x', registrar.domain.issuing)).certificate])),
      code: 'certificate-invalid',
    },
    {
      name: 'with a CA certificate',
      path: 'simpleenroll',
      fault: registrar => async () =>
        reply(200, certsOnly, registrar.certificates([(await authority('x', registrar.domain.issuing)).certificate])),
      code: 'certificate-invalid',
    },
    { name: 'that is forbidden', path: 'simpleenroll', fault: () => () => reply(403), code: 'registrar-refused' },
    {
      name: 'with nonsense',
      path: 'simpleenroll',
      fault: () => () => reply(200, certsOnly, 'nonsense'),
      code: 'registrar-answer-invalid',
    },
    {
      name: 'with nothing',
      path: 'csrattrs',
      fault: () => () => reply(500, {}),
      code: 'registrar-refused',
    },
  ]

  for (const { name, path, fault, code } of faults) {
    test(`${name} is refused and tried again`, async () => {
      const { pledge, registrar, device } = await scene()
      registrar.faults.set(est(path), await fault(registrar))
      const progress = await watch(pledge.onboard([origin]), news => {
        if (news.type === 'resting') registrar.faults.clear()
        return false
      })
      assert.deepEqual(refusalsOf(progress), [code])
      assert.equal(rungsOf(progress).at(-1), 'connected')
      assert.equal((await device.keys.list()).length, 2)
      const failed = registrar.telemetry.filter(({ status }) => !status)
      const final = path !== 'csrattrs'
      // RFC 8995 section 5.9.4: on the old connection, with the birth credential.
      assert.deepEqual(
        failed.map(telemetry => [telemetry.path, telemetry.client?.serialHex]),
        final ? [['/.well-known/brski/enrollstatus', device.idevid.serialHex]] : [],
      )
    })
  }
})

suite('A connection that breaks', () => {
  const paths = [
    'brski/requestvoucher',
    'brski/voucher_status',
    'est/cacerts',
    'est/csrattrs',
    'est/simpleenroll',
    'brski/enrollstatus',
    'mooring/presence',
  ]
  for (const path of paths) {
    for (const moment of ['before', 'after'] as const) {
      test(`${moment} ${path} was heard costs a retry and nothing else`, async () => {
        const { pledge, registrar, device } = await scene()
        let broken = false
        registrar.faults.set(`/.well-known/${path}`, async ({ honest }) => {
          if (broken) return honest()
          broken = true
          if (moment === 'after') await honest()
          throw new Error('connection reset')
        })
        const progress = await watch(pledge.onboard([origin]))
        assert.deepEqual(refusalsOf(progress), ['registrar-unreachable'])
        assert.equal(rungsOf(progress).at(-1), 'connected')
        assert.equal(registrar.issued.size, 1)
        assert.deepEqual(await device.keys.list(), ['idevid', 'ldevid-1'])
        assert.equal(registrar.distinct('brski/requestvoucher'), 1)
      })
    }
  }
})

suite('A device whose memory is full', () => {
  test('sends nothing that it could not keep', async () => {
    for (let failing = 0; failing < 6; failing++) {
      const { registrar, device, listeners, bench } = await scene()
      let writes = 0
      let sent = 0
      const store: DeviceStore = {
        ...device.store,
        async write(name, value) {
          if (writes++ === failing) {
            sent = registrar.seen.length
            throw new Error('no space left on device')
          }
          await device.store.write(name, value)
        },
      }
      const pledge = await bench(listeners, device, { store })
      const seen: number[] = []
      const progress = await watch(pledge.onboard([origin]), news => {
        if (news.type === 'refused') seen.push(registrar.seen.length)
        return false
      })
      assert.equal(rungsOf(progress).at(-1), 'connected', `write ${failing}`)
      if (seen.length > 0) assert.equal(seen[0], sent, `nothing was sent after write ${failing} failed`)
      assert.equal((await device.keys.list()).length, 2)
    }
  })
})

suite('A key store that fails', () => {
  test('is met with patience', async () => {
    for (const operation of ['open', 'generate'] as const) {
      const { device, listeners, bench } = await scene()
      let left = operation === 'open' ? 3 : 2
      const failing = async (): Promise<never> => {
        throw new Error('token removed')
      }
      const keys = {
        ...device.keys,
        open: (label: string) =>
          operation === 'open' && left-- > 0 && label !== '' ? failing() : device.keys.open(label),
        generate: (label: string, curve: 'P-256') =>
          operation === 'generate' && left-- > 0 ? failing() : device.keys.generate(label, curve),
      }
      const pledge = await bench(listeners, device, { keys: keys as typeof device.keys })
      const progress = await watch(pledge.onboard([origin]))
      assert.equal(rungsOf(progress).at(-1), 'connected')
      assert.ok(refusalsOf(progress).length > 0)
    }
  })
})
