/** A task in a process that kills itself (-9) at one of its moments: `node worker.ts <task> <data> <moment>`; 0: lives. */

import { stepTasks } from './task.ts'

const [name, data = '', at = '0'] = process.argv.slice(2)
const task = stepTasks.find(each => each.name === name)
if (task === undefined) throw new Error(`no task is called ${name}`)
let moment = 0
await task.run(data, what => {
  if (++moment !== Number(at)) return
  process.send?.({ what })
  process.kill(process.pid, 'SIGKILL')
})
process.disconnect?.()
