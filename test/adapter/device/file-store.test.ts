import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFileDeviceStore } from '../../../src/adapter/device/file-store.ts'

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'mooring-device-'))
  try {
    await work(join(base, 'memory'))
  } finally {
    await rm(base, { recursive: true })
  }
}

test('what is written is read by the next one, and gone when removed', () =>
  withDirectory(async directory => {
    const store = await openFileDeviceStore(directory)
    assert.equal(await store.read('birth'), undefined)
    await store.write('birth', Buffer.from('one'))
    await store.write('birth', Buffer.from('two'))
    await store.write('memory', Buffer.alloc(0))
    const again = await openFileDeviceStore(directory)
    assert.deepEqual(await again.list(), ['birth', 'memory'])
    assert.equal(Buffer.from((await again.read('birth'))!).toString(), 'two')
    await again.remove('memory')
    await again.remove('memory')
    assert.deepEqual(await store.list(), ['birth'])
    assert.equal((await stat(join(directory, 'birth.value'))).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(directory), ['birth.value'])
  }))

test('names are no paths', () =>
  withDirectory(async directory => {
    const store = await openFileDeviceStore(directory)
    for (const name of ['../x', '', 'a/b', 'A', 'a'.repeat(33), '.']) {
      await assert.rejects(async () => store.read(name), TypeError)
      await assert.rejects(async () => store.write(name, Buffer.alloc(1)), TypeError)
    }
  }))

test('a directory or file that others can read, and a link, are refused', () =>
  withDirectory(async directory => {
    const store = await openFileDeviceStore(directory)
    await store.write('birth', Buffer.from('one'))
    await chmod(join(directory, 'birth.value'), 0o644)
    await assert.rejects(async () => store.read('birth'), { code: 'permissions' })
    await writeFile(join(directory, 'target'), 'x', { mode: 0o600 })
    await symlink(join(directory, 'target'), join(directory, 'link.value'))
    await assert.rejects(async () => store.read('link'), { code: 'permissions' })
    await chmod(directory, 0o755)
    await assert.rejects(openFileDeviceStore(directory), { code: 'permissions' })
  }))
