import type { Command } from 'commander'
import { moveUnits, unitTimeline } from '../../role/factory/unit-life.ts'
import { timelineView } from '../api/timeline-view.ts'
import { defined } from '../defined.ts'
import { type Cli, described } from './command.ts'
import { selectionOf, withSelection } from './factory-sale.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { eventNamed, type FactOptions, timelineText, withFacts } from './life.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts } from './table.ts'
import { progressLine } from './terminal.ts'

interface StepOptions extends FactoryOptions, FactOptions {
  readonly batch?: string
  readonly serial?: readonly string[]
}

export function stepCommand(cli: Cli, command: Command): void {
  described(withFacts(withSelection(command.argument('<event>', 'as docs/lifecycle.md names it'))), {
    summary: 'take a step of the supply chain with units: release, store, ship, shelve …',
    text:
      'What the factory’s record proves need not be said: that the birth credential is installed, and whom the declaration ' +
      'names. What follows when somebody has acquired a unit is in the record of its owner.',
    examples: [
      'factory step release --batch CL2 --fact homologationCertified',
      'factory step shelve --serial CL2-000001',
    ],
  }).action(
    cli.run<StepOptions, [string]>(async (task, name) => {
      const { io, options } = task
      const { fact = {}, reason } = options
      const step = { event: eventNamed(name), facts: fact, by: 'factory', ...defined({ reason }) }
      const progress = progressLine(io.stderr)
      const report = await inFactory(task, ({ site }) =>
        moveUnits(site, selectionOf(options), step, (done, of) => progress.show(`moved ${done} of ${of}`)),
      ).finally(() => progress.end())
      task.answer({ event: step.event, ...report }, () =>
        facts([
          ['moved', report.moved],
          ['had been before', report.unchanged],
        ]),
      )
    }),
  )
}

export function timelineCommand(cli: Cli, command: Command): void {
  described(withFactory(withLimit(command.argument('<serial>', 'of the unit'))), {
    summary: 'show where a unit has been until somebody acquired it',
    examples: ['factory timeline CL2-000001'],
  }).action(
    cli.run<FactoryOptions & ListOptions, [string]>(async (task, serial) => {
      const found = await inFactory(task, ({ site: { store } }) =>
        listed(task.options, async ({ limit, after = '0' }) => {
          const { entries, next } = await unitTimeline(store, serial, { limit, after: Number(after) })
          return { items: entries.map(timelineView), next: next === undefined ? undefined : String(next) }
        }),
      )
      task.answer(found, () => listText(found, timelineText, 'Nothing yet.'))
    }),
  )
}
