/**
 * npm run crash -- [--kills 100] [--store sqlite|postgres|both] [--phases onboarding,hand-over,rollover-root,rollover-issuing]
 * [--seed N] [--json]: a site and a manufacturer in one process are killed while devices onboard, and started again; then a
 * hand-over and rollovers of the authority are killed at every one of their moments. Exit 0 only when nothing acknowledged was
 * lost, nothing was issued twice or left half done, and all ledgers verified after every kill.
 */
import { parseArgs } from 'node:util'
import { postgresPrograms } from '../../test/postgres.ts'
import { type CrashReport, isSound, runCrash } from './run.ts'
import { isWhole, runSteps, type StepReport } from './step/run.ts'
import { stepTasks } from './step/task.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    store: { type: 'string' },
    phases: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    json: { type: 'boolean', default: false },
  },
})
const kills = Number(values.kills)
const seed = Number(values.seed)
const stores = chosenStores(values.store)
const known = ['onboarding', ...stepTasks.map(({ name }) => name)]
const phases = values.phases?.split(',') ?? known
const strange = phases.some(phase => !known.includes(phase))
if (strange || stores === undefined || !Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
  console.error(
    `usage: crash [--kills N] [--store sqlite|postgres|both] [--phases ${known.join(',')}] [--seed N] [--json]`,
  )
  process.exit(2)
}
console.error(`seed ${seed}`)
const reports: CrashReport[] = []
for (const store of phases.includes('onboarding') ? stores : []) {
  const onLife = (life: number, { acknowledged, lost, duplicated, verifyFailures, refused }: CrashReport) => {
    if (life % 10 === 0 || life === kills)
      console.error(
        `${store}: ${life} kills, ${acknowledged} acknowledged, ${lost + duplicated + verifyFailures + refused} wrong`,
      )
  }
  reports.push(await runCrash({ kills, store, seed, onLife }))
}
const steps: StepReport[] = []
for (const task of stepTasks.filter(({ name }) => phases.includes(name))) {
  const onKill = (kills: number) => {
    if (kills % 10 === 0) console.error(`${task.title}: killed at ${kills} moments`)
  }
  steps.push(await runSteps(task, { onKill }))
}
if (values.json) console.log(JSON.stringify({ ...together(reports), phases: steps }))
else for (const report of [...reports, ...steps]) console.log(report)
process.exitCode = reports.every(isSound) && steps.every(isWhole) ? 0 : 1

/** Both, where PostgreSQL is there and nothing else was asked for. */
function chosenStores(wanted: string | undefined): CrashReport['store'][] | undefined {
  const available = postgresPrograms() !== undefined || process.env['MOORING_TEST_POSTGRES'] !== undefined
  if (wanted === undefined && !available) console.error('PostgreSQL is not installed: SQLite alone')
  if (wanted === undefined) return available ? ['sqlite', 'postgres'] : ['sqlite']
  if (wanted === 'both') return ['sqlite', 'postgres']
  return wanted === 'sqlite' || wanted === 'postgres' ? [wanted] : undefined
}

/** One document: the sums, and where there are several stores each by itself. */
function together(all: readonly CrashReport[]): object {
  const [first] = all
  if (all.length <= 1) return { ...first }
  const sum = (of: (report: CrashReport) => number) => all.reduce((total, report) => total + of(report), 0)
  return {
    kills: sum(report => report.kills),
    acknowledged: sum(report => report.acknowledged),
    lost: sum(report => report.lost),
    duplicated: sum(report => report.duplicated),
    verifyFailures: sum(report => report.verifyFailures),
    refused: sum(report => report.refused),
    seconds: sum(report => report.seconds),
    store: 'both',
    seed,
    stores: all,
  }
}
