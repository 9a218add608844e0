import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type ErrorCode, OnboardingError } from '../../src/domain/error.ts'
import {
  type LifecycleActor,
  type LifecycleEvent,
  type LifecycleFact,
  type LifecycleFacts,
  type LifecycleState,
  mayChangeOnboarders,
  mayTransferOwnership,
  move,
  possibleMoves,
} from '../../src/domain/lifecycle.ts'
import { lifecycleGuards, unmetFacts } from '../../src/domain/lifecycle-guard.ts'
import {
  lifecycleStates,
  lifecycleTransitions,
  type TransitionEntry,
  type TransitionId,
} from '../../src/domain/lifecycle-table.ts'

const rows: readonly (TransitionEntry & { readonly id: TransitionId; readonly event: LifecycleEvent })[] =
  lifecycleTransitions
const states = Object.keys(lifecycleStates) as LifecycleState[]
const events = [...new Set(rows.map(row => row.event))]
const actors: readonly LifecycleActor[] = [
  'device-manufacturer',
  'device-system-integrator',
  'rebranding-vendor',
  'logistics',
  'retailer',
  'device-purchaser',
  'device-owner',
  'device-onboarder',
  'device-installer',
  'device-manager',
  'network-onboarding-component',
  'application-manager',
  'automatic',
]
const alternativesOf = (row: TransitionEntry): readonly LifecycleFacts[] =>
  row.guard === undefined ? [{}] : lifecycleGuards[row.guard]
const entriesOf = (facts: LifecycleFacts) => Object.entries(facts) as [LifecycleFact, boolean][]
const actorsOf = (row: TransitionEntry) => (row.actors.length === 0 ? actors : row.actors)
const factNames = [
  ...new Set(
    Object.values(lifecycleGuards).flatMap((list: readonly LifecycleFacts[]) =>
      list.flatMap(alternative => entriesOf(alternative).map(([fact]) => fact)),
    ),
  ),
]

function refused(code: ErrorCode, detail: Readonly<Record<string, string>>) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError)
    assert.equal(error.code, code)
    for (const [name, value] of Object.entries(detail)) assert.equal(error.detail[name], value)
    return true
  }
}

describe('the table', () => {
  test('has 17 states and 36 transitions, numbered T01 to T36', () => {
    assert.equal(states.length, 17)
    assert.deepEqual(
      rows.map(row => row.id),
      Array.from({ length: 36 }, (_, index) => `T${String(index + 1).padStart(2, '0')}`),
    )
  })

  test('never names the same state and event twice, so that a step has one outcome', () => {
    assert.equal(new Set(rows.map(row => `${row.from} ${row.event}`)).size, rows.length)
  })

  test('has a guard exactly where it has a condition, and uses every guard', () => {
    for (const row of rows) assert.equal(row.guard !== undefined, row.condition !== '', row.id)
    assert.deepEqual(new Set(rows.flatMap(row => row.guard ?? [])), new Set(Object.keys(lifecycleGuards)))
  })

  test('reaches every state from the first [WP-LS-*]', () => {
    const reached = new Set<LifecycleState>(['SC.RDD'])
    for (const state of reached) for (const { to } of possibleMoves(state)) reached.add(to)
    assert.deepEqual([...reached].sort(), [...states].sort())
  })

  test('ends at end of life and nowhere else', () => {
    assert.deepEqual(
      states.filter(state => possibleMoves(state).length === 0),
      ['US.EOL'],
    )
  })

  test('lets the device manager alone connect and disconnect, and disconnects into maintenance or out of use (E4) [WP-LE-E4]', () => {
    const connections = rows.filter(row => /^(dis)?connect/.test(row.event))
    assert.equal(connections.length, 5)
    for (const row of connections) assert.deepEqual(row.actors, ['device-manager'], row.id)
    for (const row of connections.filter(row => row.event.startsWith('disconnect'))) {
      assert.ok(row.to === 'US.MTD' || row.to === 'US.DEC', row.id)
    }
  })

  test('refuses every maintenance step of an unsupported device (WP-LG-7) [WP-LG-7]', () => {
    assert.deepEqual(
      possibleMoves('US.UNS').map(row => row.event),
      ['disconnect', 'break'],
    )
  })
})

/*
 * The digest pins the table to the list of requirements, so that this test says the same with and without that list.
 * It covers id, from, event, to, actors, condition and effect of every row and id, name, phase and note of every state.
 */
describe('the table is the one of the requirements', () => {
  const digest = '84c3cf72e0e9e3816e8931cef973f7854ec187136dae3c763b02990ea643820a'
  const text = (value: unknown) => JSON.stringify(value).replaceAll('uthoris', 'uthoriz')
  const digestOf = (value: unknown) => createHash('sha256').update(text(value)).digest('hex')

  test('by digest', () => {
    const table = {
      states: states.map(id => [id, lifecycleStates[id].name, lifecycleStates[id].phase, lifecycleStates[id].note]),
      transitions: rows.map(row => [row.id, row.from, row.event, row.to, row.actors, row.condition, row.effect]),
    }
    assert.equal(digestOf(table), digest)
  })

  const file = new URL('../../../shared/nist/requirements.json', import.meta.url)
  test('by its source', { skip: existsSync(file) ? false : 'requirements.json is not here' }, () => {
    const { lifecycle } = JSON.parse(readFileSync(file, 'utf8'))
    const alias: Record<string, string> = {
      'system-integrator': 'device-system-integrator',
      integrator: 'device-system-integrator',
      manufacturer: 'device-manufacturer',
      owner: 'device-owner',
    }
    const parties = (actor: string) =>
      actor === '-' ? [] : actor.split(' / ').map(name => alias[name.replaceAll(' ', '-')] ?? name.replaceAll(' ', '-'))
    const words = (value: string) => (value === '-' ? '' : value)
    const source = {
      states: lifecycle.states.map((state: Record<string, string>) => [state.id, state.name, state.phase, state.note]),
      transitions: lifecycle.transitions.map(
        (row: Record<'id' | 'from' | 'event' | 'to' | 'actor' | 'guard' | 'effect', string>) => [
          row.id,
          row.from,
          row.event,
          row.to,
          parties(row.actor),
          words(row.guard),
          words(row.effect),
        ],
      ),
    }
    assert.equal(digestOf(source), digest)
  })
})

describe('a step', () => {
  test('exists for the 36 pairs of the table and for no other pair of state and event', () => {
    let refusals = 0
    for (const state of states) {
      for (const event of events) {
        const row = rows.find(row => row.from === state && row.event === event)
        if (row !== undefined) continue
        refusals++
        const everything: LifecycleFacts = Object.fromEntries(factNames.map(fact => [fact, true]))
        assert.throws(
          () => move(state, event, 'device-manager', everything),
          refused('lifecycle-transition-refused', { state, event }),
        )
      }
    }
    assert.equal(refusals, states.length * events.length - 36)
  })

  for (const row of rows) {
    const { id, from, event, to, guard, effect } = row
    test(`${id} ${from} ${event} ${to} is taken by its actors alone, and only when its guard holds [WP-LT-${id}]`, () => {
      for (const alternative of alternativesOf(row)) {
        for (const actor of actors) {
          const step = () => move(from, event, actor, alternative)
          if (actorsOf(row).includes(actor))
            assert.deepEqual(step(), { transition: id, from, event, to, actor, effect })
          else assert.throws(step, refused('lifecycle-actor-refused', { state: from, event, actor }))
        }
      }
      if (guard === undefined) return
      const actor = actorsOf(row)[0]!
      assert.throws(() => move(from, event, actor, {}), refused('lifecycle-guard-unmet', { state: from, event, guard }))
      // Of two ways that are equally near, the first is named.
      const named = (fact: LifecycleFact) => (alternativesOf(row).length > 1 ? {} : { unmet: fact })
      for (const alternative of alternativesOf(row)) {
        for (const [fact, value] of entriesOf(alternative)) {
          const { [fact]: _, ...unknown } = alternative
          for (const facts of [unknown, { ...unknown, [fact]: !value }]) {
            assert.throws(
              () => move(from, event, actor, facts),
              refused('lifecycle-guard-unmet', { state: from, event, guard, ...named(fact) }),
            )
          }
        }
      }
    })
  }

  test('with facts that no guard asks for goes the same way', () => {
    const facts = fc.record(Object.fromEntries(factNames.map(fact => [fact, fc.boolean()])), { requiredKeys: [] })
    fc.assert(
      fc.property(fc.constantFrom(...rows), facts, (row, facts: LifecycleFacts) => {
        const holds = alternativesOf(row).some(alternative =>
          entriesOf(alternative).every(([fact, value]) => facts[fact] === value),
        )
        if (row.guard !== undefined) assert.equal(unmetFacts(row.guard, facts).length === 0, holds)
        const step = () => move(row.from, row.event, actorsOf(row)[0]!, facts)
        if (holds) assert.equal(step().to, row.to)
        else assert.throws(step, refused('lifecycle-guard-unmet', { state: row.from }))
      }),
      { numRuns: 1000 },
    )
  })
})

/** What a device's history says, as a walk through the lifecycle builds it up. */
interface Walk {
  state: LifecycleState
  wiped: boolean
  broken: boolean
  onboarded: boolean
  visited: LifecycleState[]
}

describe('a random walk', () => {
  const start = fc.constantFrom(...states)
  const choices = fc.array(fc.record({ row: fc.nat(), alternative: fc.nat(), wipe: fc.boolean() }), {
    maxLength: 200,
    size: 'max',
  })

  function walk(from: LifecycleState, steps: readonly { row: number; alternative: number; wipe: boolean }[]): Walk {
    const device: Walk = { state: from, wiped: false, broken: false, onboarded: false, visited: [from] }
    for (const choice of steps) {
      const moves = possibleMoves(device.state)
      const row = moves[choice.row % moves.length]
      if (row === undefined) break
      const alternatives = alternativesOf(row)
      if (device.state === 'US.DEC') device.wiped ||= choice.wipe
      // What is known of the device is not the caller's to choose.
      const facts = {
        ...alternatives[choice.alternative % alternatives.length],
        wiped: device.wiped,
        functional: !device.broken,
        onboardedBeforeInstallation: device.onboarded,
      }
      if (row.event === 'break') Object.assign(facts, { functional: false, repairable: false })
      try {
        device.state = move(device.state, row.event, actorsOf(row)[0]!, facts).to
      } catch (error) {
        assert.ok(error instanceof OnboardingError)
        assert.equal(error.code, 'lifecycle-guard-unmet')
        continue
      }
      if (row.event === 'break') device.broken = true
      if (device.state === 'US.NLO') device.onboarded = true
      if (row.from === 'US.DEC' && row.to !== 'US.EOL') {
        assert.ok(device.wiped, 'back into use without having been wiped')
        device.wiped = false
        device.onboarded = row.to === 'US.NLO'
      }
      device.visited.push(device.state)
    }
    return device
  }

  test('stays in the 17 states, never returns to the supply chain, and rests at end of life', () => {
    fc.assert(
      fc.property(start, choices, (from, steps) => {
        const { visited } = walk(from, steps)
        for (const state of visited) assert.ok(states.includes(state))
        const firstUse = visited.findIndex(state => state.startsWith('US.'))
        if (firstUse >= 0) assert.ok(visited.slice(firstUse).every(state => state.startsWith('US.')))
        const end = visited.indexOf('US.EOL')
        if (end >= 0) assert.equal(end, visited.length - 1)
      }),
      { numRuns: 500 },
    )
  })

  test('leads from a break to decommissioning and from there to end of life only (E5) [WP-LE-E5]', () => {
    fc.assert(
      fc.property(start, choices, (from, steps) => {
        const { broken, visited, state } = walk(from, steps)
        if (!broken) return
        assert.ok(state === 'US.DEC' || state === 'US.EOL', visited.join(' '))
      }),
      { numRuns: 500 },
    )
  })

  test('comes to use by way of network-layer onboarding', () => {
    fc.assert(
      fc.property(choices, steps => {
        const { visited } = walk('SC.RDD', steps)
        const commissioned = visited.indexOf('US.COM')
        if (commissioned >= 0) assert.ok(visited.slice(0, commissioned).includes('US.NLO'))
      }),
      { numRuns: 500 },
    )
  })
})

describe('change of owner and onboarders', () => {
  const transferable = ['SC.MFG', 'SC.INT', 'SC.RBR', 'SC.TRN', 'SC.STO', 'SC.SHL', 'US.INS', 'US.DEC']

  test('the owner transfers a wiped device before onboarding and after decommissioning, never between (E1) [WP-LE-E1]', () => {
    for (const state of states) {
      const permission = mayTransferOwnership(state, { byOwner: true, wiped: true, onboarded: false })
      assert.equal(permission.allowed, transferable.includes(state), state)
      if (!permission.allowed) assert.equal(permission.code, 'lifecycle-transition-refused')
    }
  })

  test('a device that was onboarded before its installation is decommissioned first', () => {
    const permission = mayTransferOwnership('US.INS', { byOwner: true, wiped: true, onboarded: true })
    assert.equal(permission.allowed || permission.code, 'lifecycle-guard-unmet')
    assert.ok(mayTransferOwnership('US.DEC', { byOwner: true, wiped: true, onboarded: true }).allowed)
  })

  test('a device that still holds data is nobody to be given away [WP-LE-E1, WP-M6.12]', () => {
    for (const state of states) {
      assert.equal(mayTransferOwnership(state, { byOwner: true, wiped: false, onboarded: false }).allowed, false)
    }
  })

  test('nobody but the owner, in no state [WP-LE-E1]', () => {
    for (const state of states) {
      const permission = mayTransferOwnership(state, { byOwner: false, wiped: true, onboarded: false })
      assert.equal(permission.allowed || permission.code, 'not-owner')
    }
  })

  test('the owner grants and revokes onboarding at any time, and nobody else does (E2, E3) [WP-LE-E2, WP-LE-E3]', () => {
    assert.deepEqual(mayChangeOnboarders({ byOwner: true }), { allowed: true })
    const permission = mayChangeOnboarders({ byOwner: false })
    assert.equal(permission.allowed || permission.code, 'not-owner')
  })
})
