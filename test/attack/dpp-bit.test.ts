import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CodecError } from '../../src/codec/error.ts'
import type { DppCurve } from '../../src/protocol/dpp/curve.ts'
import { Meeting, type Side } from '../protocol/dpp/meeting.ts'

/*
 * Every bit of every message of an onboarding, altered on its way. Whoever gets it either is where it was, or has given up;
 * nobody answers, asks, installs or believes anything. What is different has its reason here.
 */

interface Outcome {
  readonly state: { readonly type: string; readonly outcome?: string }
  readonly effects: readonly { readonly type: string }[]
}

/** Octets of GAS that no key protects, and that nothing rests on. */
const unprotected: readonly { kind: number; octets: readonly number[]; reason: string; states: readonly string[] }[] = [
  { kind: 10, octets: [1], reason: 'the dialog token is only echoed', states: ['requested'] },
  { kind: 10, octets: [4], reason: 'a limit on responses that nobody means', states: ['requested'] },
  {
    kind: 11,
    octets: [4, 5],
    reason: 'a delay: the Enrollee comes back, and is a moment later',
    states: ['configuring'],
  },
  { kind: 11, octets: [8], reason: 'a limit on responses that nobody means', states: ['configuring'] },
]

function isExcused(message: Uint8Array, octet: number, { state }: Outcome): boolean {
  return unprotected.some(
    each => each.kind === message[0] && each.octets.includes(octet) && each.states.includes(state.type),
  )
}

/** The same parts, in an object of its own or not. */
function isSame(state: object, before: object): boolean {
  const [left, right] = [Object.entries(state), new Map(Object.entries(before))]
  return left.length === right.size && left.every(([name, value]) => right.get(name) === value)
}

function assertUnmoved(before: object, outcome: Outcome, where: string): void {
  const { state, effects } = outcome
  assert.deepEqual(effects, [], where)
  const over = state.type === 'failed' || (state.type === 'finished' && state.outcome !== 'accepted')
  assert.ok(over || isSame(state, before), `${where}: ${state.type}`)
}

function received(receive: (message: Uint8Array) => Outcome, message: Uint8Array): Outcome | undefined {
  try {
    return receive(message)
  } catch (error) {
    // No frame at all: the connection is closed.
    assert.ok(error instanceof CodecError, String(error))
    return undefined
  }
}

const scenes: readonly { initiator: Side; mutual: boolean; curve: DppCurve; bits: readonly number[] }[] = [
  { initiator: 'configurator', mutual: false, curve: 'P-256', bits: [0, 1, 2, 3, 4, 5, 6, 7] },
  { initiator: 'enrollee', mutual: true, curve: 'P-256', bits: [0, 1, 2, 3, 4, 5, 6, 7] },
  { initiator: 'configurator', mutual: true, curve: 'P-521', bits: [0] },
  { initiator: 'enrollee', mutual: false, curve: 'BP-384', bits: [7] },
]

describe('a bit altered in any octet of any message moves nobody', () => {
  for (const { initiator, mutual, curve, bits } of scenes) {
    test(`begun by the ${initiator}, ${mutual ? 'mutual' : 'one-way'}, on ${curve}`, () => {
      const { arrivals } = new Meeting({ initiator, mutual, curve }).run().assertConfigured()
      assert.equal(arrivals.length, 6)
      for (const [index, { message, before, receive }] of arrivals.entries()) {
        for (let octet = 0; octet < message.length; octet++) {
          for (const bit of bits) {
            const altered = Buffer.from(message)
            altered[octet]! ^= 1 << bit
            const outcome = received(receive, altered)
            if (outcome === undefined || isExcused(message, octet, outcome)) continue
            assertUnmoved(before, outcome, `message ${index}, octet ${octet}, bit ${bit}`)
          }
        }
      }
    })
  }

  test('nor does a message that ends early, at any octet, or goes on', () => {
    const { arrivals } = new Meeting({ mutual: true }).run().assertConfigured()
    for (const [index, { message, before, receive }] of arrivals.entries()) {
      for (let length = 0; length < message.length; length++) {
        const outcome = received(receive, message.subarray(0, length))
        if (outcome !== undefined) assertUnmoved(before, outcome, `message ${index} cut to ${length}`)
      }
      for (const more of [1, 4, 70]) {
        const outcome = received(receive, Buffer.concat([message, Buffer.alloc(more)]))
        if (outcome !== undefined) assertUnmoved(before, outcome, `message ${index} and ${more} octets`)
      }
    }
  })

  test('nor does a message of the same exchange in the place of another', () => {
    for (const initiator of ['configurator', 'enrollee'] as const) {
      const { arrivals } = new Meeting({ initiator, mutual: true }).run().assertConfigured()
      for (const [index, { before, receive }] of arrivals.entries()) {
        for (const [other, { message }] of arrivals.entries()) {
          if (other === index) continue
          const outcome = received(receive, message)
          if (outcome === undefined) continue
          // The request again: the device has not heard the answer, and hears that again.
          const again = index === 5 && other === 3
          if (again) assert.deepEqual(outcome.effects, [{ type: 'send', message: arrivals[4]!.message }])
          const { state, effects } = outcome
          assertUnmoved(before, { state, effects: again ? [] : effects }, `message ${other} for ${index}`)
        }
      }
    }
  })

  test('nor does the same message of another exchange of the same two', () => {
    const first = new Meeting({ mutual: true }).run().assertConfigured()
    const second = new Meeting({ mutual: true }).run().assertConfigured()
    for (const [index, { before, receive }] of second.arrivals.entries()) {
      const outcome = received(receive, first.arrivals[index]!.message)
      if (outcome !== undefined) assertUnmoved(before, outcome, `message ${index}`)
    }
  })
})
