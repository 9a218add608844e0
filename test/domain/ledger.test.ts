import assert from 'node:assert/strict'
import { createHash, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeCanonicalJson } from '../../src/codec/json.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { type Curve, keySigner } from '../../src/crypto/signer.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import type { Json, StoredEvent } from '../../src/domain/event.ts'
import {
  checkpointBytes,
  checkpointHash,
  emptyLane,
  entryHash,
  ledgerEntry,
  verifyCheckpoint,
  verifyEntry,
} from '../../src/domain/ledger.ts'
import type { Checkpoint } from '../../src/domain/port.ts'

/** A lane as an export has it: bodies as values, not as text. */
function exported(bodies: readonly { readonly [member: string]: Json }[]): StoredEvent[] {
  const events: StoredEvent[] = []
  for (const [n, body] of bodies.entries()) {
    const previous = events.at(-1)?.hash ?? ''
    const place = { lane: 'main', sequence: n + 1, stream: 'site/a', version: n + 1, at: 1000 + n, kind: 'happened' }
    const hash = entryHash({ ...place, body: encodeCanonicalJson(body), previous })
    events.push({ ...place, body, previous, hash })
  }
  return events
}

function verifyLane(events: readonly StoredEvent[]): number {
  return events.map(ledgerEntry).reduce(verifyEntry, emptyLane('main')).sequence
}

test('the hash of an event is what the documentation says', () => {
  const [event] = exported([{ b: 'ä"\\', a: [1, null, { z: 0.5, y: true }] }])
  const text = '["","main",1,"site/a",1,1000,"happened",{"a":[1,null,{"y":true,"z":0.5}],"b":"ä\\"\\\\"}]'
  assert.equal(event!.hash, createHash('sha256').update(text, 'utf8').digest('hex'))
})

test('an export verifies whatever the order of its members', () => {
  const events = exported([{ b: 1, a: 2 }, {}, { text: 'x' }])
  assert.equal(verifyLane(events), 3)
  const reordered = events.map(event => ({ ...event, body: Object.fromEntries(Object.entries(event.body).reverse()) }))
  assert.equal(verifyLane(reordered), 3)
})

test('anything that is altered shows', () => {
  const events = exported([{ a: 1 }, { a: 2 }, { a: 3 }])
  const altered: Record<string, (event: StoredEvent) => StoredEvent> = {
    body: event => ({ ...event, body: { a: 9 } }),
    kind: event => ({ ...event, kind: 'never-happened' }),
    at: event => ({ ...event, at: event.at + 1 }),
    stream: event => ({ ...event, stream: 'site/b' }),
    version: event => ({ ...event, version: 9 }),
    lane: event => ({ ...event, lane: 'other' }),
    sequence: event => ({ ...event, sequence: 1 }),
    hash: event => ({ ...event, hash: event.previous }),
    previous: event => ({ ...event, previous: '' }),
    'a number that is none': event => ({ ...event, at: Number.NaN }),
  }
  for (const [name, alter] of Object.entries(altered)) {
    const forged = events.map((event, n) => (n === 1 ? alter(event) : event))
    assert.throws(
      () => verifyLane(forged),
      (error: unknown) =>
        error instanceof OnboardingError && error.code === 'ledger-altered' && error.detail['lane'] !== undefined,
      name,
    )
  }
  assert.throws(() => verifyLane(events.toSpliced(1, 1)), { code: 'ledger-incomplete' })
})

test('no two events have the same hash by moving text from one field to another', () => {
  const text = fc.string({ unit: 'binary', maxLength: 6 })
  const entry = fc.record({ lane: text, stream: text, kind: text, previous: text, body: fc.constantFrom('{}', '[]') })
  fc.assert(
    fc.property(entry, entry, (a, b) => {
      const rest = { sequence: 1, version: 1, at: 1 }
      const same = JSON.stringify(Object.values(a)) === JSON.stringify(Object.values(b))
      assert.equal(entryHash({ ...a, ...rest }) === entryHash({ ...b, ...rest }), same)
    }),
  )
})

const draft = { at: 5, lanes: [{ lane: 'main', sequence: 3, hash: 'abc' }], previous: '' }

async function signed(curve: Curve): Promise<{ checkpoint: Checkpoint; key: Buffer }> {
  const signer = keySigner(generateKey(curve))
  const unsigned = { ...draft, key: signer.spkiDer.toString('base64') }
  const signature = (await signer.sign(checkpointBytes(unsigned))).toString('base64')
  return { checkpoint: { ...unsigned, signature }, key: signer.spkiDer }
}

for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
  test(`a checkpoint signed with ${curve} verifies, and nothing else does`, async () => {
    const { checkpoint, key } = await signed(curve)
    const other = await signed(curve)
    assert.equal(verifyCheckpoint(checkpoint, [other.key, key]), checkpoint)
    const forged: Checkpoint[] = [
      { ...checkpoint, at: 6 },
      { ...checkpoint, lanes: [] },
      { ...checkpoint, previous: 'x' },
      { ...checkpoint, signature: other.checkpoint.signature },
      { ...checkpoint, signature: '' },
      { ...checkpoint, key: other.checkpoint.key },
      { ...checkpoint, key: `${checkpoint.key} ` },
      { ...checkpoint, lanes: [{ lane: '\ud800', sequence: 1, hash: '' }] },
    ]
    for (const each of forged) assert.throws(() => verifyCheckpoint(each, [key]), { code: 'ledger-altered' })
    assert.throws(() => verifyCheckpoint(checkpoint, []), { code: 'ledger-altered' })
    assert.throws(() => verifyCheckpoint(checkpoint, [other.key]), { code: 'ledger-altered' })
  })
}

test('a checkpoint signed with Ed25519 verifies', async () => {
  const { generateKeyPairSync } = await import('node:crypto')
  const pair = generateKeyPairSync('ed25519')
  const key = pair.publicKey.export({ type: 'spki', format: 'der' })
  const unsigned = { ...draft, key: key.toString('base64') }
  const signature = sign(null, checkpointBytes(unsigned), pair.privateKey).toString('base64')
  assert.ok(verifyCheckpoint({ ...unsigned, signature }, [key]))
})

test('what the next checkpoint names covers the signature, and no stranger’s members', async () => {
  const { checkpoint } = await signed('P-256')
  const other = { ...checkpoint, signature: 'AAAA' }
  assert.notEqual(checkpointHash(checkpoint), checkpointHash(other))
  const more = { ...checkpoint, note: 'x', lanes: checkpoint.lanes.map(head => ({ ...head, note: 'y' })) }
  assert.equal(checkpointHash(more), checkpointHash(checkpoint))
  assert.deepEqual(checkpointBytes(more), checkpointBytes(checkpoint))
})
