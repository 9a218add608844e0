/**
 * npm run scale -- [--devices 10000] [--jobs import,renewals] [--kills 3] [--json]: work on many devices, each job with its
 * time, and once more with the process killed (-9) in the middle. Exit 0 only when nothing was lost or left half done.
 */
import { parseArgs } from 'node:util'
import { jobs } from './job.ts'
import { isSound, runScale } from './run.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '10000' },
    jobs: { type: 'string' },
    kills: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const [devices, kills] = [Number(values.devices), Number(values.kills)]
const names = values.jobs?.split(',') ?? jobs.map(({ name }) => name)
const wanted = jobs.filter(({ name }) => names.includes(name))
const numbers = Number.isSafeInteger(devices) && devices > 0 && Number.isSafeInteger(kills) && kills > 0
if (!numbers || wanted.length !== names.length) {
  const known = jobs.map(({ name }) => name).join(',')
  console.error(`usage: scale [--devices N] [--jobs ${known}] [--kills N] [--json]`)
  process.exit(2)
}
let shown = ''
const report = await runScale({
  devices,
  jobs: wanted,
  kills,
  onProgress(what, done, of) {
    // Each tenth, and not once for each device: it is read by people, and in logs.
    const line = `${what}: ${Math.floor((done / of) * 10) * 10} % of ${of}`
    if (line !== shown) console.error(line)
    shown = line
  },
})
if (values.json) console.log(JSON.stringify(report))
else {
  console.log(`${report.devices} devices, prepared in ${report.prepareSeconds} s`)
  for (const { title, count, seconds, kills: killed, lost, halfDone, verifyFailures, problems } of report.jobs) {
    const wrong = `${lost} lost, ${halfDone} half done, ${verifyFailures} ledgers not sound`
    console.log(`${title}: ${count} in ${seconds} s; killed ${killed} times: ${wrong}`)
    for (const problem of problems) console.log(`  ${problem}`)
  }
}
process.exitCode = isSound(report) ? 0 : 1
