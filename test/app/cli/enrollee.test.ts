import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Secret } from '../../../src/crypto/secret.ts'
import { encodeRecord, RecordSplitter } from '../../../src/protocol/dpp/record.ts'
import { formatBootstrappingUri, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { connectorOf, house, type TestConfigurator, testConfigurator } from '../../role/device/dpp-network.ts'
import { mooring } from './terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'mooring-cli-enrollee-'))
const device = join(folder, 'lamp')
const at = ['--device', device]

/** A Configurator of memory, behind a socket. */
async function listen(configurator: TestConfigurator): Promise<Server> {
  const server = createServer(socket => {
    const splitter = new RecordSplitter()
    void configurator.transport.connect('', 0).then(async connection => {
      socket.on('data', chunk => {
        for (const message of splitter.push(chunk)) connection.send(message)
      })
      for (let message = await connection.receive(0); message !== undefined; message = await connection.receive(0))
        socket.write(encodeRecord(message))
      socket.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const addressOf = (server: Server) => {
  const bound = server.address()
  return `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`
}

describe('a device on the command line', () => {
  let server: Server
  let configurator: TestConfigurator
  let controller: string
  let code: string
  before(async () => {
    const alice = await house('Alice')
    configurator = testConfigurator({
      answer: async ({ netAccessKey }) => {
        const pass = new Secret('secret passphrase')
        return { cred: { akm: 'dpp+sae', pass, connector: connectorOf(alice, netAccessKey) } }
      },
    })
    server = await listen(configurator)
    controller = addressOf(server)
    code = formatBootstrappingUri(configurator.uri)
  })
  after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function fails(args: readonly string[]): Promise<Record<string, unknown>> {
    const { code: ended, json } = await mooring(['device', 'enrollee', ...args, '--json'])
    assert.equal(ended, 1)
    return json()['error'] as Record<string, unknown>
  }

  test('nothing is made where no device is', async () => {
    for (const args of [['uri'], ['onboard', controller], ['reconfigure', controller], ['forget']]) {
      assert.equal((await fails([...args, ...at]))['code'], 'data-missing')
    }
  })

  test('its code is made once, and holds what was said then', async () => {
    const said = ['--mac', '02:00:00:00:01:00', '--channel', '81/6', '--channel', '115/36', '--information', 'SN:1']
    const first = await mooring(['device', 'enrollee', 'uri', ...at, '--create', ...said, '--json'])
    const uri = String(first.json()['uri'])
    const { mac, channels, information, curve } = parseBootstrappingUri(uri)
    assert.deepEqual([mac, channels?.length, information, curve], ['020000000100', 2, 'SN:1', 'P-256'])
    const again = await mooring(['device', 'enrollee', 'uri', ...at])
    assert.match(again.stdout, /█/)
    assert.ok(again.stdout.trimEnd().endsWith(uri))
  })

  test('what cannot stand in a code is refused before a key is made', async () => {
    const elsewhere = ['--device', join(folder, 'other'), '--create']
    for (const wrong of [
      ['--mac', '02'],
      ['--channel', 'six'],
      ['--information', 'a;b'],
      ['--information', 'é'],
    ]) {
      const { code: refused } = await fails(['uri', ...elsewhere, ...wrong])
      assert.ok(refused === 'bootstrapping-uri-invalid' || refused === 'input-invalid', String(refused))
    }
  })

  test('it takes no network of which it knows nothing', async () => {
    const { code: refused } = await fails([
      'onboard',
      controller,
      ...at,
      '--ownership',
      'declaration',
      '--configurator',
      code,
    ])
    assert.equal(refused, 'declaration-missing')
  })

  test('it takes that of a Configurator that was shown to it, and writes it for wpa_supplicant', async () => {
    const place = join(folder, 'radio')
    const args = ['device', 'enrollee', 'onboard', controller, ...at, '--configurator', code, '--wpa-supplicant', place]
    const { code: ended, stdout, stderr } = await mooring(args)
    assert.equal(ended, 0, stderr)
    assert.match(stdout, /home of alice \(dpp\+sae\)/)
    assert.match(stderr, /heard\n.*authenticated\n.*authorized\n.*credentialed\n/s)
    assert.doesNotMatch(stdout + stderr, /secret passphrase/)
    assert.match(readFileSync(join(place, 'wpa_supplicant.conf'), 'utf8'), /key_mgmt=DPP SAE/)
    const connections = configurator.connections
    const again = (await mooring([...args, '--json'])).json()
    assert.deepEqual(again, {
      device: 'SN:1',
      controller,
      networks: [{ ssid: 'home of alice', akm: 'dpp+sae' }],
      wpaSupplicant: join(place, 'wpa_supplicant.conf'),
    })
    assert.equal(configurator.connections, connections, 'it has its network')
    assert.equal((await mooring(['device', 'enrollee', 'forget', ...at])).code, 0)
  })

  test('a code that is none, a Controller that does not know it, and nobody', async () => {
    const wrong = await fails(['onboard', controller, ...at, '--configurator', 'DPP:K:AAAA;;'])
    assert.equal((await fails(['reconfigure', controller, ...at]))['code'], 'reconfiguration-impossible')
    assert.equal(wrong['code'], 'bootstrapping-uri-invalid')
    assert.equal((await fails(['onboard', controller, ...at]))['code'], 'configurator-unreachable')
    const gone = await listen(configurator)
    const nobody = addressOf(gone)
    gone.close()
    assert.equal((await fails(['onboard', nobody, ...at]))['code'], 'configurator-unreachable')
  })
})
