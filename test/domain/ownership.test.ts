import assert from 'node:assert/strict'
import { generateKeyPairSync, hash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../src/codec/error.ts'
import {
  type DeviceInformationDeclaration,
  declarationHash,
  decodeDeclaration,
  encodeDeclaration,
  type Party,
} from '../../src/domain/declaration.ts'
import { type ErrorCode, OnboardingError } from '../../src/domain/error.ts'
import {
  declaredDomains,
  domainIds,
  grantOnboarder,
  mayOnboard,
  newDeclaration,
  newestDeclaration,
  revokeOnboarder,
  transferOwnership,
  verifyDeclarationHistory,
} from '../../src/domain/ownership.ts'

/** Six parties; each is known by two keys. */
const parties: readonly Party[] = ['maker', 'alice', 'bob', 'carol', 'dave', 'eve'].map(id => ({
  id,
  name: `The house of ${id}`,
  domains: [0, 1].map(n => hash('sha256', `${id} ${n}`, 'buffer').toString('base64')),
}))
const [maker, alice, bob, carol] = parties as [Party, Party, Party, Party]
const at = 1_800_000_000_000

const first = newDeclaration({ manufacturer: 'Acme', serial: 'A-0001', model: 'lamp', owner: maker, at })

function refused(code: ErrorCode, rule?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code)
    if (rule !== undefined) assert.equal(error.detail['rule'], rule)
    return true
  }
}

const by = (party: Party, declaration: DeviceInformationDeclaration) => ({
  by: party.domains.slice(0, 1),
  version: declaration.version,
  at: declaration.issuedAt + 1,
})

describe('ownership', () => {
  const sold = transferOwnership(first, by(maker, first), { owner: alice })
  const shared = grantOnboarder(sold, by(alice, sold), bob)

  test('begins with the manufacturer', () => {
    assert.deepEqual(mayOnboard(first, maker.domains), { allowed: true, as: 'owner', party: maker })
    assert.deepEqual(mayOnboard(first, alice.domains), { allowed: false, code: 'owner-mismatch' })
  })

  test('goes to the buyer, who may then let others onboard', () => {
    assert.deepEqual(mayOnboard(shared, alice.domains), { allowed: true, as: 'owner', party: alice })
    assert.deepEqual(mayOnboard(shared, bob.domains), { allowed: true, as: 'authorized-onboarder', party: bob })
    assert.deepEqual(mayOnboard(shared, maker.domains), { allowed: false, code: 'owner-mismatch' })
    assert.deepEqual(declaredDomains(shared), [...alice.domains, ...bob.domains])
  })

  test('one key among many of a chain is enough, no key is not', () => {
    assert.equal(mayOnboard(shared, ['unknown', alice.domains[1]!]).allowed, true)
    assert.equal(mayOnboard(shared, []).allowed, false)
  })

  test('ends for onboarders with the owner who authorized them', () => {
    const resold = transferOwnership(shared, by(alice, shared), { owner: carol })
    assert.deepEqual(resold.authorizedOnboarders, [])
    const furnished = transferOwnership(shared, by(alice, shared), { owner: carol, authorizedOnboarders: [bob] })
    assert.deepEqual(furnished.authorizedOnboarders, [bob])
  })

  test('is revoked for the one named and nobody else; nobody is revoked twice', () => {
    const both = grantOnboarder(shared, by(alice, shared), carol)
    const left = revokeOnboarder(both, by(alice, both), 'bob')
    assert.deepEqual(left.authorizedOnboarders, [carol])
    assert.throws(() => revokeOnboarder(left, by(alice, left), 'bob'), refused('not-found'))
  })

  test('a new key of an onboarder replaces the old one', () => {
    const renewed = { ...bob, domains: [hash('sha256', 'new key', 'buffer').toString('base64')] }
    assert.deepEqual(grantOnboarder(shared, by(alice, shared), renewed).authorizedOnboarders, [renewed])
  })

  test('an authorized onboarder can neither appoint another nor take the device [WP-R17]', () => {
    assert.throws(() => grantOnboarder(shared, by(bob, shared), carol), refused('not-owner'))
    assert.throws(() => revokeOnboarder(shared, by(bob, shared), 'bob'), refused('not-owner'))
    assert.throws(() => transferOwnership(shared, by(bob, shared), { owner: bob }), refused('not-owner'))
  })

  test('a change of a version that is not the newest is refused', () => {
    const stale = { ...by(alice, shared), version: shared.version - 1 }
    assert.throws(() => transferOwnership(shared, stale, { owner: carol }), refused('declaration-stale'))
    const early = { ...by(alice, shared), version: shared.version + 1 }
    assert.throws(() => grantOnboarder(shared, early, carol), refused('declaration-stale'))
  })

  test('a key belongs to one party, and a name too', () => {
    const thief = { ...carol, domains: alice.domains }
    assert.throws(() => grantOnboarder(shared, by(alice, shared), thief), refused('input-invalid'))
    const double = { ...carol, id: 'alice' }
    assert.throws(() => grantOnboarder(shared, by(alice, shared), double), refused('input-invalid'))
  })

  const unfit: readonly [string, Partial<Party>][] = [
    ['without a key', { domains: [] }],
    [
      'with more keys than anybody has',
      { domains: Array.from({ length: 17 }, (_, n) => hash('sha256', `${n}`, 'buffer').toString('base64')) },
    ],
    ['with a key that is not an identifier', { domains: ['c2hvcnQ='] }],
    ['with a key that is not base64', { domains: ['-'.repeat(44)] }],
    ['without a name', { name: '' }],
    ['with an invisible name', { name: 'alice\u202e' }],
    ['with an endless name', { name: 'a'.repeat(201) }],
  ]
  for (const [what, fault] of unfit) {
    test(`a party ${what} is not taken`, () => {
      assert.throws(() => grantOnboarder(shared, by(alice, shared), { ...carol, ...fault }), refused('input-invalid'))
    })
  }
})

type Attempt =
  | {
      readonly kind: 'transfer'
      readonly by: Party
      readonly to: Party
      readonly with: readonly Party[]
      readonly lag: number
    }
  | { readonly kind: 'grant' | 'revoke'; readonly by: Party; readonly to: Party; readonly lag: number }

const party = fc.constantFrom(...parties)
// Nearly always the newest version, so that histories grow.
const lag = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 2 }) },
)
const attempt: fc.Arbitrary<Attempt> = fc.oneof(
  fc.record({
    kind: fc.constant('transfer' as const),
    by: party,
    to: party,
    with: fc.uniqueArray(party, { maxLength: 2 }),
    lag,
  }),
  fc.record({ kind: fc.constantFrom('grant' as const, 'revoke' as const), by: party, to: party, lag }),
)

function tried(declaration: DeviceInformationDeclaration, { by, lag, ...rest }: Attempt): DeviceInformationDeclaration {
  const change = { by: by.domains.slice(1), version: declaration.version + lag, at: declaration.issuedAt + 1 }
  switch (rest.kind) {
    case 'transfer':
      return transferOwnership(declaration, change, { owner: rest.to, authorizedOnboarders: rest.with })
    case 'grant':
      return grantOnboarder(declaration, change, rest.to)
    case 'revoke':
      return revokeOnboarder(declaration, change, rest.to.id)
  }
}

/** What has to come of an attempt, from the rules as they are written, not from the code. */
function expectedRefusal(declaration: DeviceInformationDeclaration, attempt: Attempt): ErrorCode | undefined {
  if (attempt.by.id !== declaration.owner.id) return 'not-owner'
  if (attempt.lag !== 0) return 'declaration-stale'
  if (attempt.kind === 'transfer')
    return attempt.with.some(({ id }) => id === attempt.to.id) ? 'input-invalid' : undefined
  if (attempt.kind === 'grant') return attempt.to.id === declaration.owner.id ? 'input-invalid' : undefined
  return declaration.authorizedOnboarders.some(({ id }) => id === attempt.to.id) ? undefined : 'not-found'
}

describe('whoever tries whatever, in whatever order', () => {
  const attempts = fc.array(attempt, { maxLength: 80, size: 'max' })

  test('a device has exactly one owner, and nobody else moves the declaration [WP-LG-1]', () => {
    fc.assert(
      fc.property(attempts, list => {
        const history = [first]
        for (const attempt of list) {
          const current = history.at(-1)!
          const code = expectedRefusal(current, attempt)
          if (code !== undefined) {
            assert.throws(() => tried(current, attempt), refused(code))
            continue
          }
          const next = tried(current, attempt)
          assert.equal(next.version, current.version + 1)
          assert.equal(next.previous, declarationHash(current))
          assert.equal(next.owner.id, attempt.kind === 'transfer' ? attempt.to.id : current.owner.id)
          history.push(next)
        }
        const newest = verifyDeclarationHistory(history)
        assert.equal(newest, history.at(-1))
        const rights = parties.map(({ domains }) => mayOnboard(newest, domains))
        assert.equal(rights.filter(right => right.allowed && right.as === 'owner').length, 1)
        const onboarders = rights.filter(right => right.allowed && right.as === 'authorized-onboarder')
        assert.equal(onboarders.length, newest.authorizedOnboarders.length)
      }),
      { numRuns: 300 },
    )
  })

  test('an older version shown to one who knows a newer is stale, a forged one does not follow', () => {
    fc.assert(
      fc.property(attempts, fc.nat(), fc.nat(), (list, a, b) => {
        const history = [first]
        for (const attempt of list) {
          const current = history.at(-1)!
          if (expectedRefusal(current, attempt) === undefined) history.push(tried(current, attempt))
        }
        const known = history[a % history.length]!
        const shown = history[b % history.length]!
        if (shown.version < known.version) {
          assert.throws(() => newestDeclaration(known, shown), refused('declaration-stale'))
        } else {
          assert.deepEqual(newestDeclaration(known, shown), shown)
        }
        const forged = { ...known, owner: { ...known.owner, id: 'mallory' } }
        assert.throws(() => newestDeclaration(known, forged), refused('declaration-invalid', 'forked'))
        const grafted = { ...forged, version: known.version + 1, previous: declarationHash(forged) }
        assert.throws(() => newestDeclaration(known, grafted), refused('declaration-invalid', 'forked'))
        assert.throws(
          () => newestDeclaration(known, { ...shown, serial: 'A-0002' }),
          refused('declaration-invalid', 'other-device'),
        )
        if (history.length > 2) {
          assert.throws(() => verifyDeclarationHistory(history.toSpliced(1, 1)), refused('declaration-invalid', 'gap'))
        }
      }),
    )
  })

  test('the first declaration known is taken as it comes, and an empty history is none', () => {
    assert.equal(newestDeclaration(undefined, first), first)
    assert.throws(() => verifyDeclarationHistory([]), refused('declaration-invalid', 'empty'))
  })
})

describe('the names of a key', () => {
  test('are computed from the key, whatever its certificate claims', () => {
    const spkiDer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' })
    const point = spkiDer.subarray(-65)
    const claiming = { spkiDer, subjectKeyIdentifier: Buffer.from(alice.domains[0]!, 'base64') }
    assert.deepEqual(domainIds(claiming), [
      hash('sha1', point, 'buffer').toString('base64'),
      hash('sha256', spkiDer, 'buffer').toString('base64'),
    ])
  })
})

describe('the written form', () => {
  const shared = grantOnboarder(first, by(maker, first), alice)
  const written = encodeDeclaration(shared).toString()

  test('comes back as it was', () => {
    assert.deepEqual(decodeDeclaration(encodeDeclaration(shared)), shared)
    assert.deepEqual(decodeDeclaration(encodeDeclaration(first)), first)
  })

  test('is the same today as when this test was written', () => {
    assert.equal(
      encodeDeclaration(first).toString(),
      '{"authorizedOnboarders":[],"issuedAt":1800000000000,"manufacturer":"Acme","model":"lamp","owner":{"domains":["9iszfy0TA7Ig5fv50Buf19PsN/OvxfAzYCVCYW+3wX4=","aKcDRkZQqA9VW7ZoypoiNo4UP5XrSJAqdghvdXjkfjI="],"id":"maker","name":"The house of maker"},"previous":"","serial":"A-0001","version":1}',
    )
  })

  const json = JSON.parse(written)
  const canonical = (value: unknown) => {
    const sorted = (v: unknown): unknown =>
      Array.isArray(v)
        ? v.map(sorted)
        : typeof v === 'object' && v !== null
          ? Object.fromEntries(
              Object.entries(v)
                .toSorted(([a], [b]) => (a < b ? -1 : 1))
                .map(([k, w]) => [k, sorted(w)]),
            )
          : v
    return JSON.stringify(sorted(value))
  }
  const without = (name: string) => Object.fromEntries(Object.entries(json).filter(([key]) => key !== name))
  const refusals: readonly [string, string][] = [
    ['nothing', ''],
    ['cut off', written.slice(0, -1)],
    ['not an object', '[]'],
    ['with a space', written.replace(':', ': ')],
    ['in another order', JSON.stringify(Object.fromEntries(Object.entries(json).reverse()))],
    ['with a member twice', written.replace('{', '{"version":2,')],
    ['with an escape that need not be', written.replace('lamp', '\\u006camp')],
    ['with a number of another form', written.replace('"version":2', '"version":2.0')],
    ['with a member more', canonical({ ...json, extra: 1 })],
    ['with a null for a text', canonical({ ...json, model: null })],
    ['with a fraction for a version', canonical({ ...json, version: 1.5 })],
    ['of version 0', canonical({ ...json, version: 0, previous: '' })],
    ['of a later version that follows none', canonical({ ...json, previous: '' })],
    ['of the first version that follows one', canonical({ ...json, version: 1 })],
    ['with a time before 1970', canonical({ ...json, issuedAt: -1 })],
    ['with two owners', canonical({ ...json, owner: [json.owner, json.owner] })],
    ['with an owner without a key', canonical({ ...json, owner: { ...json.owner, domains: [] } })],
    ['with an owner of more members', canonical({ ...json, owner: { ...json.owner, admin: true } })],
    ['with an onboarder who is the owner', canonical({ ...json, authorizedOnboarders: [json.owner] })],
    ['with onboarders that are no list', canonical({ ...json, authorizedOnboarders: {} })],
    [
      'with too many onboarders',
      canonical({
        ...json,
        authorizedOnboarders: Array.from({ length: 65 }, (_, n) => ({
          id: `p${n}`,
          name: 'p',
          domains: [hash('sha256', `p${n}`, 'buffer').toString('base64')],
        })),
      }),
    ],
    ['larger than any', canonical({ ...json, model: 'm'.repeat(70_000) })],
    ...Object.keys(json).map((name): [string, string] => [`without ${name}`, canonical(without(name))]),
  ]
  for (const [what, text] of refusals) {
    test(`is refused ${what}`, () => {
      assert.throws(() => decodeDeclaration(Buffer.from(text)), CodecError)
    })
  }

  test('of arbitrary bytes, and of a declaration with bytes changed, is read as it is or refused with CodecError', () => {
    const bytes = encodeDeclaration(shared)
    const changed = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(([index, byte]) => {
      const copy = Buffer.from(bytes)
      copy[index] = byte
      return copy
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          changed,
          fc.json().map(text => Buffer.from(text)),
        ),
        input => {
          try {
            assert.deepEqual(encodeDeclaration(decodeDeclaration(input)), Buffer.from(input))
          } catch (error) {
            assert.ok(error instanceof CodecError, String(error))
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})
