import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openStore, restoreBackup } from '../../../src/adapter/store/open.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { Store } from '../../../src/domain/port.ts'
import { openTestStoreAt, type StorePlace, silentLog, type TestStore } from '../../store.ts'
import { aPlan, aUnit, happened, unitMade } from './sample.ts'

/** Backup of a store at `from`, restored at `to`. */
export function storeBackups(from: () => Promise<StorePlace>, to: () => Promise<StorePlace>): void {
  const withBackup = (name: string, work: (copy: Copy) => Promise<void>) => {
    void test(name, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'mooring-backup-'))
      const source = await openTestStoreAt(await from())
      const target = await to()
      try {
        await fill(source.store)
        const file = join(directory, 'store.backup')
        const options = { signer: source.signer, clock: Date.now, log: silentLog }
        const restore = () => restoreBackup(file, target.url, options)
        await work({ source, target, file, directory, options, restore })
      } finally {
        await source.close()
        await target.remove()
        await rm(directory, { recursive: true, force: true })
      }
    })
  }

  withBackup('a backup taken under load restores to the state of one moment', async copy => {
    const { source, target, file, options, restore } = copy
    const { store } = source
    const anchor = await store.checkpoint()
    let going = true
    let n = 0
    const load = Promise.all(
      [1, 2, 3, 4].map(async () => {
        while (going) {
          const name = `load-${n++}`
          await store.transaction(async tx => {
            await tx.append(`site/${name}`, 0, [happened(n)])
            await tx.setting.put({ name, value: n })
          })
        }
      }),
    )
    await store.backup(file)
    going = false
    await load
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const verdict = await restore()
    assert.equal(verdict.integrity, 'pass')
    const restored = await openStore(target.url, options)
    try {
      assert.equal((await restored.verify(anchor)).completeness, 'pass')
      const state = await dump(restored)
      const { settings, ...rest } = await dump(store)
      const { settings: kept, ...same } = state
      assert.deepEqual(same, rest)
      // One moment: each unit with both its writes or with none.
      const names = kept.map(setting => setting.name)
      for (const { name } of settings.filter(({ name }) => name.startsWith('load-'))) {
        assert.equal((await restored.history(`site/${name}`)).length, names.includes(name) ? 1 : 0)
      }
      // The copy is a store like any other.
      await restored.transaction(tx => tx.append('site/after', 0, [happened(1)]))
      assert.equal((await restored.claim('topic', 10)).length, 2)
      assert.equal((await restored.verify(anchor)).integrity, 'pass')
    } finally {
      await restored.close()
    }
  })

  withBackup(
    'neither a backup nor a store is overwritten',
    async ({ source, target, file, directory, options, restore }) => {
      await source.store.backup(file)
      await assert.rejects(source.store.backup(file), { code: 'store-exists' })
      const other = await openStore(target.url, options)
      await other.transaction(tx => tx.setting.put({ name: 'mine', value: 1 }))
      await other.close()
      await assert.rejects(restore(), { code: 'store-exists' })
      assert.deepEqual(await readdir(directory), ['store.backup'])
    },
  )

  withBackup('a backup that is damaged, cut or something else is refused and leaves nothing', async copy => {
    const { source, target, file, directory, options, restore } = copy
    await source.store.backup(file)
    const good = await readBytes(file)
    // Wherever it stands: pages that were split keep old bytes that count for nothing.
    const bit = Buffer.from(good.toString('latin1').replaceAll('plain words 7"', 'plain words 6"'), 'latin1')
    const damage: [string, Buffer][] = [
      ['empty', Buffer.alloc(0)],
      ['text', Buffer.from('not a backup\n'.repeat(1000))],
      ['cut', good.subarray(0, good.length - 4096)],
      ['half', good.subarray(0, good.length >> 1)],
      ['one bit in a record that no hash of the ledger covers', bit],
      ['header', flipped(good, 1)],
    ]
    for (const [name, bytes] of damage) {
      await writeBytes(file, bytes)
      await assert.rejects(restore(), { code: 'backup-invalid' }, name)
    }
    await rm(file)
    await assert.rejects(restore(), { code: 'backup-invalid' })
    await writeBytes(file, good)
    const database = new DatabaseSync(file)
    database.exec(`update backup set name = 'setting; drop table event' where name = 'setting'`)
    database.close()
    await assert.rejects(restore(), { code: 'backup-invalid' })
    // A store that is not a backup.
    await writeBytes(file, good)
    const store = new DatabaseSync(file)
    store.exec('drop table backup')
    store.close()
    await assert.rejects(restore(), { code: 'backup-invalid' })
    await writeBytes(file, good)
    const newer = new DatabaseSync(file)
    newer.exec('update schema_version set version = 99')
    newer.close()
    await assert.rejects(restore(), { code: 'store-version' })
    const left = await openStore(target.url, options)
    assert.equal((await left.verify()).events, 0)
    assert.equal(await left.read(tables => tables.setting.count()), 0)
    await left.close()
    await writeBytes(file, good)
    assert.equal((await restore()).integrity, 'pass')
    assert.deepEqual(await readdir(directory), ['store.backup'])
  })

  withBackup('a backup whose ledger was altered, or that lags behind an anchor, is refused', async copy => {
    const { source, target, file, options, restore } = copy
    await source.store.backup(file)
    await source.store.transaction(tx => tx.append('site/later', 0, [happened(1)]))
    const anchor = await source.store.checkpoint()
    await assert.rejects(restoreBackup(file, target.url, options, anchor), { code: 'ledger-incomplete' })
    const stranger = { ...options, signer: keySigner(generateKey('P-256')) }
    await assert.rejects(restoreBackup(file, target.url, stranger), { code: 'ledger-altered' })
    const accepted = { ...stranger, checkpointKeys: [source.signer.spkiDer] }
    const database = new DatabaseSync(file)
    database.exec(`update device set owner = 'them'`)
    database.close()
    // The attacker makes the digests anew: the ledger still says who owns it.
    await redigest(file)
    await assert.rejects(restore(), { code: 'ledger-altered' })
    await rm(file)
    await source.store.backup(file)
    assert.equal((await restoreBackup(file, target.url, accepted, anchor)).completeness, 'pass')
  })
}

interface Copy {
  readonly source: TestStore
  readonly target: StorePlace
  readonly file: string
  readonly directory: string
  readonly options: Parameters<typeof restoreBackup>[2]
  readonly restore: () => ReturnType<typeof restoreBackup>
}

async function fill(store: Store): Promise<void> {
  await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      store.transaction(async tx => {
        const { device, events, credential } = aPlan(`SN${n}`)
        await tx.append(`device/${device.id}`, 0, events)
        await tx.device.put(device)
        await tx.credential.insert(credential)
        const unit = aUnit(`SN${n}`)
        await tx.append(`unit/${unit.serial}`, 0, [unitMade(unit)])
        await tx.unit.insert(unit)
      }),
    ),
  )
  await store.transaction(async tx => {
    await tx.setting.insert({ name: 'note', value: 'plain words 7' })
    await tx.enqueue('topic', { n: 1 })
    await tx.enqueue('topic', { n: 2 })
  })
  await store.checkpoint()
}

async function dump(store: Store) {
  return store.read(async tables => ({
    devices: await tables.device.find({}, { limit: 1000 }),
    credentials: await tables.credential.find({}, { limit: 1000 }),
    units: await tables.unit.find({}, { limit: 1000 }),
    settings: await tables.setting.find({}, { limit: 1000 }),
  }))
}

async function readBytes(file: string): Promise<Buffer> {
  const handle = await open(file)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

async function writeBytes(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'w')
  try {
    await handle.writeFile(bytes)
  } finally {
    await handle.close()
  }
}

async function redigest(file: string): Promise<void> {
  const database = new DatabaseSync(file)
  const table = database.prepare(`select columns from backup where name = 'device'`).get()
  const columns = String(table?.['columns']).replaceAll(' ', ', ')
  const hash = createHash('sha256')
  for (const row of database.prepare(`select ${columns} from device order by id`).all()) {
    hash.update(`${JSON.stringify(Object.values(row))}\n`)
  }
  const { changes } = database.prepare(`update backup set digest = ? where name = 'device'`).run(hash.digest('hex'))
  assert.equal(changes, 1)
  database.close()
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ 1
  return copy
}
