import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { painter } from '../../../src/app/cli/terminal.ts'
import { keepWaiting, runDemo } from '../../../src/app/demo/demo.ts'
import { partyStores, silentLog } from '../../store.ts'

const refused = [
  { device: 'F26-000006', code: 'device-unexpected' },
  { device: 'K26-000006', code: 'owner-mismatch' },
  { device: 'clone of F26-000002', code: 'idevid-forged' },
  { device: 'counterfeit of L26-000005', code: 'dpp-authentication-failed' },
  { device: 'evil twin', code: 'voucher-invalid' },
  { device: 'evil Configurator', code: 'declaration-missing' },
  { device: 'evil Configurator', code: 'configurator-not-authentic' },
]
const misled = [{ device: 'L26-000004', network: 'evil Configurator' }]

/** Networks refuse in the order in which devices meet them. */
const inOrder = (list: readonly { readonly device: string; readonly code: string }[]) =>
  list.map(({ device, code }) => `${device}: ${code}`).sort()

function paper() {
  const lines: string[] = []
  return { lines, stream: { write: (text: string) => lines.push(...text.split('\n')) } }
}

describe('the demonstration', () => {
  it('comes to exactly the expected end, says so, and lets a device in that a person approves', async () => {
    const { lines, stream } = paper()
    const { outcome, differences, cast } = await runDemo({
      out: stream,
      paint: painter(stream, {}),
      quiet: false,
      log: silentLog,
      ...partyStores(),
    })
    try {
      assert.deepEqual(differences, [])
      assert.equal(outcome.onboarded.length, 13)
      assert.deepEqual(inOrder(outcome.refused), inOrder(refused))
      assert.deepEqual(outcome.misled, misled)
      assert.ok(lines.every(line => line.length <= 100))
      assert.ok(
        lines.some(line => line.includes('simulated')),
        'says what is simulated',
      )
      for (const { device, code } of refused) {
        assert.ok(
          lines.some(line => line.includes(device) && line.includes(code)),
          `${device} ${code}`,
        )
      }

      const { site } = cast.stage
      const credentials = await site.store.read(tables => tables.credential.find({ status: 'issued' }))
      // Ten by cable, three lamps, and the access point that they join at.
      assert.equal(new Set(credentials.map(({ keyHash }) => keyHash)).size, 14, 'one key for each')
      assert.equal(credentials.length, 14)
      assert.ok(
        lines.some(line => line.includes('one-way authentication')),
        'says what that cannot prevent',
      )

      await site.approval.grant(cast.stage.device('F26-000006'), 'tester')
      const connected: string[] = []
      await keepWaiting(cast, outcome, new AbortController().signal, device => connected.push(device))
      assert.deepEqual(connected, ['F26-000006'])
    } finally {
      await cast.close()
    }
  })

  it('is slowed down for a person who watches, and ends at once when it is broken off', async () => {
    const { stream } = paper()
    const paint = painter(stream, {})
    const ending = new AbortController()
    const watched = {
      write(text: string) {
        if (text.endsWith(' heard\n')) ending.abort()
      },
    }
    const { outcome, differences, cast } = await runDemo({
      out: stream,
      paint,
      quiet: true,
      log: silentLog,
      ...partyStores(),
      pace: 1,
    })
    await cast.close()
    assert.deepEqual(differences, [])
    assert.deepEqual(inOrder(outcome.refused), inOrder(refused))
    assert.deepEqual(outcome.misled, misled)
    // Its first rest would last longer than the test may.
    const broken = runDemo({
      out: watched,
      paint,
      quiet: false,
      log: silentLog,
      ...partyStores(),
      pace: 1e6,
      signal: ending.signal,
    })
    await assert.rejects(broken, { name: 'AbortError' })
  })

  it('says nothing when only the outcome is wanted', async () => {
    const { lines, stream } = paper()
    const { cast } = await runDemo({
      out: stream,
      paint: painter(stream, {}),
      quiet: true,
      log: silentLog,
      ...partyStores(),
    })
    await cast.close()
    assert.deepEqual(lines, [])
  })
})
