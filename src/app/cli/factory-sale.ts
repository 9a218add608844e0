import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import { labelSheet } from '../../role/factory/label.ts'
import { sellUnits, shipmentManifest } from '../../role/factory/sale.ts'
import { type UnitSelection, unitPages } from '../../role/factory/unit-selection.ts'
import { defined } from '../defined.ts'
import { readCard } from './card.ts'
import { type Cli, choice, collected, described } from './command.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { writeOutputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'
import { progressLine } from './terminal.ts'

interface SelectionOptions extends FactoryOptions {
  readonly batch?: string
  readonly serial?: readonly string[]
}

export type SaleOptions = SelectionOptions & { readonly to: string }
type ManifestOptions = SaleOptions & { readonly out: string }
type LabelOptions = SelectionOptions & { readonly out: string; readonly code?: 'dpp' | 'birth' }

export function withSelection(command: Command): Command {
  return withFactory(command)
    .option('--batch <name>', 'all units of this batch')
    .option('--serial <serial>', 'this unit; again for each', collected)
}

export function sellCommand(cli: Cli, command: Command): void {
  described(withSelection(command), {
    summary: 'make the buyer the owner of units',
    text: 'The buyer prints its card with `mooring site card`. Who owns a unit is signed, and the MASA goes by it.',
    examples: ['factory sell --batch CL2 --to card.json', 'factory sell --serial CL2-000001 --to card.json'],
  })
    .requiredOption('--to <file>', 'card of the buyer')
    .action(
      cli.run<SaleOptions, []>(async task => {
        const { io, options } = task
        const buyer = await readCard(options.to)
        const progress = progressLine(io.stderr)
        const report = await inFactory(task, ({ site }) =>
          sellUnits(site, selectionOf(options), { buyer }, (done, of) => progress.show(`sold ${done} of ${of}`)),
        ).finally(() => progress.end())
        task.answer({ buyer: buyer.id, ...report }, () =>
          facts([
            ['buyer', `${buyer.name} (${buyer.id})`],
            ['sold', report.sold],
            ['were theirs before', report.unchanged],
          ]),
        )
      }),
    )
}

export function manifestCommand(cli: Cli, command: Command): void {
  described(withSelection(command), {
    summary: 'write the signed manifest that goes to the buyer with the devices',
    examples: ['factory manifest --batch CL2 --to card.json --out purchase.jws'],
  })
    .requiredOption('--to <file>', 'card of the buyer')
    .requiredOption('--out <file>', 'file to be made')
    .action(
      cli.run<ManifestOptions, []>(async task => {
        const { options } = task
        const buyer = await readCard(options.to)
        const manifest = await inFactory(task, ({ site }) => shipmentManifest(site, selectionOf(options), buyer))
        await writeOutputFile(options.out, manifest)
        const [buyerId, file, bytes] = [buyer.id, options.out, manifest.length]
        task.answer({ buyer: buyerId, file, bytes }, () =>
          facts([
            ['manifest', file],
            ['buyer', buyerId],
            ['bytes', bytes],
          ]),
        )
      }),
    )
}

export function labelsCommand(cli: Cli, command: Command): void {
  described(withSelection(command), {
    summary: 'write a sheet of labels with QR codes, to be printed on A4',
    examples: ['factory labels --batch CL2 --out labels.html'],
  })
    .requiredOption('--out <file>', 'HTML file to be made')
    .option(
      '--code <dpp|birth>',
      'what the codes hold: the DPP URI where a unit has one, or birth keys',
      choice(['dpp', 'birth']),
    )
    .action(
      cli.run<LabelOptions, []>(async task => {
        const { options } = task
        const { sheet, count } = await inFactory(task, async ({ site: { manufacturer, store } }) => {
          const units: UnitRecord[] = []
          for await (const page of unitPages(store, selectionOf(options))) units.push(...page)
          const labels = units.map(({ serial, model, keyHash, bootstrappingUri }) => ({
            ...{ manufacturer: manufacturer.name, serial, model, keyHash },
            ...(options.code === 'birth' ? {} : defined({ bootstrappingUri })),
          }))
          return {
            sheet: labelSheet(`${manufacturer.name}: ${options.batch ?? `${units.length} units`}`, labels),
            count: units.length,
          }
        })
        await writeOutputFile(options.out, sheet)
        task.answer({ file: options.out, labels: count }, () =>
          facts([
            ['file', options.out],
            ['labels', count],
          ]),
        )
      }),
    )
}

export function listCommand(cli: Cli, command: Command): void {
  described(withFactory(withLimit(command)), {
    summary: 'list the units that were made',
    examples: ['factory list --batch CL2', 'factory list --owner harbour --json'],
  })
    .option('--batch <name>', 'only those of this batch')
    .option('--owner <id>', 'only those of this owner')
    .action(
      cli.run<FactoryOptions & ListOptions & { batch?: string; owner?: string }, []>(async task => {
        const { batch, owner } = task.options
        const found = await inFactory(task, ({ site: { store } }) =>
          listed(task.options, async page => {
            const units = await store.read(tables => tables.unit.find(defined({ batch, owner }), page))
            return { items: units.map(unitView), next: units.length < page.limit ? undefined : units.at(-1)?.serial }
          }),
        )
        task.answer(found, () => listText(found, unitsText, 'No unit yet. `mooring factory make` makes some.'))
      }),
    )
}

function unitView(unit: UnitRecord) {
  const { serial, model, batch, keyHash, keyOrigin, owner, declarationVersion, madeAt, withdrawnAt } = unit
  const { bootstrappingUri } = unit
  const withdrawn = withdrawnAt === undefined ? {} : { withdrawnAt: new Date(withdrawnAt).toISOString() }
  const shown = { serial, model, batch, keyHash, keyOrigin, owner, declarationVersion }
  return { ...shown, ...defined({ bootstrappingUri }), madeAt: new Date(madeAt).toISOString(), ...withdrawn }
}

function unitsText(units: readonly ReturnType<typeof unitView>[]): string {
  return table(units, [
    { title: 'serial', of: ({ serial }) => serial },
    { title: 'model', of: ({ model }) => model, flexible: true },
    { title: 'owner', of: ({ owner }) => owner, flexible: true },
    { title: 'made', of: ({ madeAt }) => moment(madeAt) },
    { title: 'withdrawn', of: unit => moment(unit.withdrawnAt) },
  ])
}

export function selectionOf({ batch, serial }: SelectionOptions): UnitSelection {
  if (batch !== undefined && serial === undefined) return { batch }
  if (batch === undefined && serial !== undefined) return { serials: serial }
  throw new OnboardingError('input-invalid', { field: 'units', rule: 'either --batch or --serial' })
}
