import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { openFileDeviceStore } from '../../../src/adapter/device/file-store.ts'
import { openFileKeyStore } from '../../../src/adapter/key/file.ts'
import { pledgeTransport } from '../../../src/app/pledge-transport.ts'
import { fjordClimate } from '../../../src/role/device/model.ts'
import { openPledge } from '../../../src/role/device/pledge.ts'

/* A device as a process of its own, to be killed: memory and keys in files, each thing it goes through on a line. */

const [keyDirectory = '', memory = '', origin = ''] = process.argv.slice(2)
const keys = await openFileKeyStore({ directory: keyDirectory })
const pledge = await openPledge({
  model: { ...fjordClimate, retry: { firstMs: 20, maxMs: 100 } },
  keys,
  store: await openFileDeviceStore(memory),
  transport: pledgeTransport(keys),
  clock: Date.now,
  random: randomBytes,
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => undefined),
  log: { info: () => {}, warn: () => {}, error: () => {} },
})
for await (const news of pledge.onboard([origin])) process.stdout.write(`${JSON.stringify(news)}\n`)
