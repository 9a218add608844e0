import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openAesSiv, sealAesSiv } from '../../../src/crypto/aes-siv.ts'
import { type AttributeName, decodeAttributes, encodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { decodeFrame, dppFrame, frameHeader } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { encryptingElement } from '../../../src/protocol/dpp/pkex-element.ts'
import * as initiator from '../../../src/protocol/dpp/pkex-initiator.ts'
import * as responder from '../../../src/protocol/dpp/pkex-responder.ts'
import { tagged } from './case.ts'
import {
  adding,
  decodeRaw,
  encodeRaw,
  exchange,
  flipped,
  kinds,
  party,
  received,
  replacing,
  rewritten,
  sent,
  without,
} from './pkex-party.ts'

describe('an Exchange Request is not answered', () => {
  const left = party('P-256', 'secret', 'k')
  const right = party('P-256', 'secret', 'k')
  const request = sent(initiator.begin(left).effects)
  const good = decodeAttributes(request.subarray(7)).need('encryptedKey')
  const cases: readonly { dpp?: string | readonly string[]; what: string; message: Uint8Array }[] = [
    {
      dpp: 'proto_pkex_exchange_req_no_finite_cyclic_group',
      what: 'without a group',
      message: rewritten(request, without('finiteCyclicGroup')),
    },
    {
      dpp: 'proto_pkex_exchange_req_no_encrypted_key',
      what: 'without a key',
      message: rewritten(request, without('encryptedKey')),
    },
    {
      dpp: 'proto_pkex_exchange_req_invalid_encrypted_key',
      what: 'with a key off the curve',
      message: rewritten(request, replacing('encryptedKey', flipped)),
    },
    { what: 'with a short key', message: rewritten(request, replacing('encryptedKey', good.subarray(2))) },
    { what: 'with a key of zeros', message: rewritten(request, replacing('encryptedKey', Buffer.alloc(64))) },
    {
      what: 'with a group of one octet',
      message: rewritten(request, replacing('finiteCyclicGroup', Buffer.of(19))),
    },
    { what: 'of version 0', message: rewritten(request, replacing('protocolVersion', Buffer.of(0))) },
    {
      what: 'with an empty version',
      message: rewritten(request, replacing('protocolVersion', Buffer.alloc(0))),
    },
    { what: 'without a version', message: rewritten(request, without('protocolVersion')) },
    { what: 'with octets after it', message: Buffer.concat([request, Buffer.alloc(3)]) },
    { what: 'cut short', message: request.subarray(0, -1) },
  ]
  for (const each of cases) {
    test(tagged(each.what, each.dpp), () => {
      const result = responder.step(responder.begin(right), received(each.message, left))
      assert.deepEqual([result.state.type, result.effects], ['listening', []])
    })
  }

  test('that hides nothing behind Q: it is a guess, and counts as one', () => {
    const element = encryptingElement('P-256', 'initiator', right.code)
    const message = rewritten(request, replacing('encryptedKey', element.point))
    const result = responder.step(responder.begin(right), received(message, left))
    assert.deepEqual(result.state, { type: 'failed', reason: 'code-mismatch' })
    assert.deepEqual(kinds(result.effects), ['count-try'])
  })
})

describe('an Exchange Response is not taken', () => {
  const [left, right] = [party('P-256', 'secret', 'k'), party('P-256', 'secret', 'k')]
  const { requested, response } = exchange(left, right)
  const cases: readonly { dpp?: string | readonly string[]; what: string; message: Uint8Array }[] = [
    {
      dpp: ['proto_pkex_exchange_resp_no_status'],
      what: 'without a status',
      message: rewritten(response, without('status')),
    },
    {
      dpp: 'proto_pkex_exchange_resp_no_encrypted_key',
      what: 'without a key',
      message: rewritten(response, without('encryptedKey')),
    },
    {
      dpp: ['proto_pkex_exchange_resp_invalid_encrypted_key', 'pkex_exchange_resp_processing_failure'],
      what: 'with a key off the curve',
      message: rewritten(response, replacing('encryptedKey', flipped)),
    },
    {
      dpp: 'proto_pkex_exchange_resp_invalid_status',
      what: 'with a status of no meaning here',
      message: rewritten(response, replacing('status', Buffer.of(255))),
    },
    {
      what: 'with a status of two octets',
      message: rewritten(response, replacing('status', Buffer.of(0, 0))),
    },
    { what: 'without a version', message: rewritten(response, without('protocolVersion')) },
    {
      what: 'as a Commit-Reveal Response',
      message: Buffer.concat([response.subarray(0, 6), Buffer.of(10), response.subarray(7)]),
    },
  ]
  for (const each of cases) {
    test(tagged(each.what, each.dpp), () => {
      const result = initiator.step(requested.state, received(each.message, right))
      assert.deepEqual([result.state.type, result.effects], ['requested', []])
    })
  }

  test('when it hides nothing behind Q', () => {
    const element = encryptingElement('P-256', 'responder', left.code)
    const message = rewritten(response, replacing('encryptedKey', element.point))
    const result = initiator.step(requested.state, received(message, right))
    assert.deepEqual([result.state.type, result.effects], ['requested', []])
  })

  test('when it is our own request, sent back', () => {
    const mirrored = rewritten(
      response,
      replacing('encryptedKey', decodeAttributes(sent(requested.effects).subarray(7)).need('encryptedKey')),
    )
    const revealed = initiator.step(requested.state, received(mirrored, right))
    assert.equal(revealed.state.type, 'revealed')
    const echoed = Buffer.from(sent(revealed.effects))
    echoed[6] = dppFrame.pkexCommitRevealResponse
    const result = initiator.step(revealed.state, received(echoed, right))
    assert.deepEqual(result.state, { type: 'failed', reason: 'code-mismatch' })
  })
})

type Change = (list: ReturnType<typeof decodeRaw>) => ReturnType<typeof decodeRaw>

/** What is wrapped, changed and wrapped again by somebody who knows z. */
function rewrapped(z: Uint8Array, message: Uint8Array, change: Change): Buffer {
  const frame = decodeFrame(message)
  assert.ok(frame.kind === 'dpp')
  const data = [frameHeader(frame.type), Buffer.of(frame.type === dppFrame.pkexCommitRevealRequest ? 0 : 1)] as const
  const clear = encodeRaw(
    change(decodeRaw(openAesSiv(z, decodeAttributes(frame.attributes).need('wrappedData'), ...data))),
  )
  return Buffer.concat([message.subarray(0, 7), encodeAttributes([['wrappedData', sealAesSiv(z, clear, ...data)]])])
}

interface Reveal {
  readonly dpp?: string | readonly string[]
  readonly what: string
}

const broken: Record<string, (tag: AttributeName) => Change> = {
  'without a bootstrapping key': () => without('bootstrappingKey'),
  'with a bootstrapping key off the curve': () => replacing('bootstrappingKey', flipped),
  'with another bootstrapping key': () => replacing('bootstrappingKey', generateDppKey('P-256').point),
  'without a tag': without,
  'with another tag': tag => replacing(tag, flipped),
  'with a short tag': tag => replacing(tag, old => old.subarray(1)),
}

const requests: readonly Reveal[] = [
  { dpp: 'proto_pkex_cr_req_no_bootstrap_key', what: 'without a bootstrapping key' },
  { dpp: 'proto_pkex_cr_req_invalid_bootstrap_key', what: 'with a bootstrapping key off the curve' },
  { what: 'with another bootstrapping key' },
  { dpp: 'proto_pkex_cr_req_no_i_auth_tag', what: 'without a tag' },
  { dpp: 'proto_pkex_cr_req_i_auth_tag_mismatch', what: 'with another tag' },
  { what: 'with a short tag' },
]

const responses: readonly Reveal[] = [
  { dpp: 'proto_pkex_cr_resp_no_bootstrap_key', what: 'without a bootstrapping key' },
  { dpp: 'proto_pkex_cr_resp_invalid_bootstrap_key', what: 'with a bootstrapping key off the curve' },
  { what: 'with another bootstrapping key' },
  { dpp: 'proto_pkex_cr_resp_no_r_auth_tag', what: 'without a tag' },
  { dpp: 'proto_pkex_cr_resp_r_auth_tag_mismatch', what: 'with another tag' },
  { what: 'with a short tag' },
]

describe('a Commit-Reveal Request is refused', () => {
  const [left, right] = [party('P-256', 'secret', 'k'), party('P-256', 'secret', 'k')]
  const { exchanged, commit, revealed } = exchange(left, right)
  assert.ok(revealed.state.type === 'revealed')
  const z = revealed.state.z.reveal()
  for (const each of requests) {
    const change = broken[each.what]!('initiatorAuthenticatingTag')
    test(tagged(`${each.what}, and counts as a try`, each.dpp), () => {
      const result = responder.step(exchanged.state, received(rewrapped(z, commit, change), left))
      assert.deepEqual(result.state, { type: 'failed', reason: 'code-mismatch' })
      assert.deepEqual(kinds(result.effects), ['count-try'])
    })
  }

  test('unless it was wrapped as it should be', () => {
    const same = rewrapped(z, commit, list => list)
    assert.equal(responder.step(exchanged.state, received(same, left)).state.type, 'bootstrapped')
    const foreign = rewrapped(z, commit, list => [[0x10ff, Buffer.alloc(5)], ...list])
    assert.equal(
      responder.step(exchanged.state, received(foreign, left)).state.type,
      'bootstrapped',
      'unknown attributes do no harm',
    )
  })

  const dropped: readonly { dpp?: string | readonly string[]; what: string; message: Uint8Array }[] = [
    {
      dpp: ['proto_pkex_cr_req_no_wrapped_data', 'pkex_commit_reveal_req_processing_failure'],
      what: 'without wrapped data',
      message: rewritten(commit, without('wrappedData')),
    },
    {
      dpp: 'proto_after_wrapped_data_pkex_cr_req',
      what: 'with an attribute after wrapped data',
      message: rewritten(commit, adding('status', Buffer.of(0))),
    },
  ]
  for (const each of dropped) {
    test(tagged(`${each.what}: as if it had not come`, each.dpp), () => {
      const result = responder.step(exchanged.state, received(each.message, left))
      assert.deepEqual([result.state.type, result.effects], ['exchanged', []])
      assert.equal(responder.step(result.state, received(commit, left)).state.type, 'bootstrapped')
    })
  }
})

describe('a Commit-Reveal Response is refused', () => {
  const [left, right] = [party('P-256', 'secret', 'k'), party('P-256', 'secret', 'k')]
  const so = exchange(left, right)
  assert.ok(so.revealed.state.type === 'revealed')
  const z = so.revealed.state.z.reveal()
  const { state } = so.revealed
  const reveal = sent(responder.step(so.exchanged.state, received(so.commit, left)).effects)
  for (const each of responses) {
    const change = broken[each.what]!('responderAuthenticatingTag')
    test(tagged(each.what, each.dpp), () => {
      const result = initiator.step(state, received(rewrapped(z, reveal, change), right))
      assert.deepEqual([result.state, result.effects], [{ type: 'failed', reason: 'code-mismatch' }, []])
    })
  }

  const dropped: readonly { dpp?: string | readonly string[]; what: string; message: Uint8Array }[] = [
    {
      dpp: 'proto_pkex_cr_resp_no_wrapped_data',
      what: 'without wrapped data',
      message: rewritten(reveal, without('wrappedData')),
    },
    {
      dpp: 'proto_after_wrapped_data_pkex_cr_resp',
      what: 'with an attribute after wrapped data',
      message: rewritten(reveal, adding('status', Buffer.of(0))),
    },
  ]
  for (const each of dropped) {
    test(tagged(`${each.what}: as if it had not come`, each.dpp), () => {
      const result = initiator.step(state, received(each.message, right))
      assert.deepEqual([result.state.type, result.effects], ['revealed', []])
    })
  }
})
