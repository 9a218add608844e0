import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import type { KeyStoreErrorCode } from '../../../src/adapter/key/error.ts'
import { KeyStoreError } from '../../../src/adapter/key/error.ts'
import { openFileKeyStore } from '../../../src/adapter/key/file.ts'
import { passphraseFromEnvironment } from '../../../src/adapter/key/master-key.ts'
import { Secret } from '../../../src/crypto/secret.ts'

const root = mkdtempSync(join(tmpdir(), 'mooring-key-'))
after(() => rmSync(root, { recursive: true, force: true }))

let count = 0
const fresh = () => join(root, `store-${count++}`)
const refusal = (code: KeyStoreErrorCode, says?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof KeyStoreError, String(error))
  assert.equal(error.code, code)
  if (says !== undefined) assert.match(error.message, says)
  return true
}
const passphrase = new Secret('a long enough passphrase')
const message = Buffer.from('message')
const modeOf = (path: string) => statSync(path).mode & 0o777

describe('a store without a passphrase', () => {
  test('a key outlives the process that made it', async () => {
    const directory = fresh()
    const made = await (await openFileKeyStore({ directory })).generate('issuing-ca', 'P-384')
    const store = await openFileKeyStore({ directory })
    assert.equal(store.kind, 'file')
    assert.equal(store.hardwareBacked, false)
    assert.deepEqual(await store.list(), ['issuing-ca'])
    const opened = await store.open('issuing-ca')
    assert.ok(opened)
    assert.equal(opened.algorithm, 'ES384')
    assert.deepEqual(opened.spkiDer, made.spkiDer)
    assert.ok(
      verify(
        'sha384',
        message,
        createPublicKey({ key: made.spkiDer, format: 'der', type: 'spki' }),
        await opened.sign(message),
      ),
    )
  })

  test('modes are 0700 and 0600, no draft stays behind, and no file holds the key in the clear', async () => {
    const directory = fresh()
    const store = await openFileKeyStore({ directory })
    await store.generate('ca', 'P-256')
    assert.equal(modeOf(directory), 0o700)
    assert.deepEqual(readdirSync(directory).sort(), ['ca.sealed', 'store.key'])
    for (const name of ['ca.sealed', 'store.key']) assert.equal(modeOf(join(directory, name)), 0o600)
    const file = readFileSync(join(directory, 'ca.sealed'), 'utf8')
    assert.ok(!file.includes('PRIVATE KEY'))
    // What a PKCS#8 P-256 key starts with, in base64.
    assert.ok(!file.includes('MIGHAgEAMBMGByqGSM49'))
  })

  test('what a crash left behind goes at the next opening, what is being written now stays', async () => {
    const directory = fresh()
    await openFileKeyStore({ directory })
    const [old, young] = ['a.sealed.0a1b2c3d4e5f.draft', 'b.sealed.0a1b2c3d4e5f.draft']
    for (const name of [old, young]) writeFileSync(join(directory, name), 'sealed', { mode: 0o600 })
    const anHourAgo = new Date(Date.now() - 3_600_000)
    utimesSync(join(directory, old), anHourAgo, anHourAgo)
    await openFileKeyStore({ directory })
    assert.deepEqual(
      readdirSync(directory).filter(name => name.endsWith('.draft')),
      [young],
    )
  })

  test('a label is never given twice, not even to two that ask at once', async () => {
    const directory = fresh()
    const stores = await Promise.all([openFileKeyStore({ directory }), openFileKeyStore({ directory })])
    const results = await Promise.allSettled(stores.map(store => store.generate('ca', 'P-256')))
    assert.deepEqual(results.map(result => result.status).sort(), ['fulfilled', 'rejected'])
    const won = results.find(result => result.status === 'fulfilled')
    assert.deepEqual((await stores[0].open('ca'))?.spkiDer, won?.value.spkiDer)
    await assert.rejects(stores[1].generate('ca', 'P-256'), refusal('label-taken', /remove it first/))
    await stores[1].remove('ca')
    await stores[1].remove('ca')
    assert.equal(await stores[0].open('ca'), undefined)
    await stores[0].generate('ca', 'P-521')
  })

  for (const label of ['', '.', '..', '../ca', 'a/b', 'a\\b', '.hidden', '-rf', 'a\0b', 'a b', 'ä', 'a'.repeat(65)]) {
    test(`the label ${JSON.stringify(label)} is refused everywhere`, async () => {
      const store = await openFileKeyStore({ directory: join(root, 'labels') })
      await assert.rejects(store.generate(label, 'P-256'), refusal('bad-label', /choose another/))
      await assert.rejects(store.open(label), refusal('bad-label'))
      await assert.rejects(store.remove(label), refusal('bad-label'))
    })
  }
})

describe('a store with a passphrase', () => {
  const directory = join(root, 'protected')

  test('opens with the passphrase alone, however it is given', async () => {
    const made = await (await openFileKeyStore({ directory, passphrase })).generate('ca', 'P-256')
    let asked = 0
    const store = await openFileKeyStore({
      directory,
      passphrase: async () => {
        asked++
        return new Secret(passphrase.revealText())
      },
    })
    assert.equal(asked, 1)
    assert.deepEqual((await store.open('ca'))?.spkiDer, made.spkiDer)
  })

  test('wrong, missing, empty and unexpected passphrases are told apart', async () => {
    await assert.rejects(
      openFileKeyStore({ directory, passphrase: new Secret('a long enough passphrasE') }),
      refusal('wrong-passphrase'),
    )
    await assert.rejects(openFileKeyStore({ directory }), refusal('passphrase-required', /MOORING_KEY_PASSPHRASE/))
    await assert.rejects(openFileKeyStore({ directory, passphrase: new Secret('') }), refusal('passphrase-required'))
    const open = fresh()
    await openFileKeyStore({ directory: open })
    await assert.rejects(openFileKeyStore({ directory: open, passphrase }), refusal('passphrase-unexpected'))
  })

  test('the environment gives it, unless it is empty', () => {
    assert.equal(passphraseFromEnvironment({}), undefined)
    assert.equal(passphraseFromEnvironment({ MOORING_KEY_PASSPHRASE: 'x y' })?.revealText(), 'x y')
    assert.throws(() => passphraseFromEnvironment({ MOORING_KEY_PASSPHRASE: '' }), refusal('passphrase-required'))
  })

  test('damage to store.key is not taken for a wrong passphrase', async () => {
    const path = join(directory, 'store.key')
    const text = readFileSync(path, 'utf8')
    const spoil = async (changed: string) => {
      writeFileSync(path, changed)
      await assert.rejects(openFileKeyStore({ directory, passphrase }), refusal('corrupt', /restore it from a backup/))
    }
    try {
      await spoil('')
      await spoil(text.slice(0, 100))
      await spoil(text.replace('"scrypt"', '"md5"'))
      await spoil(text.replace(/"N": \d+/, '"N": 1073741824'))
      await spoil(text.replace(/"N": \d+/, '"N": 32768'))
      await spoil(text.replace(/"nonce": "./, found => `${found.slice(0, -1)}${found.endsWith('A') ? 'B' : 'A'}`))
      await spoil('x'.repeat(5000))
      rmSync(path)
      await assert.rejects(openFileKeyStore({ directory, passphrase }), refusal('corrupt', /missing/))
    } finally {
      writeFileSync(path, text, { mode: 0o600 })
    }
    assert.ok(await (await openFileKeyStore({ directory, passphrase })).open('ca'))
  })
})

test('kill -9 while keys are made: each acknowledged key is there, and each key there opens', async () => {
  const directory = fresh()
  const module = new URL('../../../src/adapter/key/file.ts', import.meta.url).href
  const program = `
    import { openFileKeyStore } from ${JSON.stringify(module)}
    const store = await openFileKeyStore({ directory: ${JSON.stringify(directory)} })
    for (let i = 0; ; i++) {
      await store.generate(process.argv[1] + i, 'P-256')
      process.stdout.write(process.argv[1] + i + '\\n')
    }`
  const acknowledged: string[] = []
  for (const [round, lines] of [1, 7, 20].entries()) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, `round${round}-`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const labels = createInterface({ input: child.stdout })
    let heard = 0
    labels.on('line', label => {
      acknowledged.push(label)
      if (++heard === lines) child.kill('SIGKILL')
    })
    await once(labels, 'close')
    assert.ok(heard >= lines)
  }
  const store = await openFileKeyStore({ directory })
  const listed = await store.list()
  for (const label of acknowledged) assert.ok(listed.includes(label), label)
  for (const label of listed) assert.ok(await store.open(label), label)
})

describe('what was put in the place of a key', () => {
  test('damage at any place of a sealed key, or a swap of two keys, is corrupt', async () => {
    const directory = fresh()
    const store = await openFileKeyStore({ directory })
    await store.generate('one', 'P-256')
    await store.generate('two', 'P-256')
    const path = join(directory, 'one.sealed')
    const text = readFileSync(path, 'utf8')
    for (let at = 0; at < text.length; at += 17) {
      const flipped = text[at] === 'B' ? 'C' : 'B'
      writeFileSync(path, text.slice(0, at) + flipped + text.slice(at + 1))
      await assert.rejects(store.open('one'), refusal('corrupt'), `byte ${at}`)
    }
    const other = readFileSync(join(directory, 'two.sealed'), 'utf8')
    writeFileSync(path, other)
    await assert.rejects(store.open('one'), refusal('corrupt', /another label/))
    writeFileSync(path, other.replace('"two"', '"one"'))
    await assert.rejects(store.open('one'), refusal('corrupt'))
    writeFileSync(path, text)
    assert.ok(await store.open('one'))
  })

  test('a key sealed by another store is corrupt here', async () => {
    const [a, b] = [fresh(), fresh()]
    await (await openFileKeyStore({ directory: a })).generate('ca', 'P-256')
    const store = await openFileKeyStore({ directory: b })
    writeFileSync(join(b, 'ca.sealed'), readFileSync(join(a, 'ca.sealed')), { mode: 0o600 })
    await assert.rejects(store.open('ca'), refusal('corrupt', /another store\.key/))
  })

  test('loose modes, links, directories and pipes are refused with what to do', async () => {
    const directory = fresh()
    const store = await openFileKeyStore({ directory })
    await store.generate('ca', 'P-256')
    const path = join(directory, 'ca.sealed')
    for (const mode of [0o640, 0o604, 0o660, 0o601]) {
      chmodSync(path, mode)
      await assert.rejects(store.open('ca'), refusal('permissions', /chmod 600/))
    }
    chmodSync(path, 0o600)
    symlinkSync(path, join(directory, 'link.sealed'))
    await assert.rejects(store.open('link'), refusal('permissions', /symbolic link/))
    mkdirSync(join(directory, 'folder.sealed'), 0o700)
    await assert.rejects(store.open('folder'), refusal('permissions', /regular file/))
    chmodSync(join(directory, 'store.key'), 0o644)
    await assert.rejects(openFileKeyStore({ directory }), refusal('permissions', /chmod 600 .*store\.key/))
    chmodSync(join(directory, 'store.key'), 0o600)
    for (const mode of [0o750, 0o705, 0o711]) {
      chmodSync(directory, mode)
      await assert.rejects(openFileKeyStore({ directory }), refusal('permissions', /chmod 700/))
    }
  })

  test('a place that is no directory', async () => {
    const path = fresh()
    writeFileSync(path, 'x')
    await assert.rejects(openFileKeyStore({ directory: path }), refusal('storage', /EEXIST/))
    await assert.rejects(openFileKeyStore({ directory: join(path, 'below') }), refusal('storage', /ENOTDIR/))
  })
})
