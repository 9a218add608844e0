import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodePem } from '../../../src/codec/pem.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { testDatabase } from '../../store.ts'
import { freePort, type Service, Shell } from './process.ts'

let directory: string
let shell: Shell
let masaPort: number
let site: Service
let masa: Service

const file = (name: string) => join(directory, name)
const quiet = ['--quiet', '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']

/** Why a test is left out when the suite runs over PostgreSQL. */
const aboutFiles = testDatabase() === 'postgres' && 'about records that are files'

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-flow-'))
  // Both parties in the usual places of one user.
  shell = new Shell(directory, { XDG_DATA_HOME: join(directory, 'data') })
  masaPort = await freePort()
})

after(async () => {
  await shell.end()
  await rm(directory, { recursive: true })
})

/** Refused, with this code of the catalogue. */
async function refused(
  code: string,
  args: readonly string[],
  exit = 1,
  env: Record<string, string> = {},
): Promise<void> {
  const outcome = await shell.run([...args, '--json'], env)
  assert.equal((outcome.json()['error'] as { code: string }).code, code, outcome.stdout)
  assert.equal(outcome.code, exit)
}

describe('from an empty machine to devices on the network', () => {
  test('a manufacturer is founded, once', async () => {
    await refused('data-missing', ['factory', 'list'])
    const init = ['factory', 'init', '--name', 'Fjord Sensors', '--masa-url', `127.0.0.1:${masaPort}`]
    const founded = await shell.do(...init)
    assert.deepEqual(await shell.do(...init), founded)
    await refused('file-exists', ['factory', 'init', '--name', 'Somebody Else', '--masa-url', 'masa.example'])
    await refused('input-invalid', ['up', ...quiet, '--store', 'mysql://db/mooring'])
    // A site and a factory are different parties: one does not move in with the keys of the other.
    await refused('input-invalid', ['up', ...quiet, '--data', String(founded['factory'])])
    await refused('input-invalid', [
      'factory',
      'init',
      '--name',
      'X',
      '--masa-url',
      'http://masa.example',
      '--data',
      file('x'),
    ])
    const data = join(directory, 'data/mooring/factory')
    assert.equal((await stat(data)).mode & 0o777, 0o700)
    assert.match(await readFile(join(data, 'device-root.pem'), 'utf8'), /BEGIN CERTIFICATE/)
  })

  test('it makes devices that live in directories, and goes on where it stopped', async () => {
    const make = [
      'factory',
      'make',
      '--model',
      'Climate 2',
      '--batch',
      'CL2',
      '--count',
      '3',
      '--simulate',
      file('devices'),
    ]
    const made = await shell.do(...make)
    assert.deepEqual([made['made'], made['refused']], [3, []])
    assert.deepEqual(await shell.do(...make), made)
    await refused('batch-differs', [...make.slice(0, -4), '--count', '4', '--simulate', file('devices')])
    await refused('input-invalid', make.slice(0, -2))
    assert.deepEqual(await readdir(file('devices')), ['CL2-000001', 'CL2-000002', 'CL2-000003'])
    const { items } = (await shell.do('factory', 'list', '--batch', 'CL2')) as {
      items: { serial: string; owner: string }[]
    }
    assert.deepEqual(
      items.map(({ owner }) => owner),
      Array(3).fill('Fjord Sensors'),
    )
    const release = ['factory', 'step', 'release', '--batch', 'CL2']
    await refused('lifecycle-guard-unmet', release)
    assert.equal((await shell.do(...release, '--fact', 'homologationCertified'))['moved'], 3)
    const life = (await shell.do('factory', 'timeline', 'CL2-000001')) as { items: { state: string }[] }
    assert.deepEqual(
      life.items.map(({ state }) => state),
      ['SC.MFG', 'SC.TRN'],
    )
  })

  test('a site starts, shows its first token once, and lets the CLI of its owner in', async () => {
    site = await shell.start(['up', '--network', 'harbour-iot', '--owner', 'harbour', ...quiet])
    assert.match(String(site.ready['token']), /^mrg_[A-Za-z0-9_-]{43}$/)
    const data = String(site.ready['data'])
    assert.equal((await stat(join(data, 'access.json'))).mode & 0o777, 0o600)
    assert.equal((await shell.do('site', 'show'))['network'], 'harbour-iot')
    const { items } = (await shell.do('token', 'list')) as { items: { name: string }[] }
    assert.deepEqual(items.map(({ name }) => name).sort(), ['data-directory', 'first-administrator'])
    if (testDatabase() === 'sqlite') {
      // PostgreSQL takes any number of processes: peer.test.ts.
      await refused('store-locked', ['up', ...quiet])
      await refused('store-locked', ['token', 'create', 'x', '--role', 'auditor', '--offline'])
    }
    await writeFile(file('card.json'), JSON.stringify(await shell.do('site', 'card', '--name', 'Harbour Authority')))
  })

  test('devices are sold, with manifest and labels', async () => {
    const sold = ['--serial', 'CL2-000001', '--serial', 'CL2-000002', '--to', file('card.json')]
    assert.equal((await shell.do('factory', 'sell', ...sold))['sold'], 2)
    assert.equal((await shell.do('factory', 'sell', ...sold))['unchanged'], 2)
    await shell.do('factory', 'manifest', ...sold, '--out', file('purchase.jws'))
    await refused('file-exists', ['factory', 'manifest', ...sold, '--out', file('purchase.jws')])
    assert.equal((await shell.do('factory', 'labels', '--batch', 'CL2', '--out', file('labels.html')))['labels'], 3)
    assert.match(await readFile(file('labels.html'), 'utf8'), /CL2-000003/)
    await refused('file-unreadable', ['factory', 'sell', '--batch', 'CL2', '--to', file('labels.html')])
    await refused('input-invalid', ['factory', 'sell', '--batch', 'CL2', '--serial', 'x', '--to', file('card.json')])
  })

  test('they onboard with a real registrar and a real MASA; one that was not sold waits and is refused', async () => {
    masa = await shell.start(['masa', 'up', '--listen', '127.0.0.1'])
    assert.equal(masa.ready['port'], masaPort)
    const roots = join(directory, 'data/mooring/factory')
    const origin = `https://127.0.0.1:${String(site.ready['onboardingPort'])}`
    const onboard = (serial: string, timeout = '60') =>
      shell.process([
        'device',
        'onboard',
        '--device',
        file(`devices/${serial}`),
        '--timeout',
        timeout,
        '--json',
        origin,
      ])
    const stranger = await onboard('CL2-000001')
    assert.equal(stranger.code, 1, stranger.stdout)
    await shell.do(
      'trust',
      'add',
      'fjord',
      '--anchor',
      join(roots, 'device-root.pem'),
      '--masa-anchor',
      join(roots, 'masa-root.pem'),
      '--masa-private',
    )
    const { new: fresh } = await shell.do('manifest', 'import', file('purchase.jws'))
    assert.equal(fresh, 2)
    for (const serial of ['CL2-000001', 'CL2-000002']) {
      const { code, json, stderr } = await onboard(serial)
      assert.equal(code, 0, stderr)
      assert.equal(json()['rung'], 'connected')
    }
    const waiting = await onboard('CL2-000003', '1')
    assert.equal((waiting.json()['error'] as { code: string }).code, 'device-unexpected')
    assert.equal(((await shell.do('approval', 'list'))['items'] as unknown[]).length, 1)
    await shell.do('approval', 'grant', 'CL2-000003')
    // Nobody sold it: the manufacturer does not vouch for it, whatever the site decides.
    const foreign = await onboard('CL2-000003')
    assert.equal(foreign.code, 1)
    const { refusal } = (await shell.do('device', 'show', 'CL2-000003')) as { refusal: { code: string } }
    assert.equal(refusal.code, 'owner-mismatch')
    const { items } = (await shell.do('device', 'list', '--rung', 'connected')) as { items: unknown[] }
    assert.equal(items.length, 2)
    assert.equal(((await shell.do('voucher', 'list'))['items'] as unknown[]).length, 2)
  })

  test('a birth certificate is checked', async () => {
    const memory = JSON.parse(await readFile(file('devices/CL2-000001/memory/birth.value'), 'utf8')) as {
      idevid: string
    }
    await writeFile(file('unit.der'), Buffer.from(memory.idevid, 'base64'))
    const good = await shell.run(['factory', 'check', file('unit.der'), '--json'])
    assert.equal(good.code, 0, good.stdout)
    const root = join(directory, 'data/mooring/factory/device-root.pem')
    const bad = await shell.run(['factory', 'check', root, '--json'])
    assert.equal(bad.code, 3)
    assert.ok((bad.json()['findings'] as { severity: string }[]).some(({ severity }) => severity === 'error'))
    await refused('file-unreadable', ['factory', 'check', file('card.json')])
  })

  test('a withdrawn device has no credential any more', async () => {
    await shell.do('device', 'withdraw', 'CL2-000002', '--reason', 'stolen')
    const { items } = (await shell.do('credential', 'list', '--device', 'CL2-000002')) as {
      items: { status: string }[]
    }
    assert.deepEqual(
      items.map(({ status }) => status),
      ['revoked'],
    )
  })

  test('the record is verified, backed up while the site runs, and restored', async () => {
    await writeFile(file('anchor.json'), JSON.stringify(await shell.do('audit', 'checkpoint')))
    await shell.do('backup', file('backup'))
    await refused('file-exists', ['backup', file('backup')])
    assert.equal((await stat(file('backup'))).mode & 0o777, 0o700)
    assert.ok(!(await readdir(file('backup'))).includes('access.json'))
    const restored = await shell.do(
      'restore',
      file('backup'),
      '--data',
      file('restored'),
      '--anchor',
      file('anchor.json'),
    )
    assert.deepEqual([restored['integrity'], restored['completeness']], ['pass', 'pass'])
    await refused('file-exists', ['restore', file('backup'), '--data', file('restored')])
    await refused('backup-invalid', ['restore', file('devices'), '--data', file('other')])
    await assert.rejects(stat(file('other')), { code: 'ENOENT' })
    // The restored one is the same site: it starts under its name, and its devices are there.
    const again = await shell.start(['up', '--data', file('restored'), ...quiet])
    assert.deepEqual([again.ready['network'], again.ready['token']], ['harbour-iot', undefined])
    const shown = await shell.do('device', 'show', 'CL2-000001', '--data', file('restored'))
    assert.equal(shown['rung'], 'connected')
    assert.equal((await again.stop()).code, 0)
  })

  test('services end when they are told to, and start again without a word', async () => {
    const ended = await site.stop('SIGINT')
    assert.deepEqual([ended.code, ended.after], [0, []])
    assert.doesNotMatch(ended.stderr, /mrg_|PRIVATE/)
    assert.equal((await masa.stop()).code, 0)
    assert.equal((await shell.process(['device', 'list'])).code, 4)
    await refused('input-invalid', ['up', '--network', 'another', ...quiet])
    site = await shell.start(['up', ...quiet])
    assert.deepEqual([site.ready['owner'], site.ready['token']], ['harbour', undefined])
    assert.equal((await shell.do('device', 'show', 'CL2-000001'))['rung'], 'connected')
    await site.stop()
  })

  test('whoever lost every token makes one at the stopped site', async () => {
    const made = await shell.do('token', 'create', 'rescue', '--role', 'administrator', '--offline')
    assert.match(String(made['token']), /^mrg_/)
    await refused('input-invalid', ['token', 'create', '../x', '--role', 'administrator', '--offline'])
    const verdict = await shell.do('audit', 'verify', '--offline', '--anchor', file('anchor.json'))
    assert.deepEqual([verdict['integrity'], verdict['completeness']], ['pass', 'pass'])
    await refused('data-missing', ['audit', 'verify', '--offline', '--data', file('nothing')])
    await assert.rejects(stat(file('nothing')), { code: 'ENOENT' })
    site = await shell.start(['up', ...quiet])
    const env = { MOORING_URL: String(site.ready['url']), MOORING_TOKEN: String(made['token']) }
    assert.equal((await shell.run(['token', 'list'], env)).code, 0)
    await refused('not-authenticated', ['token', 'list'], 5, { ...env, MOORING_TOKEN: 'mrg_nothing' })
    await site.stop()
    const access = join(directory, 'data/mooring/site/access.json')
    await writeFile(access, '{')
    await refused('file-unreadable', ['token', 'list'])
    site = await shell.start(['up', ...quiet])
    await shell.do('token', 'list')
    await site.stop()
  })

  test('a record that is gone is missed', { skip: aboutFiles }, async () => {
    const record = join(directory, 'data/mooring/site/site.db')
    await rename(record, file('taken-away.db'))
    await refused('record-missing', ['audit', 'verify', '--offline'])
    await refused('record-missing', ['up', ...quiet])
    await rename(file('taken-away.db'), record)
    const elsewhere = ['--store', `sqlite:${file('elsewhere.db')}`]
    await refused('input-invalid', ['audit', 'verify', '--offline', ...elsewhere])
    await refused('input-invalid', ['up', ...quiet, ...elsewhere])
  })

  test('keys that others can read stop everything', async () => {
    const keys = join(directory, 'data/mooring/site/keys')
    await chmod(keys, 0o755)
    await refused('key-store-failed', ['up', ...quiet])
    await chmod(keys, 0o700)
  })
})

describe('a site whose record is not in its data directory', { skip: aboutFiles }, () => {
  test('looks nowhere else for it: an empty record has nothing that was altered', async () => {
    const data = file('apart')
    const up = ['up', ...quiet, '--data', data]
    const store = ['--store', `sqlite:${file('apart.db')}`]
    await (await shell.start([...up, ...store])).stop()
    await refused('input-invalid', up)
    await refused('input-invalid', ['audit', 'verify', '--offline', '--data', data])
    await refused('input-invalid', ['token', 'create', 'x', '--role', 'auditor', '--offline', '--data', data])
    await refused('input-invalid', ['backup', file('apart-backup'), '--data', data])
    const verdict = await shell.do('audit', 'verify', '--offline', '--data', data, ...store)
    assert.equal(verdict['integrity'], 'pass')
    await shell.do('backup', file('apart-backup'), '--data', data, ...store)
    await shell.do('restore', file('apart-backup'), '--data', file('together'))
    await shell.do('audit', 'verify', '--offline', '--data', file('together'))
  })
})

describe('a line that puts requests into a directory', () => {
  test('gets a chain for each, and is told which are missing', async () => {
    const [data, line] = [file('csr-factory'), file('line')]
    await mkdir(line)
    await shell.do('factory', 'init', '--name', 'Kestrel', '--masa-url', 'masa.example', '--data', data)
    const make = ['factory', 'make', '--data', data, '--model', 'M', '--batch', 'K', '--count', '3', '--csrs', line]
    const put = async (serial: string, pem: boolean) => {
      const csr = await createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(generateKey('P-256')))
      await writeFile(join(line, `${serial}.csr`), pem ? encodePem('CERTIFICATE REQUEST', csr) : csr)
    }
    await put('K-000001', true)
    await put('K-000003', false)
    const first = await shell.run([...make, '--json'])
    assert.equal(first.code, 1)
    assert.deepEqual(first.json()['refused'], [{ serial: 'K-000002', code: 'file-unreadable' }])
    await put('K-000002', true)
    assert.deepEqual((await shell.do(...make))['refused'], [])
    const files = await readdir(line)
    assert.deepEqual(files.filter(name => !name.endsWith('.csr')).sort(), [
      'K-000001.pem',
      'K-000002.pem',
      'K-000003.pem',
      'anchors.pem',
    ])
    const root = join(data, 'device-root.pem')
    for (const serial of ['K-000001', 'K-000002', 'K-000003']) {
      const check = await shell.run(['factory', 'check', join(line, `${serial}.pem`), '--anchor', root, '--json'])
      assert.equal(check.code, 0, check.stdout)
    }
  })

  test('keeps the name of its factory also when founding was cut off', async () => {
    const data = file('cut-off')
    await shell.do('factory', 'init', '--name', 'First', '--masa-url', 'masa.example', '--data', data)
    await rm(join(data, 'factory.json'))
    await refused('file-exists', ['factory', 'init', '--name', 'Second', '--masa-url', 'masa.example', '--data', data])
  })
})

describe('a record that was altered', () => {
  test('is found out, also while the site is stopped', async () => {
    const data = file('altered')
    const up = ['up', '--data', data, ...quiet]
    await (await shell.start(up)).stop()
    assert.equal((await shell.run(['audit', 'verify', '--offline', '--data', data])).code, 0)
    await shell.alter(
      data,
      "update event set body = replace(body, 'first-administrator', 'somebody') where kind = 'token-created'",
    )
    const { code, json } = await shell.run(['audit', 'verify', '--offline', '--data', data, '--json'])
    assert.equal(code, 3)
    assert.equal(json()['integrity'], 'fail')
    assert.match(JSON.stringify(json()['firstBad']), /main|lane-1/)
    await rm(join(data, 'site.json'))
    await refused('input-invalid', [...up, '--network', 'another'])
  })
})

describe('a process', () => {
  test('that is interrupted leaves whole units behind, and the next one goes on', async () => {
    const data = file('interrupted')
    await shell.do('factory', 'init', '--name', 'Kestrel', '--masa-url', 'masa.example', '--data', data)
    const make = [
      'factory',
      'make',
      '--data',
      data,
      '--model',
      'M',
      '--batch',
      'K',
      '--count',
      '300',
      '--simulate',
      file('units'),
    ]
    const stopped = await shell.interrupted(make, async () => {
      while ((await readdir(file('units')).catch(() => [])).length < 10) await nextTurn()
    })
    assert.equal(stopped.code, 130)
    assert.equal(stopped.stdout, '')
    const { items } = (await shell.do('factory', 'list', '--data', data, '--limit', '1000')) as { items: unknown[] }
    assert.ok(items.length < 300)
    assert.equal((await shell.do(...make))['made'], 300)
  })

  test('whose reader has seen enough ends well', async () => {
    const { code, stderr } = await shell.read(['errors'], 1)
    assert.deepEqual([code, stderr], [0, ''])
  })
})

describe('a site whose API is for other machines', () => {
  test('answers over TLS, with its own certificate', async () => {
    const data = file('tls-site')
    const up = ['up', '--data', data, ...quiet, '--api-listen', '0.0.0.0', '--host', 'localhost']
    const served = await shell.start(up, { MOORING_KEY_PASSPHRASE: 'correct horse battery staple' })
    const url = String(served.ready['url'])
    assert.match(url, /^https:\/\/localhost:\d+$/)
    const local = await shell.process(['site', 'show', '--data', data, '--json'])
    assert.equal(local.json()['network'], 'home')
    const { ca } = JSON.parse(await readFile(join(data, 'access.json'), 'utf8')) as { ca: string }
    await writeFile(file('ca.pem'), ca)
    const token = String(served.ready['token'])
    assert.equal((await shell.process(['site', 'show', '--url', url, '--token', token])).code, 4)
    assert.equal(
      (await shell.process(['site', 'show', '--url', url, '--token', token, '--ca', file('ca.pem')])).code,
      0,
    )
    assert.equal((await served.stop()).code, 0)
    await refused('key-store-failed', ['up', '--data', data, ...quiet])
    await refused('key-store-failed', ['up', '--data', data, ...quiet], 1, { MOORING_KEY_PASSPHRASE: 'wrong' })
  })

  test('says so when its port is taken', async () => {
    const port = await freePort()
    const args = [...quiet.slice(0, -2), '--api-port', String(port)]
    const first = await shell.start(['up', '--data', file('one'), ...args])
    await refused('port-in-use', ['up', '--data', file('two'), ...args])
    await first.stop()
    // The token of the first administrator is made by a start that can show it.
    const second = await shell.start(['up', '--data', file('two'), ...args])
    assert.match(String(second.ready['token']), /^mrg_/)
    await second.stop()
  })
})
