/**
 * npm run bench -- [NAME ...] [--json]: what a thing costs, beside what it would cost at least, both measured in this run.
 * `--json`: a line of JSON for each figure: { bench, metric, value, unit, floor, ratio }.
 */
import { parseArgs } from 'node:util'
import { cmsSuite } from './cms.ts'
import { dppSuite } from './dpp.ts'
import { dppMachineSuite } from './dpp-machine.ts'
import { eapSuite } from './eap.ts'
import { issueSuite } from './issue.ts'
import type { Line, Suite } from './measure.ts'
import { onboardingSuite } from './onboarding.ts'
import { policySuite } from './policy.ts'
import { processSuite } from './process.ts'
import { storeSuite } from './store.ts'
import { tlsSuite } from './tls.ts'

const suites: Readonly<Record<string, readonly Suite[]>> = {
  codec: [issueSuite, cmsSuite],
  dpp: [dppMachineSuite, () => dppSuite()],
  eap: [eapSuite],
  onboarding: [() => onboardingSuite()],
  policy: [policySuite],
  store: [storeSuite],
  tls: [tlsSuite],
  processes: [processSuite],
  brski: [issueSuite, cmsSuite, () => onboardingSuite(), processSuite],
}

// So that what is started and made for a measurement goes with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } })
const names = positionals.length === 0 ? ['brski'] : positionals
for (const name of names) {
  const suite = suites[name]
  if (suite === undefined) {
    console.error(`no bench named ${name}; there are ${Object.keys(suites).join(', ')}`)
    process.exit(2)
  }
  for (const part of suite)
    for await (const figure of part()) console.log(values.json ? jsonLine(figure) : text(figure))
}

function jsonLine({ bench, metric, value, unit, floor, ratio }: Line): string {
  const rounded = (_: string, field: unknown) => (typeof field === 'number' ? Number(field.toPrecision(5)) : field)
  return JSON.stringify({ bench, metric, value, unit, floor, ratio }, rounded)
}

function text({ bench, metric, value, unit, floor, ratio, bar }: Line): string {
  const figure = `${shown(value)} ${unit}`.trimEnd()
  const head = `${`${bench}: ${metric}`.padEnd(64)} ${figure.padStart(12)}`
  if (floor === null || ratio === null) return head
  return `${head}  ${`floor ${shown(floor)}`.padStart(14)}  x ${ratio.toFixed(2)}${verdict(ratio, bar)}`
}

function verdict(ratio: number, bar: Line['bar']): string {
  if (bar === undefined) return ''
  if ('most' in bar) return ratio <= bar.most ? `  (bar <= ${bar.most})` : `  MISSES <= ${bar.most}`
  return ratio >= bar.least ? `  (bar >= ${bar.least})` : `  MISSES >= ${bar.least}`
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
