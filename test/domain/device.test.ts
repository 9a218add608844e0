import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Device, type DeviceEvent, deviceId, evolveDevice, foldDevice } from '../../src/domain/device.ts'
import { type Rung, rungs } from '../../src/domain/evidence.ts'
import { lifecycleTransitions } from '../../src/domain/lifecycle-table.ts'

const manufacturer = 'Acme'
const serial = 'A-0001'
const keys = ['key-1', 'key-2'] as const
const credentials = ['credential-1', 'credential-2', 'credential-3'] as const

const at = fc.integer({ min: 0, max: 4_102_444_800_000 })
const key = fc.constantFrom(...keys)
const credential = fc.constantFrom(...credentials)
const by = fc.constantFrom('alice', 'bob')
const owner = fc.constantFrom('', 'site-1', 'site-2')

const expected: fc.Arbitrary<DeviceEvent> = fc
  .record(
    {
      owner,
      declarationVersion: fc.integer({ min: 0, max: 4 }),
      model: fc.constantFrom('lamp', 'lock'),
      keyHash: fc.constantFrom('key-1', 'key-1', 'key-2'),
    },
    { requiredKeys: ['owner', 'declarationVersion', 'model'] },
  )
  .map(body => ({ kind: 'device-expected', body: { manufacturer, serial, source: 'manifest', ...body } }))

const heard: fc.Arbitrary<DeviceEvent> = fc.record({ at, attempt: fc.constantFrom('a1', 'a2') }).map(body => ({
  kind: 'device-heard',
  body: { manufacturer, serial, protocol: 'brski', address: '192.0.2.1', ...body },
}))

const first = fc.oneof(expected, heard)

const decided: fc.Arbitrary<DeviceEvent> = fc.oneof(
  at.map((at): DeviceEvent => ({ kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at } })),
  fc.record({ at, verdict: fc.constantFrom('wait', 'refuse') }).map(
    ({ at, verdict }): DeviceEvent => ({
      kind: 'admission-decided',
      body: { verdict, code: verdict === 'wait' ? 'device-unexpected' : 'owner-mismatch', reasons: [], at },
    }),
  ),
)

const moved: fc.Arbitrary<DeviceEvent> = fc
  .constantFrom(...lifecycleTransitions)
  .map(({ id, from, to }) => ({ kind: 'lifecycle-moved', body: { transition: id, from, to, actor: 'device-manager' } }))

const any: fc.Arbitrary<DeviceEvent> = fc.oneof(
  expected,
  heard,
  decided,
  moved,
  key.map((keyHash): DeviceEvent => ({ kind: 'identity-proven', body: { certificateHash: `of ${keyHash}`, keyHash } })),
  fc
    .tuple(fc.constantFrom('admission-granted', 'admission-denied', 'device-withdrawn'), by)
    .map(([kind, by]): DeviceEvent => ({ kind, body: { by } })),
  at.map((at): DeviceEvent => ({ kind: 'voucher-obtained', body: { voucher: 'v1', assertion: 'proximity', at } })),
  fc.record({ accepted: fc.boolean(), at }).map((body): DeviceEvent => ({ kind: 'voucher-status-reported', body })),
  credential.map(
    (credential): DeviceEvent => ({ kind: 'credential-planned', body: { credential, serialHex: '01', notAfter: 1 } }),
  ),
  credential.map(
    (credential): DeviceEvent => ({ kind: 'credential-issued', body: { credential, certificateHash: 'c' } }),
  ),
  credential.map(
    (credential): DeviceEvent => ({
      kind: 'credential-revoked',
      body: { credential, reason: 'keyCompromise', by: 'alice' },
    }),
  ),
  fc
    .record({ enrolled: fc.boolean(), withNewCredential: fc.boolean() })
    .map((body): DeviceEvent => ({ kind: 'enroll-status-reported', body })),
  fc.record({ credential, at }).map((body): DeviceEvent => ({ kind: 'device-connected', body })),
  at.map((at): DeviceEvent => ({ kind: 'onboarding-refused', body: { code: 'masa-unreachable', at } })),
  fc.constant<DeviceEvent>({
    kind: 'evidence-recorded',
    body: { attempt: 'a1', transcript: '00', items: [{ step: 'registered', result: 'pass' }] },
  }),
)

const history = fc.tuple(first, fc.array(any, { maxLength: 60, size: 'max' })).map(([head, tail]) => [head, ...tail])

function fold(events: readonly DeviceEvent[]): Device {
  const device = foldDevice(events)
  assert.ok(device !== undefined)
  return device
}

/** What the history, looked at as a whole, speaks for: written without the fold, as an oracle for it. */
function supportedRung(events: readonly DeviceEvent[]): Rung {
  const last = (from: number, holds: (event: DeviceEvent) => boolean) =>
    events.findIndex((event, index) => index >= from && holds(event))
  const proven = last(0, event => event.kind === 'identity-proven')
  if (proven < 0) return events.some(event => event.kind === 'device-heard') ? 'heard' : 'expected'
  // A revocation counts when it hits what was issued last and had not been revoked before.
  let current: string | undefined
  let revoked = -1
  events.forEach((event, index) => {
    if (event.kind === 'credential-issued') current = event.body.credential
    if (event.kind !== 'credential-revoked' || event.body.credential !== current) return
    current = undefined
    revoked = index
  })
  const admitted = last(
    Math.max(proven, revoked),
    event => event.kind === 'admission-decided' && event.body.verdict === 'admit',
  )
  if (admitted < 0) return 'authenticated'
  const issued = last(admitted, event => event.kind === 'credential-issued')
  if (issued < 0) return 'authorized'
  let held: string | undefined
  let connected = false
  events.forEach((event, index) => {
    if (event.kind === 'credential-issued') held = event.body.credential
    if (index >= issued && event.kind === 'device-connected') connected ||= event.body.credential === held
  })
  return connected ? 'connected' : 'credentialed'
}

const honest: readonly DeviceEvent[] = [
  {
    kind: 'device-expected',
    body: { manufacturer, serial, model: 'lamp', source: 'manifest', owner: 'site-1', declarationVersion: 2 },
  },
  {
    kind: 'device-heard',
    body: { manufacturer, serial, attempt: 'a1', protocol: 'brski', address: '192.0.2.1', at: 10 },
  },
  { kind: 'identity-proven', body: { certificateHash: 'c', keyHash: 'key-1', mudUrl: 'https://acme.example/lamp' } },
  { kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at: 11 } },
  { kind: 'voucher-obtained', body: { voucher: 'v1', assertion: 'proximity', at: 12 } },
  { kind: 'voucher-status-reported', body: { accepted: true, at: 13 } },
  { kind: 'credential-planned', body: { credential: 'credential-1', serialHex: '01', notAfter: 99 } },
  { kind: 'credential-issued', body: { credential: 'credential-1', certificateHash: 'd' } },
  { kind: 'enroll-status-reported', body: { enrolled: true, withNewCredential: true } },
  { kind: 'device-connected', body: { credential: 'credential-1', at: 14 } },
]

describe('an honest onboarding', () => {
  test('climbs one rung after the other to the top', () => {
    const climbed = honest.map((_, index) => fold(honest.slice(0, index + 1)).rung)
    assert.deepEqual([...new Set(climbed)], rungs)
  })

  test('leaves all that a person looks for', () => {
    assert.deepEqual(fold(honest), {
      id: deviceId(manufacturer, serial),
      manufacturer,
      serial,
      model: 'lamp',
      version: 10,
      lifecycle: 'SC.SHL',
      rung: 'connected',
      standing: 'expected',
      owner: 'site-1',
      declarationVersion: 2,
      mudUrl: 'https://acme.example/lamp',
      intent: { certificate: 'https://acme.example/lamp' },
      birthKeyHash: 'key-1',
      attempt: { id: 'a1', protocol: 'brski', address: '192.0.2.1', at: 10 },
      voucher: { id: 'v1', assertion: 'proximity', obtainedAt: 12, accepted: true },
      credential: 'credential-1',
      firstHeardAt: 10,
      lastHeardAt: 10,
      connectedAt: 14,
    })
  })

  test('can be repeated after a revocation', () => {
    const revoked: DeviceEvent = {
      kind: 'credential-revoked',
      body: { credential: 'credential-1', reason: 'keyCompromise', by: 'alice' },
    }
    const again: DeviceEvent[] = [
      { kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at: 20 } },
      { kind: 'credential-issued', body: { credential: 'credential-2', certificateHash: 'e' } },
      { kind: 'device-connected', body: { credential: 'credential-2', at: 21 } },
    ]
    const steps = [revoked, ...again].map((_, index) => fold([...honest, ...[revoked, ...again].slice(0, index + 1)]))
    assert.deepEqual(
      steps.map(step => step.rung),
      ['authenticated', 'authorized', 'credentialed', 'connected'],
    )
    assert.equal(steps[0]?.credential, undefined)
    assert.equal(steps[3]?.credential, 'credential-2')
    assert.equal(steps[3]?.birthKeyHash, 'key-1')
  })
})

describe('whatever happens, in whatever order', () => {
  test('the fold answers, counts every event and keeps the identity', () => {
    fc.assert(
      fc.property(history, events => {
        const device = fold(events)
        assert.equal(device.version, events.length)
        assert.equal(device.id, deviceId(manufacturer, serial))
        assert.deepEqual(JSON.parse(JSON.stringify(device)), device)
      }),
    )
  })

  test('a rung never exceeds what the evidence speaks for [WP-M6.02]', () => {
    fc.assert(
      fc.property(history, events => {
        const { rung } = fold(events)
        const supported = supportedRung(events)
        assert.ok(rungs.indexOf(rung) <= rungs.indexOf(supported), `${rung} on evidence for ${supported}`)
      }),
      { numRuns: 2000 },
    )
  })

  test('a rung rises by one event at most to the next, but for proof of identity', () => {
    fc.assert(
      fc.property(history, any, (events, event) => {
        const before = rungs.indexOf(fold(events).rung)
        const after = rungs.indexOf(fold([...events, event]).rung)
        assert.ok(after <= before + 1 || event.kind === 'identity-proven')
      }),
    )
  })

  test('the first key proven stays, and is the one that the manifest names; a clone changes nothing but the count', () => {
    fc.assert(
      fc.property(history, events => {
        let named: string | undefined
        let proven: string | undefined
        for (const { kind, body } of events) {
          if (kind === 'device-expected') named = body.keyHash ?? named
          if (kind === 'identity-proven' && (named ?? body.keyHash) === body.keyHash) proven ??= body.keyHash
        }
        const device = fold(events)
        assert.equal(device.birthKeyHash, proven)
        const clone: DeviceEvent = {
          kind: 'identity-proven',
          body: { certificateHash: 'c', keyHash: 'key of a clone', mudUrl: 'https://evil.example/' },
        }
        if (proven !== undefined || named !== undefined) {
          assert.deepEqual(evolveDevice(device, clone), { ...device, version: device.version + 1 })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a revocation drops the current credential and no other', () => {
    fc.assert(
      fc.property(history, credential, (events, credential) => {
        const before = fold(events)
        const after = evolveDevice(before, {
          kind: 'credential-revoked',
          body: { credential, reason: 'unspecified', by: 'alice' },
        })
        if (before.credential !== credential) {
          assert.deepEqual(after, { ...before, version: before.version + 1 })
        } else {
          assert.equal(Object.hasOwn(after, 'credential'), false)
          assert.ok(rungs.indexOf(after.rung) <= rungs.indexOf('authenticated'))
        }
      }),
    )
  })

  test('a refusal stands until the next success and no longer', () => {
    fc.assert(
      fc.property(history, at, (events, at) => {
        const refused = fold([...events, { kind: 'onboarding-refused', body: { code: 'csr-invalid', at } }])
        assert.deepEqual(refused.refusal, { code: 'csr-invalid', at })
        const successes: DeviceEvent[] = [
          { kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at } },
          { kind: 'credential-issued', body: { credential: 'credential-1', certificateHash: 'c' } },
        ]
        if (refused.credential !== undefined) {
          successes.push({ kind: 'device-connected', body: { credential: refused.credential, at } })
        }
        for (const success of successes) assert.equal(Object.hasOwn(evolveDevice(refused, success), 'refusal'), false)
        const stranger: DeviceEvent = { kind: 'device-connected', body: { credential: 'of another', at } }
        assert.deepEqual(evolveDevice(refused, stranger), { ...refused, version: refused.version + 1 })
      }),
    )
  })

  test('the owner is the one that the newest declaration names', () => {
    fc.assert(
      fc.property(history, events => {
        const device = fold(events)
        const versions = events.map(event => (event.kind === 'device-expected' ? event.body.declarationVersion : 0))
        assert.equal(device.declarationVersion, Math.max(...versions))
        const newest = events.findLast(
          event => event.kind === 'device-expected' && event.body.declarationVersion === device.declarationVersion,
        )
        assert.equal(device.owner, newest?.kind === 'device-expected' ? newest.body.owner : '')
      }),
    )
  })

  test('what a person decided stands until a person decides otherwise', () => {
    fc.assert(
      fc.property(history, fc.oneof(expected, heard, decided), (events, event) => {
        const { standing } = fold([...events, { kind: 'admission-denied', body: { by: 'alice' } }, event])
        assert.equal(standing, 'denied')
      }),
    )
  })
})

describe('the beginning of a stream', () => {
  test('a device of a manifest is expected, one that nobody announced waits', () => {
    fc.assert(
      fc.property(first, event => {
        assert.equal(fold([event]).standing, event.kind === 'device-expected' ? 'expected' : 'waiting')
      }),
    )
  })

  test('no stream begins with anything else', () => {
    fc.assert(
      fc.property(any, event => {
        if (event.kind === 'device-expected' || event.kind === 'device-heard') return
        assert.throws(() => evolveDevice(undefined, event), TypeError)
      }),
    )
  })

  test('an empty stream is no device', () => {
    assert.equal(foldDevice([]), undefined)
  })
})
