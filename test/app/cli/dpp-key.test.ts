import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { testDatabase } from '../../store.ts'
import { freePort, Shell } from './process.ts'

const csign = '30310201010420cbf55f1966aff438968a29e7fba7eae99e77a5c51763e976a237d49dca6c4805a00a06082a8648ce3d030107'
const ppKey = '3031020101042085ecb0774d2376647b1204a8d43fc35c211de83887dc1a8c39f1433b39f61dc7a00a06082a8648ce3d030107'

describe('the keys of a Configurator by the CLI', () => {
  let place: string
  let shell: Shell
  const file = (name: string) => join(place, name)

  before(async () => {
    place = await mkdtemp(join(tmpdir(), 'mooring-dpp-key-'))
    shell = new Shell(place)
    for (const data of ['site', 'other']) {
      const [port, api] = [await freePort(), await freePort()]
      const where = ['--data', file(data), '--port', `${port}`, '--api-port', `${api}`, '--listen', '127.0.0.1']
      const service = await shell.start(['up', ...where, '--no-dpp', '--quiet'])
      // PostgreSQL takes any number of processes.
      if (data === 'site' && testDatabase() !== 'postgres')
        await refused('store-locked', ['dpp', 'import-keys', await hostapFile(), '--hostap', ...at('site')])
      await service.stop()
    }
    await writeFile(file('passphrase.txt'), 'correct horse battery staple\n')
  })
  after(async () => {
    await shell.end()
    await rm(place, { recursive: true, force: true })
  })

  const at = (data: string) => ['--offline', '--data', file(data)]
  const words = () => ['--passphrase-file', file('passphrase.txt')]

  async function hostapFile(): Promise<string> {
    await writeFile(file('hostap.txt'), `DPP_CONFIGURATOR_ADD key=${csign} ppkey=${ppKey}\n`)
    return file('hostap.txt')
  }

  async function refused(code: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    const { code: ended, stdout } = await shell.run([...args, '--json'], env)
    assert.notEqual(ended, 0)
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, code, stdout)
  }

  test('come from hostap, go into a sealed file, and from there to another site', async () => {
    const taken = await shell.do('dpp', 'import-keys', await hostapFile(), '--hostap', ...at('site'))
    assert.deepEqual(taken['keys'], [
      { id: 'dpp-c-sign-p-256-1', use: 'c-sign', curve: 'P-256' },
      { id: 'dpp-pp-p-256-1', use: 'pp', curve: 'P-256' },
    ])
    await shell.do('dpp', 'export-keys', file('configurator.pem'), ...words(), ...at('site'))
    const text = await readFile(file('configurator.pem'), 'utf8')
    assert.match(text, /^-----BEGIN DPP CONFIGURATOR BACKUP-----\n/)
    assert.ok(!Buffer.from(text.replace(/-.*-|\n/g, ''), 'base64').includes(Buffer.from(csign.slice(14, 78), 'hex')))
    assert.equal((await stat(file('configurator.pem'))).mode & 0o777, 0o600)
    const brought = await shell.do('dpp', 'import-keys', file('configurator.pem'), ...words(), ...at('other'))
    assert.equal((brought['keys'] as unknown[]).length, 2)
    await shell.do('dpp', 'export-keys', file('back.txt'), '--hostap', ...at('other'))
    const back = await readFile(file('back.txt'), 'utf8')
    // With the public key beside it, which OpenSSL adds.
    for (const name of ['key', 'ppkey']) assert.match(back, new RegExp(`^${name}=3077020101`, 'm'))
    assert.ok(back.includes(csign.slice(14, 78)) && back.includes(ppKey.slice(14, 78)))
    const again = await shell.run(['dpp', 'import-keys', file('configurator.pem'), ...words(), ...at('other')])
    assert.match(again.stdout, /the current ones already/)
    const verdict = await shell.do('audit', 'verify', '--offline', '--data', file('other'))
    assert.equal(verdict['integrity'], 'pass')
  })

  test('are not written over a file, nor by an API, nor under a short passphrase, nor read under another', async () => {
    await writeFile(file('there.pem'), '')
    await refused('file-exists', ['dpp', 'export-keys', file('there.pem'), ...words(), ...at('site')])
    await refused('input-invalid', ['dpp', 'export-keys', file('new.pem'), ...words(), '--data', file('site')])
    await refused('input-invalid', ['dpp', 'export-keys', file('new.pem'), ...at('site')], {
      MOORING_DPP_PASSPHRASE: 'short',
    })
    await refused('input-invalid', ['dpp', 'export-keys', file('new.pem'), ...at('site')])
    const other = { MOORING_DPP_PASSPHRASE: 'another passphrase' }
    await refused(
      'configurator-keys-unreadable',
      ['dpp', 'import-keys', file('configurator.pem'), ...at('site')],
      other,
    )
    await refused('configurator-keys-unreadable', ['dpp', 'import-keys', file('there.pem'), ...words(), ...at('site')])
    await refused('configurator-keys-unreadable', ['dpp', 'import-keys', file('there.pem'), '--hostap', ...at('site')])
    await refused('not-found', ['dpp', 'export-keys', file('new.txt'), '--hostap', '--curve', 'P-384', ...at('site')])
  })
})
