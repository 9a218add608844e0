import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/app/free-port.ts'
import { needs } from '../peer.ts'
import { partyStores } from '../store.ts'
import { run } from './lab.ts'

/** The program as people run it: processes, files, and nothing else. */
const main = fileURLToPath(new URL('../../src/app/cli/main.ts', import.meta.url))
const script = fileURLToPath(new URL('../../interop/openssl-pledge.sh', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'mooring-up-'))
const at = (...names: string[]) => join(folder, ...names)
const running: ChildProcess[] = []

const stores = partyStores()

/** On PostgreSQL, a record for each data directory. */
async function environment(args: readonly string[]): Promise<NodeJS.ProcessEnv> {
  const url = await stores.storeUrl?.(args[args.indexOf('--data') + 1]!)
  return url === undefined ? process.env : { ...process.env, MOORING_STORE: url }
}

async function mooring(...args: string[]): Promise<string> {
  const { code, out, error } = await run(process.execPath, [main, ...args], { env: await environment(args) })
  assert.equal(code, 0, `mooring ${args.join(' ')}: ${out}${error}`)
  return out
}

/** Starts a service. @returns the document that it prints when it listens */
async function start(...args: string[]): Promise<Record<string, unknown>> {
  const env = await environment(args)
  const child = spawn(process.execPath, [main, ...args, '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += String(chunk)
  })
  let text = ''
  for await (const chunk of child.stdout) {
    text += String(chunk)
    try {
      return JSON.parse(text) as Record<string, unknown>
    } catch {
      // Not whole yet.
    }
  }
  throw new Error(`mooring ${args.join(' ')} ended: ${text}${errors}`)
}

describe('mooring up', needs('openssl', 'curl', 'bash'), () => {
  const serial = 'OS1-000001'
  let url: string

  before(async () => {
    const host = '127.0.0.1'
    const [site, api, masa] = [await freePort(host), await freePort(host), await freePort(host)]
    url = `https://127.0.0.1:${site}`
    const place = [
      '--listen',
      '127.0.0.1',
      '--port',
      String(site),
      '--host',
      '127.0.0.1',
      '--api-port',
      String(api),
      '--no-dpp',
    ]
    await start('up', '--data', at('site'), '--network', 'harbour', '--owner', 'harbour-master', ...place)
    const factory = ['--data', at('factory')]
    await mooring('factory', 'init', ...factory, '--name', 'Acme', '--masa-url', `127.0.0.1:${masa}`)

    // The unit on the line is openssl: a request goes in, a certificate and an anchor come out.
    mkdirSync(at('line'))
    assert.equal((await run(script, ['key', at('unit'), serial])).code, 0)
    await copyFile(at('unit', 'idevid.csr'), at('line', `${serial}.csr`))
    const batch = ['--batch', 'OS1', '--count', '1', '--model', 'Lamp']
    await mooring('factory', 'make', ...factory, ...batch, '--csrs', at('line'))
    const born = ['born', at('unit'), at('line', `${serial}.pem`), at('line', 'anchors.pem')]
    assert.equal((await run(script, born)).code, 0)

    const home = ['--data', at('site')]
    writeFileSync(at('card.json'), await mooring('site', 'card', ...home))
    const sale = ['--batch', 'OS1', '--to', at('card.json')]
    await mooring('factory', 'sell', ...factory, ...sale)
    await mooring('factory', 'manifest', ...factory, ...sale, '--out', at('purchase.jws'))
    const anchors = ['--anchor', at('factory', 'device-root.pem'), '--masa-anchor', at('factory', 'masa-root.pem')]
    await mooring('trust', 'add', 'acme', ...home, ...anchors, '--masa-private')
    await mooring('manifest', 'import', ...home, at('purchase.jws'))
    await start('masa', 'up', ...factory, '--listen', '127.0.0.1')
  })
  after(async () => {
    for (const child of running) {
      if (child.exitCode !== null) continue
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true })
  })

  it('onboards a device of openssl and curl that the command line made, sold and announced', async () => {
    const { code, out, error } = await run(script, ['onboard', at('unit'), url])
    assert.equal(code, 0, error)
    const shown = JSON.parse(out) as { network: string; serial: string }
    assert.deepEqual([shown.network, shown.serial], ['harbour', serial])
    const list = await mooring('device', 'list', '--data', at('site'), '--serial', serial, '--json')
    assert.match(list, /"rung":\s*"connected"/)
  })

  it('has a record that is whole afterwards', async () => {
    const verdict = await mooring('audit', 'verify', '--data', at('site'), '--json')
    assert.match(verdict, /"integrity":\s*"pass"/)
  })
})
