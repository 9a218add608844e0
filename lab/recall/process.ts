import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importRecall } from '../../src/role/supply-chain/recall-import.ts'
import { runRecallWork } from '../../src/role/supply-chain/recall-work.ts'
import { openSmallSite, silent } from './scene.ts'

/**
 * A site in a process of its own that imports the notice beside it and does the work, and prints how far it is. It may
 * be killed at any time. Its clock is `life` leases ahead, so that what a dead process had claimed is due.
 */
const [data = '', life = '0'] = process.argv.slice(2)
const clock = () => Date.now() + Number(life) * 61_000
const { store, revocation } = await openSmallSite(data, clock)
const say = (told: object) => process.stdout.write(`${JSON.stringify(told)}\n`)
const start = performance.now()
const notice = readFileSync(join(data, 'notice'))
await importRecall({ bytes: notice, store, clock, importedBy: 'lab', treatment: 'revoke' })
say({ imported: performance.now() - start })
await runRecallWork({ store, clock, log: silent, revocation, onProgress: ({ work }) => say({ work }) })
say({ done: performance.now() - start })
await store.close()
