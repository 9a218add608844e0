import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Cli } from '../../../src/app/cli/command.ts'
import { createProgram, everyCommand } from '../../../src/app/cli/program.ts'
import { needsSecret, networkAkms, usesAkm } from '../../../src/domain/network-definition.ts'
import { expected, withGate } from './gate.ts'

const pieces = [
  'permit (principal, action, resource);',
  'permit (principal, action == Action::"admit", resource);',
  'permit (principal, action == Action::"stay", resource);',
  'permit (principal, action == Action::"wait", resource);',
  'permit (principal, action == Action::"issueCredential", resource);',
  '@lifetimeDays("7") permit (principal, action == Action::"issueCredential", resource);',
  'forbid (principal, action == Action::"issueCredential", resource);',
  'forbid (principal, action == Action::"stay", resource);',
  'permit (principal, action == Action::"useService", resource == Service::"time");',
] as const

/** White paper section 6.4.5: every device gets a credential of its own, and no configuration says otherwise. */
describe('a credential of its own', () => {
  test('is in every admission, by whatever policies and protocol [WP-M6.03]', () =>
    withGate(async gate => {
      await expected(gate.store, 'M1', 'harbour')
      const chosen = fc.uniqueArray(fc.constantFrom(...pieces), { maxLength: 5 })
      await fc.assert(
        fc.asyncProperty(chosen, fc.constantFrom('brski', 'dpp'), async (texts, protocol) => {
          await gate.activate(`// ${randomBytes(8).toString('hex')}\n${texts.join('\n')}`)
          gate.pass(120_000)
          const attempt = randomBytes(8).toString('hex')
          const decision = await gate.admission.admit({
            identity: { manufacturer: 'fjord', serial: 'M1', certificateHash: 'c'.repeat(64), keyHash: 'a'.repeat(64) },
            network: { id: 'harbour-iot', protocol },
            evidence: { attempt, transcript: attempt, address: '192.0.2.7:1' },
          })
          const has = (text: (typeof pieces)[number]) => texts.includes(text)
          const issues = (has(pieces[0]) || has(pieces[4]) || has(pieces[5])) && !has(pieces[6])
          if (!issues) assert.notEqual(decision.verdict, 'admit', texts.join(' '))
          if (decision.verdict !== 'admit') return
          assert.equal(decision.plan.kind, 'network')
          assert.ok(decision.plan.lifetimeDays >= 1)
        }),
        { numRuns: 25 },
      )
    }))

  test('is what every kind of wireless network rests on: no open one can be defined, and none with one secret for all [WP-M6.03]', () => {
    for (const akm of networkAkms) {
      const own = needsSecret(akm) || usesAkm(akm, 'dpp') || akm === 'dot1x'
      assert.ok(own, `${akm} gives a device nothing of its own`)
    }
    assert.deepEqual(
      networkAkms.filter(akm => /open|none|owe/.test(akm)),
      [],
    )
  })

  test('cannot be switched off where a site is started: no option lets a device in without [WP-M6.03]', () => {
    const signal = new AbortController().signal
    class Idle extends Cli {
      override run(): () => Promise<void> {
        return async () => {}
      }
    }
    const idle = new Idle({ stdout: { write() {} }, stderr: { write() {} }, env: {}, signal })
    const up = everyCommand(createProgram(idle)).find(each => each.name() === 'up')
    const options = up?.options ?? []
    const strange = options.filter(({ long = '', description }) =>
      /insecure|unsafe|skip|disable|allow|shared|open|trust-|credential(?!s|\b.*renewed)/.test(
        `${long} ${description}`,
      ),
    )
    assert.deepEqual(
      strange.map(({ long }) => long),
      [],
    )
    const days = options.find(({ long }) => long === '--days')
    for (const none of ['0', '-1', '0.5', 'none']) assert.throws(() => days?.parseArg?.(none, undefined), none)
  })
})
