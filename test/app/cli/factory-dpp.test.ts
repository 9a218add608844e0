import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodePem } from '../../../src/codec/pem.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { codesPng } from '../../adapter/image/png.ts'
import { Shell } from './process.ts'

let directory: string
let shell: Shell
let factory: string
const file = (name: string) => join(directory, name)

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-factory-dpp-'))
  shell = new Shell(directory, { XDG_DATA_HOME: join(directory, 'data') })
  const init = ['factory', 'init', '--name', 'Fjord Sensors', '--masa-url', 'masa.fjord.example']
  factory = String((await shell.do(...init))['factory'])
})
after(async () => {
  await shell.end()
  await rm(directory, { recursive: true })
})

async function refused(code: string, args: readonly string[]): Promise<void> {
  const outcome = await shell.run([...args, '--json'])
  assert.equal((outcome.json()['error'] as { code: string }).code, code, outcome.stdout)
}

async function uris(batch: string): Promise<string[]> {
  const { items } = (await shell.do('factory', 'list', '--batch', batch)) as { items: { bootstrappingUri: string }[] }
  return items.map(({ bootstrappingUri }) => bootstrappingUri)
}

describe('a factory of devices for Wi-Fi Easy Connect', { concurrency: 1 }, () => {
  const make = ['factory', 'make', '--model', 'Lamp', '--batch', 'L1', '--count', '2']
  const dpp = ['--dpp', '--dpp-first-mac', '02:00:00:00:01:00', '--dpp-channel', '81/6']

  test('makes them with keys of their own, and goes on where it stopped', async () => {
    const simulate = ['--simulate', file('devices')]
    assert.equal((await shell.do(...make, ...simulate, ...dpp))['made'], 2)
    assert.equal((await shell.do(...make, ...simulate, ...dpp))['made'], 2)
    await refused('batch-differs', [...make, ...simulate, '--dpp'])
    await refused('input-invalid', [...make, ...simulate, '--dpp-channel', '81/6'])
    const [first, second] = await uris('L1')
    assert.match(first!, /^DPP:C:81\/6;M:020000000100;I:SN=L1-000001;V:2;K:/)
    assert.match(second!, /;M:020000000101;I:SN=L1-000002;/)
  })

  test('takes what devices on a line say of themselves, a URI or a key', async () => {
    await mkdir(file('line'))
    for (const serial of ['M1-000001', 'M1-000002']) {
      const csr = await createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(generateKey('P-256')))
      await writeFile(file(`line/${serial}.csr`), csr)
    }
    const [own] = await uris('L1')
    const line = [
      'factory',
      'make',
      '--model',
      'Meter',
      '--batch',
      'M1',
      '--count',
      '2',
      '--csrs',
      file('line'),
      '--dpp',
    ]
    const before = await shell.run([...line, '--json'])
    assert.deepEqual(before.json()['refused'], [
      { serial: 'M1-000001', code: 'file-unreadable' },
      { serial: 'M1-000002', code: 'file-unreadable' },
    ])
    const spki = generateDppKey('P-256').key.export({ type: 'spki', format: 'der' })
    await writeFile(file('line/M1-000001.dpp'), encodePem('PUBLIC KEY', spki))
    await writeFile(file('line/M1-000002.dpp'), `${own}\n`)
    const copied = await shell.run([...line, '--json'])
    assert.deepEqual(copied.json()['refused'], [{ serial: 'M1-000002', code: 'unit-key-reused' }])
    await writeFile(file('line/M1-000002.dpp'), encodePem('CERTIFICATE', spki))
    const wrong = await shell.run([...line, '--json'])
    assert.deepEqual(wrong.json()['refused'], [{ serial: 'M1-000002', code: 'file-unreadable' }])
    await rm(file('line/M1-000002.dpp'))
    assert.match((await uris('M1'))[0]!, /^DPP:I:SN=M1-000001;V:2;K:/)
  })

  test('prints labels that carry the URI, and a manifest by which the buyer expects the devices', async () => {
    await shell.do('factory', 'labels', '--batch', 'L1', '--out', file('labels.html'))
    assert.match(await readFile(file('labels.html'), 'utf8'), /Wi-Fi Easy Connect, key/)
    await shell.do('factory', 'labels', '--batch', 'L1', '--code', 'birth', '--out', file('birth.html'))
    assert.doesNotMatch(await readFile(file('birth.html'), 'utf8'), /Easy Connect/)
    const quiet = ['--quiet', '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']
    const site = await shell.start(['up', '--network', 'harbour-iot', '--owner', 'harbour', ...quiet])
    await writeFile(file('card.json'), JSON.stringify(await shell.do('site', 'card')))
    const to = ['--batch', 'L1', '--to', file('card.json')]
    await shell.do('factory', 'sell', ...to)
    await shell.do('factory', 'manifest', ...to, '--out', file('purchase.jws'))
    const anchors = ['--anchor', join(factory, 'device-root.pem'), '--masa-anchor', join(factory, 'masa-root.pem')]
    await shell.do('trust', 'add', 'fjord', ...anchors)
    await shell.do('manifest', 'import', file('purchase.jws'))
    const { items } = (await shell.do('dpp', 'list')) as { items: Record<string, unknown>[] }
    assert.deepEqual(
      items
        .map(({ manufacturer, serial, standing, mac, declared }) =>
          [manufacturer, serial, standing, mac, declared].join(' '),
        )
        .sort(),
      ['fjord L1-000001 expected 02:00:00:00:01:00 true', 'fjord L1-000002 expected 02:00:00:00:01:01 true'],
    )
    await site.stop()
  })

  test('checks URIs, from the command line, from files and from pictures', async () => {
    const [uri] = await uris('L1')
    const check = async (...args: string[]) => {
      const { code, stdout } = await shell.run(['factory', 'check', ...args, '--json'])
      const { uris: checked } = JSON.parse(stdout) as { uris: { findings: { rule: string }[] }[] }
      return [code, ...checked.map(({ findings }) => findings.map(({ rule }) => rule).join(' '))]
    }
    assert.deepEqual(await check(uri!), [0, 'mac-local'])
    assert.deepEqual(await check(uri!, '--mac', '02:00:00:00:01:00', '--serial', 'L1-000001'), [0, 'mac-local'])
    assert.deepEqual(await check(uri!, '--mac', '02:00:00:00:09:00'), [3, 'mac-differs'])
    assert.deepEqual(await check(uri!.replace('V:2', 'V:8')), [3, 'version-unknown mac-local'])
    await writeFile(file('uris.txt'), `${uri}\n\n${uri!.replace('DPP', 'dpp')}\n`)
    assert.deepEqual(await check(file('uris.txt')), [3, 'mac-local', 'scheme'])
    await writeFile(file('code.png'), codesPng([uri!]))
    assert.deepEqual(await check(file('code.png'), '--channel', '115/48'), [0, 'channel-unheard mac-local'])
    const person = await shell.run(['factory', 'check', uri!])
    assert.match(person.stdout, /mac-local \(Easy Connect section 5\.2\.1\)/)
    const certificate = await shell.run(['factory', 'check', join(factory, 'device-root.pem'), '--json'])
    assert.ok('findings' in certificate.json(), 'and birth certificates as before')
  })
})
