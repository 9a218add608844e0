import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openFileDeviceStore } from '../../../src/adapter/device/file-store.ts'
import { openFileKeyStore } from '../../../src/adapter/key/file.ts'
import { buildStage } from '../../../src/app/demo/stage.ts'
import { pledgeTransport } from '../../../src/app/pledge-transport.ts'
import type { Progress } from '../../../src/protocol/brski/pledge.ts'
import { decodePledgeRecord } from '../../../src/protocol/brski/pledge-record.ts'
import { openPledge } from '../../../src/role/device/pledge.ts'
import { simulatedUnit } from '../../../src/role/device/unit.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits } from '../../../src/role/factory/sale.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { partyStores } from '../../store.ts'
import { quiet, rungsOf, watch } from './workbench.ts'

const program = fileURLToPath(new URL('pledge-process.ts', import.meta.url))

/** Runs the device until it has said `lines` things, and kills it there; all it said. */
async function run(args: readonly string[], lines = Number.POSITIVE_INFINITY): Promise<Progress[]> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Progress[] = []
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) {
    said.push(JSON.parse(line) as Progress)
    if (said.length === lines) child.kill('SIGKILL')
  }
  await ended
  return said
}

test('A device whose process is killed at every step goes on from its files, to exactly one credential', async t => {
  const base = await mkdtemp(join(tmpdir(), 'mooring-kill-'))
  const stage = await buildStage(
    { owner: 'harbour', network: 'harbour', units: 1, unlisted: [], foreign: [], log: quiet, ...partyStores() },
    () => {},
  )
  t.after(async () => {
    await stage.close()
    await rm(base, { recursive: true })
  })
  const maker = stage.makers[0]!
  const { manufacturer, store, clock } = maker.site
  const places = [join(base, 'keys'), join(base, 'memory')] as const
  const keys = await openFileKeyStore({ directory: places[0] })
  const memory = await openFileDeviceStore(places[1])
  const port = simulatedUnit(maker.model, async () => ({ keys, store: memory }))
  const serial = 'ONE-000001'
  const order = { batch: 'ONE', model: maker.model, count: 1, keyOrigin: 'simulated' as const }
  await makeUnits({ ...order, manufacturer, store, clock, port })
  const buyer = buyerCard({ id: 'harbour', name: 'harbour', certificates: [stage.site.authority.root] })
  await sellUnits({ manufacturer, store, clock }, { serials: [serial] }, { buyer })
  await expectDevice(stage.site.store, { manufacturer: maker.trustedAs, serial }, 'tester')

  // What a write leaves that never came to its end.
  await writeFile(join(places[1], 'memory.value.0123456789ab.draft'), '{"version":1', { mode: 0o600 })
  for (let lines = 1; lines <= 6; lines++) await run([...places, stage.origin], lines)
  assert.equal(rungsOf(await run([...places, stage.origin])).at(-1), 'connected')

  const { credential } = decodePledgeRecord((await memory.read('memory'))!)
  assert.deepEqual(await keys.list(), ['idevid', credential!.keyLabel])
  assert.deepEqual((await readdir(places[1])).sort(), ['birth.value', 'memory.value', 'ownership.value'])
  const id = (await stage.site.store.read(tables => tables.device.find({ serial })))[0]!.id
  const issued = await stage.site.store.read(tables => tables.credential.find({ device: id }))
  assert.equal(issued.length, 1)

  const pledge = await openPledge({
    ...stage.pledgeOptions(maker, { keys, store: memory }),
    transport: pledgeTransport(keys),
  })
  await pledge.factoryReset()
  assert.deepEqual((await readdir(places[1])).sort(), ['birth.value', 'ownership.value'])
  assert.deepEqual(await keys.list(), ['idevid'])
  assert.equal(rungsOf(await watch(pledge.onboard([stage.origin]))).at(-1), 'connected')
})
