import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodeEap, decodeEapTls, eapCode, eapType, encodeEap, encodeEapTls } from '../../../src/codec/eap.ts'
import {
  begin,
  type Effect,
  type Input,
  maxTlsMessage,
  type State,
  step,
} from '../../../src/protocol/eap/tls-server.ts'

const none = Buffer.alloc(0)
const identity = (name: string, identifier = 7) =>
  encodeEap({ code: eapCode.response, identifier, type: eapType.identity, data: Buffer.from(name) })
const tls = (identifier: number, fragment: Uint8Array, more = false, total?: number) =>
  encodeEap({
    code: eapCode.response,
    identifier,
    type: eapType.tls,
    data: encodeEapTls({ start: false, more, fragment, ...(total === undefined ? {} : { total }) }),
  })

/** A server in a conversation; `say` gives it what the peer sends in answer to its last request. */
function conversation(name = 'device@example.net') {
  let { state, effects } = begin(identity(name), 1)
  const run = (input: Input): readonly Effect[] => {
    ;({ state, effects } = step(state, input))
    return effects
  }
  return {
    get state(): State {
      return state
    },
    get effects() {
      return effects
    },
    run,
    say: (fragment: Uint8Array, more = false, total?: number) =>
      run({ kind: 'received', eap: tls(state.identifier, fragment, more, total) }),
    acknowledge: () => run({ kind: 'received', eap: tls(state.identifier, none) }),
    produce: (flight: Uint8Array, next: 'continue' | 'succeed' | 'fail') => run({ kind: 'tls-produced', flight, next }),
  }
}

/** What came of the last of some steps. */
function last(...steps: readonly (readonly Effect[])[]): readonly Effect[] {
  return steps.at(-1)!
}

function other({ identifier }: State, type: number, octet: number): Buffer {
  return encodeEap({ code: eapCode.response, identifier, type, data: Buffer.from([octet]) })
}

function sent(effects: readonly Effect[]) {
  const [effect] = effects
  assert.equal(effects.length, 1)
  assert.ok(effect?.kind === 'send')
  const packet = decodeEap(effect.eap)
  return { ...packet, tls: decodeEapTls(packet.data) }
}

suite('An EAP-TLS server', () => {
  test('answers an identity with EAP-TLS Start, and an empty message by asking for the identity', () => {
    const { state, effects } = begin(identity('device@example.net'), 1)
    assert.equal(state.at, 'started')
    const start = sent(effects)
    assert.deepEqual(
      [start.code, start.identifier, start.type, start.tls.start],
      [eapCode.request, 8, eapType.tls, true],
    )
    const asked = begin(none, 200)
    const question = decodeEap((asked.effects[0] as { eap: Buffer }).eap)
    assert.deepEqual([question.type, question.identifier], [eapType.identity, 200])
    const after = step(asked.state, { kind: 'received', eap: identity('late', 200) })
    assert.deepEqual([after.state.at, sent(after.effects).identifier], ['started', 201])
  })

  test('lets a device in by two flights each way', () => {
    const talk = conversation()
    assert.deepEqual(talk.say(Buffer.from('hello')), [{ kind: 'feed-tls', message: Buffer.from('hello') }])
    const flight = sent(talk.produce(Buffer.from('server flight'), 'continue'))
    assert.equal(Buffer.from(flight.tls.fragment).toString(), 'server flight')
    assert.equal(flight.tls.total, undefined)
    assert.equal(talk.say(Buffer.from('certificate'))[0]!.kind, 'feed-tls')
    sent(talk.produce(Buffer.from('finished'), 'succeed'))
    const [end] = talk.acknowledge()
    assert.ok(end?.kind === 'succeeded')
    assert.equal(decodeEap(end.eap).code, eapCode.success)
  })

  test('sends a long flight in fragments, and goes on only by acknowledgements', () => {
    const talk = conversation()
    talk.say(Buffer.from('hello'))
    const flight = Buffer.from(Array.from({ length: 2500 }, (_, i) => i & 255))
    const pieces = [sent(talk.produce(flight, 'continue'))]
    while (pieces.at(-1)!.tls.more) pieces.push(sent(talk.acknowledge()))
    assert.deepEqual(
      pieces.map(({ tls: { total, more, fragment } }) => [total, more, fragment.length]),
      [
        [2500, true, 1000],
        [undefined, true, 1000],
        [undefined, false, 500],
      ],
    )
    assert.deepEqual(Buffer.concat(pieces.map(piece => piece.tls.fragment)), flight)
    // Data in the middle of our own message.
    const rude = conversation()
    rude.say(Buffer.from('hello'))
    rude.produce(flight, 'continue')
    assert.equal(rude.say(Buffer.from('x'))[0]!.kind, 'failed')
  })

  test('takes a message in fragments, and acknowledges each', () => {
    const talk = conversation()
    const acknowledgement = sent(talk.say(Buffer.from('abc'), true, 7))
    assert.deepEqual([acknowledgement.tls.fragment.length, acknowledgement.tls.start], [0, false])
    sent(talk.say(Buffer.from('de'), true))
    assert.deepEqual(talk.say(Buffer.from('fg')), [{ kind: 'feed-tls', message: Buffer.from('abcdefg') }])
  })

  for (const [what, say, reason] of [
    [
      'more octets than announced',
      t => last(t.say(Buffer.from('abc'), true, 4), t.say(Buffer.from('de'))),
      'malformed',
    ],
    [
      'fewer octets than announced',
      t => last(t.say(Buffer.from('abc'), true, 9), t.say(Buffer.from('de'))),
      'malformed',
    ],
    ['a length of a gigabyte', t => t.say(Buffer.from('abc'), true, 0x4000_0000), 'too-long'],
    ['an acknowledgement of nothing', t => t.acknowledge(), 'malformed'],
    [
      'an acknowledgement in place of a message',
      t => last(t.say(Buffer.from('a')), t.produce(Buffer.from('b'), 'continue'), t.acknowledge()),
      'malformed',
    ],
    ['Nak', t => t.run({ kind: 'received', eap: other(t.state, eapType.nak, 25) }), 'method-refused'],
    ['a start from the peer', t => t.run({ kind: 'received', eap: other(t.state, eapType.tls, 0x20) }), 'malformed'],
    ['TLS that failed', t => last(t.say(Buffer.from('a')), t.produce(none, 'fail')), 'tls-failed'],
    ['a decision against it', t => last(t.say(Buffer.from('a')), t.run({ kind: 'refused' })), 'refused'],
  ] as const satisfies readonly [string, (t: ReturnType<typeof conversation>) => readonly Effect[], string][])
    test(`ends with ${what}: ${reason}`, () => {
      const talk = conversation()
      const [end] = say(talk)
      assert.ok(end?.kind === 'failed')
      assert.equal(end.reason, reason)
      assert.equal(decodeEap(end.eap).code, eapCode.failure)
      // And stays ended.
      assert.deepEqual(talk.say(Buffer.from('again')), [])
      assert.deepEqual(talk.produce(Buffer.from('x'), 'succeed'), [])
    })

  test('sends the alert of TLS before it ends', () => {
    const talk = conversation()
    talk.say(Buffer.from('hello'))
    assert.equal(Buffer.from(sent(talk.produce(Buffer.from('alert'), 'fail')).tls.fragment).toString(), 'alert')
    const [end] = talk.acknowledge()
    assert.ok(end?.kind === 'failed')
    assert.equal(end.reason, 'tls-failed')
  })

  test('does not hear answers to other requests, other codes and other methods', () => {
    const talk = conversation()
    const { state } = talk
    const { identifier } = state
    for (const eap of [
      tls(identifier + 1, Buffer.from('x')),
      tls(identifier - 1, Buffer.from('x')),
      encodeEap({ code: eapCode.request, identifier, type: eapType.tls, data: Buffer.from([0, 1]) }),
      encodeEap({ code: eapCode.success, identifier, data: none }),
      encodeEap({ code: eapCode.response, identifier, type: 25, data: Buffer.from([0, 1]) }),
      identity('again', identifier),
      Buffer.from([2]),
      none,
    ]) {
      assert.deepEqual(talk.run({ kind: 'received', eap }), [])
      assert.equal(talk.state, state)
    }
  })

  test('is not kept busy for ever by empty promises', () => {
    const talk = conversation()
    let steps = 0
    while (talk.state.at !== 'ended') {
      talk.say(Buffer.alloc(1), true)
      steps++
    }
    assert.ok(steps < 200)
    const large = conversation()
    for (let size = 0; size <= maxTlsMessage && large.state.at !== 'ended'; size += 4000)
      large.say(Buffer.alloc(4000), true)
    assert.deepEqual([large.state.at, large.state.at === 'ended' && large.state.outcome], ['ended', 'too-long'])
  })

  test('never succeeds without TLS saying so, whatever comes', () => {
    const byte = fc.uint8Array({ maxLength: 40 })
    const input = fc.oneof(
      byte.map(eap => ({ raw: eap })),
      fc.record({ fragment: byte, more: fc.boolean() }),
      fc.constant({ produce: 'continue' as const }),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 30 }), inputs => {
        const talk = conversation()
        for (const each of inputs) {
          const effects =
            'raw' in each
              ? talk.run({ kind: 'received', eap: each.raw })
              : 'produce' in each
                ? talk.produce(Buffer.from('flight'), 'continue')
                : talk.say(each.fragment, each.more)
          assert.ok(effects.every(({ kind }) => kind !== 'succeeded'))
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('keeps of an identity what can be printed', () => {
    const talk = conversation('a\n\u0000\x1b[31m')
    assert.equal(talk.state.at === 'started' && talk.state.identity, 'a???[31m')
    assert.throws(() => begin(tls(1, none), 1), { name: 'CodecError' })
    assert.throws(() => begin(Buffer.from([2, 1, 0, 4]), 1), { name: 'CodecError' })
  })
})
