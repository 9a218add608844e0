/**
 * npm run recall -- [--devices 10000] [--recalled 500] [--kills 3] [--json]: a recall of some of the devices of a site whose
 * process is killed in the middle of the work. Exit 0 only when every recalled device is recalled with all of its
 * credentials, once, no other device was touched, nothing was ever half-done, and the ledger verifies.
 */
import { parseArgs } from 'node:util'
import { isSound, runRecallLab } from './run.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '10000' },
    recalled: { type: 'string', default: '500' },
    kills: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const [devices, recalled, kills] = [values.devices, values.recalled, values.kills].map(Number) as [
  number,
  number,
  number,
]
if (![devices, recalled, kills].every(Number.isSafeInteger) || recalled < 1 || devices < recalled || kills < 0) {
  console.error('usage: recall [--devices N] [--recalled N] [--kills N] [--json]')
  process.exit(2)
}
let shown = ''
const onProgress = (text: string) => {
  if (text !== shown) console.error(text)
  shown = text
}
const report = await runRecallLab({ devices, recalled, kills, onProgress })
if (values.json) console.log(JSON.stringify(report))
else console.log(report)
process.exitCode = isSound(report) ? 0 : 1
