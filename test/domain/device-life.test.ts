import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Device, type DeviceEvent, evolveDevice, foldDevice } from '../../src/domain/device.ts'
import type { LifecycleState, TransitionId } from '../../src/domain/lifecycle.ts'
import { connectionMoves, lifeRefusal, onboardingMoves } from '../../src/domain/lifecycle-onboarding.ts'
import { lifecycleTransitions } from '../../src/domain/lifecycle-table.ts'

const at = Date.UTC(2026, 10, 20)

function born(lifecycle?: LifecycleState): DeviceEvent {
  const body = { manufacturer: 'acme', serial: 'A-1', model: '', source: 'test', owner: '', declarationVersion: 0 }
  return { kind: 'device-expected', body: lifecycle === undefined ? body : { ...body, lifecycle } }
}

function moved(transition: TransitionId): DeviceEvent {
  const { from, to } = lifecycleTransitions.find(({ id }) => id === transition)!
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor: 'device-manager', at } }
}

const issued: DeviceEvent = {
  kind: 'credential-issued',
  body: { credential: 'c-1', certificateHash: '', notAfter: at + 1000 },
}

function device(...events: DeviceEvent[]): Device {
  return foldDevice(events)!
}

const taken = (list: readonly { readonly body: { readonly transition: string } }[]) =>
  list.map(({ body }) => body.transition)

describe('the life in the record of a device', () => {
  it('begins on the shelf, or where its keeper met it', () => {
    assert.equal(device(born()).lifecycle, 'SC.SHL')
    assert.equal(device(born('SC.RDD')).lifecycle, 'SC.RDD')
    // Told a second time, that changes nothing.
    assert.equal(evolveDevice(device(born()), born('SC.RDD')).lifecycle, 'SC.SHL')
  })

  it('does not follow a step out of another state', () => {
    const known = device(born(), moved('T14'))
    assert.equal(known.lifecycle, 'SC.SHL')
    assert.equal(known.version, 2)
  })

  it('remembers a break for good', () => {
    const known = device(born('US.OPR'), moved('T30'))
    assert.equal(known.broken, true)
    assert.deepEqual(known.entered, { transition: 'T30', at })
  })

  it('forgets a wipe when something is put on the device again, and when it is decommissioned again', () => {
    const wiped: DeviceEvent = { kind: 'device-wiped', body: { by: 'anna', at } }
    assert.deepEqual(device(born('US.DEC'), wiped).wiped, { by: 'anna', at })
    assert.equal(device(born('US.DEC'), wiped, issued).wiped, undefined)
    assert.equal(device(born('US.OPR'), wiped, moved('T29')).wiped, undefined)
    assert.ok(device(born('US.DEC'), wiped, moved('T36')).wiped !== undefined)
  })

  it('holds a hand-over from its begin to its end', () => {
    const begun: DeviceEvent = { kind: 'hand-over-begun', body: { to: 'bob', by: 'anna', at } }
    const transferred: DeviceEvent = { kind: 'hand-over-transferred', body: { by: 'registry', at } }
    const ended: DeviceEvent = { kind: 'hand-over-ended', body: { outcome: 'cancelled', by: 'anna', at } }
    assert.deepEqual(device(born(), begun, transferred).handOver?.transferred, { by: 'registry', at })
    assert.equal(device(born(), transferred).handOver, undefined)
    assert.equal(device(born(), begun, transferred, ended).handOver, undefined)
  })
})

describe('what onboarding does to a life', () => {
  it('leads from the shelf and from installation into onboarding', () => {
    assert.deepEqual(taken(onboardingMoves(undefined, at)), ['T10', 'T12'])
    assert.deepEqual(taken(onboardingMoves(device(born('US.INS')), at)), ['T12'])
    assert.deepEqual(taken(onboardingMoves(device(born('US.COM')), at)), [])
  })

  it('renews in place while the credential is good, and is maintenance when it is not', () => {
    const operational = device(born('US.OPR'), issued)
    assert.deepEqual(taken(onboardingMoves(operational, at + 1000)), [])
    assert.deepEqual(taken(onboardingMoves(operational, at + 1001)), ['T23', 'T25'])
    assert.deepEqual(taken(onboardingMoves(device(born('US.MTD')), at)), ['T25'])
    assert.deepEqual(taken(onboardingMoves(device(born('US.MTD'), issued), at)), [])
  })

  it('connects from onboarding, and from installation only what was onboarded before', () => {
    assert.deepEqual(taken(connectionMoves(device(born('US.NLO')), at)), ['T14'])
    assert.deepEqual(taken(connectionMoves(device(born('US.NLO'), moved('T13')), at)), ['T15'])
    assert.deepEqual(taken(connectionMoves(device(born('US.INS')), at)), [])
    assert.deepEqual(taken(connectionMoves(device(born('US.OPR')), at)), [])
  })

  it('is over for what is decommissioned or at its end', () => {
    assert.equal(lifeRefusal({ lifecycle: 'US.DEC' }), 'device-decommissioned')
    assert.equal(lifeRefusal({ lifecycle: 'US.EOL' }), 'device-retired')
    assert.equal(lifeRefusal({ lifecycle: 'US.UNS' }), undefined)
  })
})
