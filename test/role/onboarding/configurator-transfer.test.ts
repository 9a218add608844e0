import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { keyId } from '../../../src/protocol/dpp/key.ts'
import { createConfiguratorKeys } from '../../../src/role/onboarding/configurator-key.ts'
import {
  exportForHostap,
  exportKeys,
  importFromHostap,
  importKeys,
} from '../../../src/role/onboarding/configurator-transfer.ts'
import { type Gate, withGate } from '../authorization/gate.ts'

const passphrase = new Secret('correct horse battery staple')
const random = (size: number) => randomBytes(size)
const keysOf = ({ store, clock }: Gate) => createConfiguratorKeys({ store, clock, keys: memoryKeyStore() })
const unreadable = { code: 'configurator-keys-unreadable' }

/** Two sites, of which the second takes over. */
function withTwo(work: (here: Gate, there: Gate) => Promise<void>): Promise<void> {
  return withGate(here => withGate(there => work(here, there)))
}

test('all keys of a Configurator go to another site in a sealed file, and are its current ones there', () =>
  withTwo(async (first, second) => {
    const [here, there] = [keysOf(first), keysOf(second)]
    const former = await here.current('c-sign', 'P-256')
    const current = await here.rotate('c-sign', 'P-256', 'somebody')
    const other = await here.current('c-sign', 'BP-384')
    const ppKey = await here.current('pp', 'P-256')
    await there.current('c-sign', 'P-256')
    const file = await exportKeys(here, passphrase, random)
    const taken = await importKeys(there, file, passphrase, 'somebody')
    assert.equal(keyId((await there.current('c-sign', 'P-256')).pair), keyId(current.pair))
    assert.equal(keyId((await there.current('c-sign', 'BP-384')).pair), keyId(other.pair))
    assert.equal(keyId((await there.current('pp', 'P-256')).pair), keyId(ppKey.pair))
    const all = (await there.all('c-sign')).map(({ pair }) => keyId(pair))
    assert.ok(all.includes(keyId(former.pair)), 'what the former key has signed is good there, too')
    assert.ok(taken.every(({ source, establishedBy }) => source === 'imported' && establishedBy === 'somebody'))
    assert.deepEqual(
      (await importKeys(there, file, passphrase, 'somebody')).map(({ use }) => use).includes('pp'),
      false,
    )
    assert.equal(
      keyId((await there.current('c-sign', 'P-256')).pair),
      keyId(current.pair),
      'a second time changes nothing',
    )
  }))

test('a file of another passphrase, an altered one and none at all leave everything as it was', () =>
  withGate(async gate => {
    const keys = keysOf(gate)
    const { record } = await keys.current('c-sign', 'P-256')
    const file = await exportKeys(keys, passphrase, random)
    for (const [text, word] of [
      [file, new Secret('correct horse battery stapler')],
      [file.replace(/[A-Z]{2}/, 'zz'), passphrase],
      ['', passphrase],
      ['-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n', passphrase],
    ] as const) {
      await assert.rejects(importKeys(keys, text, word, 'somebody'), unreadable)
    }
    assert.equal((await keys.current('c-sign', 'P-256')).record.id, record.id)
    assert.equal((await keys.all('c-sign')).length, 1)
  }))

test('keys go to hostap and come from there, on every curve', () =>
  withTwo(async (first, second) => {
    const [here, there] = [keysOf(first), keysOf(second)]
    for (const { curve } of curves) {
      const { pair } = await here.current('c-sign', curve)
      const text = await exportForHostap(here, curve)
      assert.match(text.revealText(), /^key=30[0-9a-f]+\nppkey=30[0-9a-f]+\n$/)
      assert.equal((await importFromHostap(there, text, 'somebody')).length, 2)
      assert.equal(keyId((await there.current('c-sign', curve)).pair), keyId(pair))
      const [ours, theirs] = [await here.current('pp', curve), await there.current('pp', curve)]
      assert.equal(keyId(ours.pair), keyId(theirs.pair))
    }
  }))

test('a command line of hostap is read, with and without ppkey; two curves, no key and no hexadecimal are not', () =>
  withGate(async gate => {
    const keys = keysOf(gate)
    const bare =
      '30310201010420cbf55f1966aff438968a29e7fba7eae99e77a5c51763e976a237d49dca6c4805a00a06082a8648ce3d030107'
    const line = `DPP_CONFIGURATOR_ADD curve=prime256v1 key=${bare}`
    const taken = await importFromHostap(keys, new Secret(line), 'somebody')
    assert.deepEqual(
      taken.map(({ use }) => use),
      ['c-sign'],
    )
    assert.deepEqual(await importFromHostap(keys, new Secret(line), 'somebody'), [], 'it is there already')
    await keys.current('c-sign', 'P-384')
    const p384 = await exportForHostap(keys, 'P-384')
    const [, ppKey] = p384.revealText().trim().split('\n')
    for (const text of [`key=${bare} ${ppKey}`, 'ppkey=30', 'key=zz', 'key=', '', `key=${bare.slice(2)}`]) {
      await assert.rejects(importFromHostap(keys, new Secret(text), 'somebody'), unreadable, text)
    }
  }))

test('a site that has signed nothing yet has nothing to hand out', () =>
  withGate(async gate => {
    await assert.rejects(exportKeys(keysOf(gate), passphrase, random), { code: 'not-found' })
    await assert.rejects(exportForHostap(keysOf(gate), 'P-256'), { code: 'not-found' })
  }))
