import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import { signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { type Effect, type Input, type State, step, unpowered } from '../../../src/protocol/brski/pledge.ts'
import {
  decodePledgeRecord,
  emptyRecord,
  encodePledgeRecord,
  type PledgeRecord,
} from '../../../src/protocol/brski/pledge-record.ts'
import { backoff, originOf, tracksFor } from '../../../src/protocol/brski/pledge-schedule.ts'
import type { HttpReply } from '../../../src/protocol/http.ts'
import { readBirth } from '../../../src/role/device/birth.ts'
import { fjordClimate, kestrelMeter, profileOf } from '../../../src/role/device/model.ts'
import { RegistrarDouble } from '../../role/device/registrar-double.ts'
import { domain, endEntity, makeDevice, maker, start } from '../../role/device/world.ts'

const made = await maker('Fjord')
const stranger = await endEntity('stranger', (await domain('Stranger')).issuing)
const home = new RegistrarDouble(await domain('Harbour'), made, () => start)
const devices = await Promise.all([fjordClimate, kestrelMeter].map(model => makeDevice(made, model, 'S-1')))
const profiles = await Promise.all(devices.map(async ({ model, store }) => profileOf(model, await readBirth(store))))

const voucherType = { 'content-type': 'application/voucher-cms+json' }
const candidates = ['https://a.example', 'https://b.example']
/** States that only an accepted voucher can open. */
const trusting = new Set<State['type']>([
  'accepted',
  'pinned',
  'enrolling',
  'issued',
  'enrolled',
  'reporting',
  'confirmed',
  'presented',
  'connected',
  'renewing',
  'renewed',
])
const answered = new Set<Effect['type']>(['connect', 'send', 'sign-request', 'make-csr', 'persist', 'set-timer'])

type Bare<T> = T extends unknown ? Omit<T, 'at' | 'random'> : never

/** A forger who knows all that went over the wire, the nonce too, but not the manufacturer's key. */
async function forgery(state: State, by = stranger): Promise<HttpReply> {
  const nonce = state.type === 'requested' ? state.attempt.nonce : randomBytes(32)
  const bytes = await signVoucherArtifact({
    format: 'voucher-cms+json',
    kind: 'voucher',
    value: {
      'serial-number': 'S-1',
      assertion: 'proximity',
      'created-on': new Date(start),
      nonce: Uint8Array.from(nonce),
      'pinned-domain-cert': home.domain.issuing.certificate.der,
    },
    signer: by.signer,
    certificates: [by.certificate, made.voucherSigner.certificate, made.voucherRoot],
  })
  return { status: 200, headers: voucherType, body: bytes }
}

/** A voucher that the manufacturer really gave, for an earlier request. */
const replayed: HttpReply = {
  status: 200,
  headers: voucherType,
  body: await home.sign({
    'serial-number': 'S-1',
    assertion: 'proximity',
    'created-on': new Date(start),
    nonce: randomBytes(32),
    'pinned-domain-cert': home.domain.issuing.certificate.der,
  }),
}

const httpReply = fc.oneof(
  fc.constant<HttpReply | 'forgery'>('forgery'),
  fc.constant(replayed),
  fc.record({
    status: fc.oneof(fc.constantFrom(0, 200, 202, 307, 404, 503), fc.nat(999)),
    headers: fc.oneof(
      fc.constant(voucherType as Record<string, string>),
      fc.dictionary(
        fc.constantFrom('content-type', 'retry-after', 'location'),
        fc.oneof(fc.string(), fc.constantFrom('0', '60', 'https://c.example/x', '/y')),
      ),
    ),
    body: fc.uint8Array({ maxLength: 400 }),
  }),
)

const event: fc.Arbitrary<
  Bare<Exclude<Input, { type: 'replied' }>> | { type: 'replied'; reply: HttpReply | 'forgery' }
> = fc.oneof(
  fc.record({ type: fc.constant('power-restored' as const) }),
  fc.record({
    type: fc.constant('candidates-found' as const),
    candidates: fc.array(fc.oneof(fc.string(), fc.constantFrom(...candidates))),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('connected' as const),
      chain: fc.oneof(
        fc.constant(home.chain),
        fc.constant(home.chain),
        fc.constant([stranger.certificate.der]),
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 3 }),
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('replied' as const), reply: httpReply }) },
  fc.record({ type: fc.constant('request-signed' as const), request: fc.uint8Array() }),
  fc.record({ type: fc.constant('csr-made' as const), csr: fc.uint8Array(), spki: fc.uint8Array() }),
  fc.record({
    type: fc.constantFrom(
      'connection-failed' as const,
      'connection-lost' as const,
      'key-failed' as const,
      'persisted' as const,
      'persist-failed' as const,
      'timer-fired' as const,
      'renewal-asked' as const,
    ),
  }),
)

/** What the state waits for, so that a random walk gets anywhere. */
const wanted: { readonly [S in State['type']]?: Bare<Input> | { type: 'replied'; reply: 'forgery' } } = {
  unpowered: { type: 'power-restored' },
  unprovisioned: { type: 'candidates-found', candidates },
  waiting: { type: 'timer-fired' },
  seeking: { type: 'connected', chain: home.chain },
  provisional: { type: 'request-signed', request: randomBytes(60) },
  prepared: { type: 'persisted' },
  requested: { type: 'replied', reply: 'forgery' },
}

suite('The pledge machine', () => {
  test('never throws, asks for one thing at a time, and trusts nobody without a voucher of its maker', async () => {
    const walk = fc.array(fc.tuple(event, fc.boolean(), fc.integer({ min: -1000, max: 100_000_000 })), {
      maxLength: 60,
    })
    let forged = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...profiles), walk, async (profile, events) => {
        let state: State = unpowered(profile)
        let at = start
        for (const [random, follow, passed] of events) {
          at += passed
          const chosen = (follow ? wanted[state.type] : undefined) ?? random
          const input =
            chosen.type === 'replied' && chosen.reply === 'forgery'
              ? { ...chosen, reply: await forgery(state) }
              : chosen
          if (state.type === 'requested' && chosen.type === 'replied' && chosen.reply === 'forgery') forged++
          const moved = step(state, { ...input, at, random: randomBytes(32) } as Input)
          assert.ok(moved.effects.filter(({ type }) => answered.has(type)).length <= 1)
          assert.ok(!trusting.has(moved.state.type), moved.state.type)
          state = moved.state
        }
      }),
      { numRuns: 1000 },
    )
    assert.ok(forged > 20, `the forger had its chance ${forged} times`)
  })

  test('trusts the same voucher from the hand of its maker', async () => {
    for (const profile of profiles) {
      let state: State = unpowered(profile)
      for (const type of ['unpowered', 'unprovisioned', 'seeking', 'provisional', 'prepared'] as const) {
        assert.equal(state.type, type)
        state = step(state, { ...wanted[type], at: start, random: randomBytes(32) } as Input).state
      }
      const reply = await forgery(state, made.voucherSigner)
      assert.equal(step(state, { type: 'replied', reply, at: start, random: randomBytes(32) }).state.type, 'accepted')
    }
  })

  test('waits for power before anything else', () => {
    const state = unpowered(profiles[0]!)
    const { state: after, effects } = step(state, { type: 'timer-fired', at: 0, random: randomBytes(32) })
    assert.equal(after, state)
    assert.deepEqual(effects, [])
  })
})

suite('The memory of a pledge', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/)
  const list = fc.array(bytes, { maxLength: 3 })
  const enrolment = fc.record({ keyLabel: label, csr: bytes, spki: bytes, anchors: list, intermediates: list })
  const when = fc.nat()
  const attempt = fc.record(
    {
      candidate: fc.string({ maxLength: 40 }),
      origin: fc.string({ maxLength: 40 }),
      request: bytes,
      nonce: bytes,
      registrar: bytes,
      startedAt: when,
      voucher: bytes,
      enrolment,
    },
    { requiredKeys: ['candidate', 'origin', 'request', 'nonce', 'registrar', 'startedAt'] },
  )
  const credential = fc.record({
    keyLabel: label,
    certificate: bytes,
    chain: list,
    anchors: fc.array(bytes, { minLength: 1, maxLength: 3 }),
    intermediates: list,
    origin: fc.string({ maxLength: 40 }),
    registrar: bytes,
    obtainedAt: when,
    reported: fc.boolean(),
  })
  const record: fc.Arbitrary<PledgeRecord> = fc.record(
    {
      version: fc.constant(1 as const),
      keys: fc.nat(),
      attempts: fc.array(attempt, { maxLength: 16 }),
      credential,
      renewal: enrolment,
    },
    { requiredKeys: ['version', 'keys', 'attempts'] },
  )

  test('comes back as it was written', () => {
    assert.deepEqual(decodePledgeRecord(encodePledgeRecord(emptyRecord)), emptyRecord)
    fc.assert(
      fc.property(record, value => {
        const written = encodePledgeRecord(value)
        assert.deepEqual(encodePledgeRecord(decodePledgeRecord(written)), written)
      }),
    )
  })

  test('that was damaged is refused, and nothing worse', () => {
    const refusedOrRead = (damaged: Uint8Array) => {
      try {
        decodePledgeRecord(damaged)
      } catch (error) {
        assert.ok(error instanceof CodecError)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), refusedOrRead))
    fc.assert(fc.property(fc.json(), text => refusedOrRead(Buffer.from(text))))
    fc.assert(
      fc.property(record, fc.nat(), fc.nat(255), (value, at, octet) => {
        const written = encodePledgeRecord(value)
        written[at % written.length] = octet
        refusedOrRead(written)
        refusedOrRead(written.subarray(0, at % written.length))
      }),
    )
  })

  test('that could not be read again is not written', () => {
    const request = randomBytes(0x10_0000)
    const attempt = { candidate: '', origin: '', request, nonce: request, registrar: request, startedAt: 0 }
    assert.throws(() => encodePledgeRecord({ ...emptyRecord, attempts: [attempt] }), { code: 'too-large' })
  })

  test('has no room for more than it knows', () => {
    for (const damaged of [
      '[]',
      '{"version":1,"keys":0,"attempts":[],"more":1}',
      '{"version":1,"keys":-1,"attempts":[]}',
      '{"version":1,"keys":0,"attempts":[],"keys":1}',
    ]) {
      assert.throws(() => decodePledgeRecord(Buffer.from(damaged)), CodecError, damaged)
    }
    const many = { ...emptyRecord, attempts: Array.from({ length: 17 }, () => ({})) }
    assert.throws(() => decodePledgeRecord(Buffer.from(JSON.stringify(many))), CodecError)
  })
})

suite('The schedule of a pledge', () => {
  const retry = { firstMs: 1000, maxMs: 3_600_000 }

  test('backs off between half and all of a doubling time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.uint8Array({ minLength: 4, maxLength: 32 }),
        (failures, random) => {
          const full = Math.min(retry.maxMs, retry.firstMs * 2 ** Math.min(failures - 1, 30))
          const wait = backoff(retry, failures, random)
          assert.ok(wait >= full / 2 && wait <= full)
        },
      ),
    )
    assert.equal(backoff(retry, 1, new Uint8Array(4)), 500)
    assert.equal(backoff(retry, 3, Uint8Array.of(255, 255, 255, 255)), 4000)
  })

  test('takes origins, each once, sixteen at most', () => {
    assert.equal(originOf('https://x.example:8443/a/b?c#d'), 'https://x.example:8443')
    for (const wrong of ['http://x.example', 'x.example', 'https://u@x.example', `https://${'x'.repeat(400)}`, '']) {
      assert.equal(originOf(wrong), undefined, wrong)
    }
    const many = Array.from({ length: 40 }, (_, i) => `https://r${i % 30}.example/path`)
    const tracks = tracksFor(many, [], [], 5)
    assert.equal(tracks.length, 16)
    assert.deepEqual(tracks[0], { candidate: 'https://r0.example', failures: 0, due: 5 })
  })

  test('remembers what it knows of a candidate', () => {
    const known = [{ candidate: 'https://a.example', failures: 3, due: 99 }]
    assert.deepEqual(tracksFor(['https://a.example/'], known, ['https://kept.example'], 5), [
      known[0],
      { candidate: 'https://kept.example', failures: 0, due: 5 },
    ])
  })
})
