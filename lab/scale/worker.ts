/** A site at work on one job, in a process that may be killed: `node worker.ts <job> <data> <life>`. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openHouse } from '../all-in-one/house.ts'
import { jobs } from './job.ts'
import { readGround } from './place.ts'

/** What the process tells its parent. Acknowledged is what the outside world has heard. */
export type Word =
  | { readonly kind: 'progress'; readonly done: number; readonly of: number }
  | { readonly kind: 'acknowledged'; readonly what: string }
  | { readonly kind: 'done'; readonly count: number; readonly milliseconds: number }

export const acknowledgedFile = 'acknowledged.json'

if (import.meta.main) {
  const [name, data = '', life = '0'] = process.argv.slice(2)
  const job = jobs.find(each => each.name === name)
  if (job === undefined) throw new Error(`no job is called ${name}`)
  const file = join(data, acknowledgedFile)
  const acknowledged = new Set<string>(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [])
  const tell = (word: Word) => process.send?.(word)
  const ground = readGround(data)
  // Work that a dead process had claimed is free after a minute: the clock passes it, instead of us.
  const clock = () => Date.now() + Number(life) * 61_000
  const house = await openHouse({ data }, { clock })
  const start = performance.now()
  const count = await job.run(house, ground, {
    acknowledged,
    progress: (done, of) => tell({ kind: 'progress', done, of }),
    acknowledge: what => tell({ kind: 'acknowledged', what }),
  })
  tell({ kind: 'done', count, milliseconds: performance.now() - start })
  await house.close()
  process.disconnect?.()
}
