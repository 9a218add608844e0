/**
 * npm run walk -- [--steps 100000] [--seed N] [--json]: random walks over the lifecycle with faults. Exit 0 only when nothing
 * came out otherwise than the requirements say, every pair outside the table was refused, and each transition was taken.
 */
import { parseArgs } from 'node:util'
import { runWalk } from './walk.ts'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    json: { type: 'boolean', default: false },
  },
})
const steps = Number(values.steps)
const seed = Number(values.seed)
if (!Number.isSafeInteger(steps) || steps < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: walk [--steps N] [--seed N] [--json]')
  process.exit(2)
}
console.error(`seed ${seed}`)
const report = await runWalk({ steps, seed })
console.log(values.json ? JSON.stringify(report) : report)
process.exitCode = report.unexpected.length === 0 ? 0 : 1
