import { createPrivateKey } from 'node:crypto'
import { openStore } from '../../../src/adapter/store/open.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { silentLog } from '../../store.ts'
import { happened } from './sample.ts'

/**
 * A process of its own that writes until it is killed, or until its standard input ends. Prints `ready`, then the name
 * of each unit once it is acknowledged. Every unit appends to a stream of its own; every fourth also to one that all
 * processes share, as the next number of a counter.
 */

const [url = '', name = '', key = ''] = process.argv.slice(2)
const signer = keySigner(createPrivateKey(Buffer.from(key, 'base64url').toString()))
const store = await openStore(url, { signer, clock: Date.now, log: silentLog, checkpointEvents: 64 })

let ending = false
process.stdin.on('end', () => {
  ending = true
})
process.stdin.resume()
process.stdout.write('ready\n')

let started = 0

async function write(): Promise<void> {
  while (!ending) {
    const unit = `${name}-${++started}`
    const shared = started % 4 === 0
    try {
      await store.transaction(async tx => {
        await tx.append(`site/${unit}`, 0, [happened(1), happened(2)])
        await tx.setting.insert({ name: unit, value: unit })
        if (!shared) return
        const counter = (await tx.setting.get('counter'))?.value ?? 0
        await tx.append('site/shared', counter as number, [{ kind: 'counted', body: { unit } }])
        await tx.setting.put({ name: 'counter', value: (counter as number) + 1 })
      })
      process.stdout.write(`${unit}\n`)
    } catch (error) {
      // Two processes on one counter may lose ten times in a row; then nothing was promised.
      if (!(error instanceof OnboardingError) || error.code !== 'store-conflict') throw error
    }
  }
}

await Promise.all(Array.from({ length: 24 }, write))
await store.close()
process.exit(0)
