import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Secret } from '../../../src/crypto/secret.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import type { AuthenticatedSession } from '../../../src/protocol/dpp/authentication.ts'
import { configure, type State, step, type Transition } from '../../../src/protocol/dpp/configurator.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { encodeRecord } from '../../../src/protocol/dpp/record.ts'
import { effect, only, received } from './hand.ts'
import { messageOf } from './party.ts'
import { octets, type Transcript, type TranscriptMessage, transcripts } from './vector.ts'

describe('the recorded configurations: from the same key and nonces our Configurator sends the same octets', () => {
  const sessionOf = ({ curve, mutual, expected }: Transcript): AuthenticatedSession => {
    const keys = generateDppKey(curve)
    const secret = (hex: string | undefined) => new Secret(octets(hex ?? ''))
    return {
      curve,
      role: 'configurator',
      mutual,
      peerVersion: 2,
      ke: secret(expected['ke']),
      bk: secret(expected['bk']),
      ownProtocolKey: keys,
      peerProtocolKey: keys,
    }
  }
  const answerTo = (state: State, { status, clear }: TranscriptMessage): Transition => {
    if (status === dppStatus.csrNeeded) {
      return step(state, { type: 'csr-needed', csrAttributes: Buffer.from(String(clear?.['csr_attributes'])) })
    }
    if (status !== dppStatus.ok) return step(state, { type: 'configuration-refused', status: status! })
    const objects = [Buffer.from(String(clear?.['config_object']))]
    const connectionStatus = clear?.['send_connection_status'] === true
    return step(state, { type: 'configuration-granted', objects, connectionStatus })
  }
  const attributesOf = (data: string) => {
    const message = messageOf(data)
    // What follows the dialog token, up to the length of the attributes: all are GAS answers.
    return message.subarray(message[0] === 13 ? 19 : 18)
  }

  for (const transcript of transcripts) {
    const { name, messages } = transcript
    const configuration = messages.filter(({ message, status }) => /^Config/.test(message) && status !== undefined)
    if (configuration.length === 0) continue
    test(name, () => {
      let state = configure(sessionOf(transcript)).state
      let compared = 0
      let results = 0
      for (const [at, message] of messages.entries()) {
        if (message.message.startsWith('Configuration Request')) {
          const asked = step(state, received(messageOf(message.data)))
          assert.equal(effect(asked, 'configuration-requested').request.name, nameIn(message))
          // hostap's Controller puts off the answer to a CSR, ours never.
          const answer = messages
            .slice(at)
            .find(({ message, status }) => /Response/.test(message) && status !== undefined)
          const answered = answerTo(asked.state, answer!)
          const direct = answer!.message.includes('Initial')
          if (direct) assert.equal(encodeRecord(only(answered)).toString('hex'), answer!.data)
          const ours = attributesOf(encodeRecord(only(answered)).toString('hex'))
          assert.deepEqual(ours, attributesOf(answer!.data))
          state = answered.state
          compared++
        }
        if (message.message === 'Configuration Result') {
          const done = step(state, received(messageOf(message.data)))
          assert.equal(effect(done, 'configuration-resulted').status, dppStatus.ok)
          state = done.state
          results++
        }
      }
      assert.equal(compared, configuration.length)
      assert.equal(state.type === 'finished' || state.type === 'connecting', true, state.type)
      assert.equal(results, transcript.name.endsWith('failure') ? 0 : 1)
    })
  }
  const nameIn = ({ clear }: TranscriptMessage) =>
    (JSON.parse(String(clear?.['config_request'])) as { readonly name: string }).name
})
