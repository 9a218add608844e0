import { parseArgs } from 'node:util'
import { openLog } from '../../adapter/telemetry/log.ts'
import { reportText, resultLine } from './report.ts'
import { isSound, runPlaybook } from './run.ts'

/*
 * npm run playbook -- [--json] [--data DIR] [--verbose]
 * Exits with 0 when no demonstration failed and no claim fell.
 */
const { values } = parseArgs({
  options: { json: { type: 'boolean' }, data: { type: 'string' }, verbose: { type: 'boolean' } },
})
const live = values.json !== true && process.stderr.isTTY
const report = await runPlaybook({
  log: openLog({ level: values.verbose === true ? 'info' : 'silent', name: 'playbook' }),
  ...(values.data === undefined ? {} : { data: values.data }),
  onResult: result => {
    if (live) process.stderr.write(`${resultLine(result)}\n`)
  },
})
process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : reportText(report))
process.exitCode = isSound(report) ? 0 : 1
