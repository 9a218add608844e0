import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFileKeyStore } from '../../../src/adapter/key/file.ts'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { createConfiguratorKeys } from '../../../src/role/onboarding/configurator-key.ts'
import { withGate } from '../authorization/gate.ts'

test('each key is made once, on every curve, and is there again after a restart', () =>
  withGate(async ({ store, clock }) => {
    const directory = await mkdtemp(join(tmpdir(), 'mooring-dpp-key-'))
    try {
      const open = async () =>
        createConfiguratorKeys({ store, clock, keys: await openFileKeyStore({ directory: join(directory, 'keys') }) })
      const first = await open()
      for (const { curve } of curves) {
        const made = await first.current('c-sign', curve)
        assert.equal((await first.current('c-sign', curve)).record.id, made.record.id)
        const again = await (await open()).current('c-sign', curve)
        assert.deepEqual(again.record, made.record)
        assert.ok(again.pair.point.equals(made.pair.point))
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }))

test('two that ask at once get one key', () =>
  withGate(async ({ store, clock }) => {
    const directory = await mkdtemp(join(tmpdir(), 'mooring-dpp-key-'))
    try {
      const keys = createConfiguratorKeys({ store, clock, keys: await openFileKeyStore({ directory }) })
      const found = await Promise.all(['a', 'b', 'c'].map(() => keys.current('bootstrapping', 'P-256')))
      assert.equal(new Set(found.map(({ record }) => record.spki)).size, 1)
      assert.equal((await keys.all('bootstrapping')).length, 1)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }))

test('a rotated or brought key takes the place of the one before, which is kept', () =>
  withGate(async ({ store, clock }) => {
    const keys = createConfiguratorKeys({ store, clock, keys: memoryKeyStore() })
    const first = await keys.current('c-sign', 'P-256')
    const second = await keys.rotate('c-sign', 'P-256', 'somebody')
    assert.notEqual(second.record.spki, first.record.spki)
    assert.equal((await keys.current('c-sign', 'P-256')).record.id, second.record.id)
    const brought = generateDppKey('P-256')
    const third = await keys.adopt('c-sign', brought, 'somebody')
    assert.equal(third.record.source, 'imported')
    assert.ok((await keys.current('c-sign', 'P-256')).pair.point.equals(brought.point))
    const all = await keys.all('c-sign')
    assert.deepEqual(
      all.map(({ record: { state } }) => state),
      ['current', 'former', 'former'],
    )
    const other = await keys.current('c-sign', 'P-384')
    assert.equal(other.record.state, 'current', 'the key of another curve is another key')
  }))

test('a record that was begun with other keys is refused', () =>
  withGate(async ({ store, clock }) => {
    await createConfiguratorKeys({ store, clock, keys: memoryKeyStore() }).current('pp', 'P-256')
    const elsewhere = createConfiguratorKeys({ store, clock, keys: memoryKeyStore() })
    await assert.rejects(
      elsewhere.current('pp', 'P-256'),
      (error: unknown) => error instanceof OnboardingError && error.code === 'keys-differ',
    )
  }))
