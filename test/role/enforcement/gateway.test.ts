import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  type Effect,
  type GrantedSession,
  type Input,
  initial,
  type State,
  step,
} from '../../../src/role/enforcement/gateway.ts'

const lamp = '02:00:00:00:00:11'
const meter = '02:00:00:00:00:12'
const session = (station: string, more: Partial<GrantedSession> = {}): GrantedSession => ({
  id: 'a'.repeat(32),
  station,
  device: 'd1',
  segment: 'devices',
  seenAt: 0,
  until: 1000,
  ...more,
})

function run(inputs: readonly Input[], now = 0): { state: State; effects: Effect[] } {
  let state = initial
  const effects: Effect[] = []
  for (const input of inputs) {
    const next = step(state, input, now)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}

const came = (station: string): Input => ({ kind: 'station-authorized', station })
const listed = (...sessions: GrantedSession[]): Input => ({ kind: 'sessions-listed', sessions })

suite('A gateway', () => {
  test('lets nobody through on the word of the port alone', () => {
    const { state, effects } = run([came(lamp)])
    assert.deepEqual(effects, [{ kind: 'ask-site' }])
    assert.equal(state.inside.size, 0)
  })

  test('lets nobody through on the word of the site alone', () => {
    assert.deepEqual(run([listed(session(lamp))]).effects, [])
  })

  test('puts who is in both into the segment, in whatever order it learns of them', () => {
    const admit = { kind: 'admit', station: lamp, segment: 'devices' }
    assert.deepEqual(run([came(lamp), listed(session(lamp))]).effects, [{ kind: 'ask-site' }, admit])
    assert.deepEqual(run([listed(session(lamp)), came(lamp)]).effects, [admit, { kind: 'ask-site' }])
  })

  test('puts out who left, and who is granted no more, and tells the port of the latter', () => {
    const both = [came(lamp), listed(session(lamp))]
    assert.deepEqual(run([...both, { kind: 'station-gone', station: lamp }]).effects.at(-1), {
      kind: 'expel',
      station: lamp,
      reason: 'left',
    })
    assert.deepEqual(run([...both, listed()]).effects.slice(-2), [
      { kind: 'expel', station: lamp, reason: 'not-granted' },
      { kind: 'deauthenticate', station: lamp },
    ])
  })

  test('moves: out of the old segment first, then into the new one', () => {
    const { effects } = run([came(lamp), listed(session(lamp)), listed(session(lamp, { segment: 'quarantine' }))])
    assert.deepEqual(effects.slice(-2), [
      { kind: 'expel', station: lamp, reason: 'moved' },
      { kind: 'admit', station: lamp, segment: 'quarantine' },
    ])
  })

  test('goes by the later of two sessions under one MAC address, in whatever order they are listed', () => {
    const before = session(lamp, { device: 'd2', segment: 'machines', seenAt: 5 })
    const later = session(lamp, { id: 'b'.repeat(32), seenAt: 6 })
    for (const sessions of [
      [before, later],
      [later, before],
    ])
      assert.deepEqual([...run([came(lamp), listed(...sessions)]).state.inside], [[lamp, 'devices']])
  })

  test('keeps who is in while the site is away, as long as its word counts, and no longer', () => {
    const { state } = run([came(lamp), listed(session(lamp))])
    assert.deepEqual(step(state, { kind: 'time-passed' }, 999).effects, [])
    assert.deepEqual(step(state, { kind: 'time-passed' }, 1000).effects, [
      { kind: 'expel', station: lamp, reason: 'site-away' },
    ])
  })

  test('never has anybody inside who is not both authorized and granted, whatever happens', () => {
    const stations = fc.constantFrom(lamp, meter)
    const segments = fc.constantFrom('devices', 'quarantine', undefined)
    const sessions = fc.array(
      fc.record({ station: stations, segment: segments, until: fc.nat(20) }).map(({ segment, ...rest }) => {
        const { segment: _, ...base } = session(rest.station)
        return { ...base, ...rest, ...(segment === undefined ? {} : { segment }) }
      }),
      { maxLength: 3 },
    )
    const input: fc.Arbitrary<Input> = fc.oneof(
      stations.map(came),
      stations.map((station): Input => ({ kind: 'station-gone', station })),
      sessions.map(all => listed(...all)),
      fc.constant({ kind: 'time-passed' } as const),
    )
    fc.assert(
      fc.property(fc.array(input, { maxLength: 40 }), inputs => {
        let state = initial
        const fence = new Map<string, string>()
        inputs.forEach((each, now) => {
          const next = step(state, each, now)
          state = next.state
          for (const effect of next.effects) {
            if (effect.kind === 'expel') assert.ok(fence.delete(effect.station))
            if (effect.kind === 'admit') {
              assert.ok(!fence.has(effect.station))
              fence.set(effect.station, effect.segment)
            }
          }
          assert.deepEqual(fence, state.inside)
          if (each.kind === 'station-authorized') return
          for (const [station, segment] of fence) {
            const granted = state.sessions.get(station)
            assert.ok(state.stations.has(station) && granted !== undefined && now < granted.until)
            assert.equal(granted.segment ?? 'default', segment)
          }
        })
      }),
      { numRuns: 2000 },
    )
  })
})
