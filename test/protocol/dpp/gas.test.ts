import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeFrame, encodeFrame, type Frame, type GasInitialResponse } from '../../../src/protocol/dpp/frame.ts'
import { Meeting } from './meeting.ts'

/*
 * GAS between an Enrollee and a Configurator when one of them does not keep to it.
 */

type Response = Omit<GasInitialResponse, 'kind'>

/** The Configuration Response of an onboarding, in whatever else. */
function answeredWith(change: (answer: Response) => readonly Frame[], more: readonly Frame[] = []): Meeting {
  return new Meeting({
    between: message => {
      const frame = decodeFrame(message)
      if (frame.kind !== 'gas-initial-response') return [message]
      const { kind: _, ...answer } = frame
      return [...change(answer), ...more].map(encodeFrame)
    },
  }).run()
}

describe('an Enrollee', () => {
  test('passes over answers to other questions, and takes its own [dpp: gas, hostapd_enrollee_gas_proto, discard_public_action]', () => {
    const meeting = answeredWith(answer => {
      const empty = { ...answer, attributes: new Uint8Array() }
      return [
        { kind: 'gas-initial-response', ...empty, dialogToken: 9 },
        { kind: 'gas-comeback-response', ...answer, fragment: 0 },
        { kind: 'gas-comeback-request', dialogToken: 0 },
        { kind: 'gas-initial-request', dialogToken: 0, attributes: new Uint8Array() },
        { kind: 'dpp', type: 99, attributes: new Uint8Array() },
        { kind: 'gas-initial-response', ...answer },
      ]
    })
    meeting.assertConfigured()
    const ignored = new Meeting().run().assertConfigured()
    const [, response] = ignored.arrivals
    for (const action of [0, 8, 14, 200]) {
      const { state, effects } = response!.receive(Buffer.of(action, 1, 2))
      assert.deepEqual([state.type, effects], [response!.before.type, []], 'another Public Action is for somebody else')
    }
  })

  const wrong: readonly { what: string; change: (answer: Response) => Frame; reason: string }[] = [
    {
      what: 'a status that is no success',
      change: answer => ({ kind: 'gas-initial-response', ...answer, statusCode: 1 }),
      reason: 'malformed',
    },
    {
      what: 'no attributes',
      change: answer => ({ kind: 'gas-initial-response', ...answer, attributes: new Uint8Array() }),
      reason: 'malformed',
    },
    {
      what: 'half of the attributes',
      change: answer => ({ kind: 'gas-initial-response', ...answer, attributes: answer.attributes.subarray(0, 40) }),
      reason: 'malformed',
    },
    {
      what: 'a delay of a minute and more',
      change: answer => ({ kind: 'gas-initial-response', ...answer, comebackDelay: 0xffff }),
      reason: 'timed-out',
    },
  ]
  for (const { what, change, reason } of wrong) {
    test(`gives up at ${what} [dpp: hostapd_enrollee_gas_errors]`, () => {
      const meeting = answeredWith(answer => [change(answer)]).assertNothing()
      assert.ok(meeting.enrollee.type === 'failed')
      assert.equal(meeting.enrollee.failure.reason, reason)
    })
  }

  test('comes back when it is told to, gets its answer then, and gives up when there is none [dpp: qr_code_config_event_initiator_set_comeback, hostapd_enrollee_gas_timeout_comeback]', () => {
    let held: Response | undefined
    const told = answeredWith(answer => {
      held = answer
      return [{ kind: 'gas-initial-response', ...answer, comebackDelay: 500, attributes: new Uint8Array() }]
    })
    assert.deepEqual(told.enrolleeEffects.at(-1), { type: 'set-timer', milliseconds: 512 })
    told.tellEnrollee({ type: 'timer-fired' })
    const asked = told.enrolleeEffects.at(-1)
    assert.ok(asked?.type === 'send' && decodeFrame(asked.message).kind === 'gas-comeback-request')
    const before = told.enrollee
    told.deliver({
      from: 'configurator',
      message: encodeFrame({ kind: 'gas-comeback-response', ...held!, fragment: 0 }),
    })
    told.run().assertConfigured()
    assert.notEqual(before.type, 'configured')

    const left = answeredWith(answer => [
      { kind: 'gas-initial-response', ...answer, comebackDelay: 10, attributes: new Uint8Array() },
    ])
    left.tellEnrollee({ type: 'timer-fired' })
    left.tellEnrollee({ type: 'timed-out' })
    assert.ok(left.enrollee.type === 'failed' && left.enrollee.failure.reason === 'timed-out')
    left.assertNothing()
  })
})

describe('our Configurator', () => {
  test('never says when to come back, and does not know who does [dpp: gas_comeback_after_failure]', () => {
    const meeting = new Meeting({ decide: () => undefined }).run()
    const comeback = encodeFrame({ kind: 'gas-comeback-request', dialogToken: 0 })
    const before = meeting.configurator
    meeting.deliver({ from: 'enrollee', message: comeback })
    assert.equal(meeting.configurator, before)
    const asked = meeting.effect('configuration-requested')
    meeting.tellConfigurator({ type: 'configuration-refused', status: 5 })
    meeting.deliver({ from: 'enrollee', message: comeback })
    assert.deepEqual(meeting.configurator, { type: 'finished', outcome: 'refused' })
    assert.ok(asked !== undefined)
    for (const effect of meeting.configuratorEffects) {
      if (effect.type !== 'send') continue
      const frame = decodeFrame(effect.message)
      assert.ok(!('comebackDelay' in frame) || frame.comebackDelay === 0)
    }
  })

  test('echoes the dialog token, whatever it is', () => {
    const tokens: number[] = []
    new Meeting({
      between: (message, from) => {
        const frame = decodeFrame(message)
        if (frame.kind === 'gas-initial-request') {
          return [encodeFrame({ ...frame, dialogToken: 0xc3 })]
        }
        if (frame.kind === 'gas-initial-response' && from === 'configurator') {
          tokens.push(frame.dialogToken)
          return [encodeFrame({ ...frame, dialogToken: 0 })]
        }
        return [message]
      },
    })
      .run()
      .assertConfigured()
    assert.deepEqual(tokens, [0xc3])
  })
})
