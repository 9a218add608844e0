import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { type RecallReason, recallReasons } from '../../domain/recall.ts'
import { issueRecall, liftRecall } from '../../role/factory/recall.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, collected, described } from './command.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { requireAbsent, writeOutputFile } from './file.ts'
import { facts } from './table.ts'

interface RecallOptions extends FactoryOptions {
  readonly serial?: readonly string[]
  readonly batch?: readonly string[]
  readonly model?: readonly string[]
  readonly change?: string
  readonly lift?: string
  readonly reason: RecallReason
  readonly note?: string
  readonly reference?: string
  readonly out: string
}

export function recallCommand(cli: Cli, command: Command): void {
  described(withFactory(command), {
    summary: 'sign a notice that calls devices back, or lifts an earlier one',
    text:
      'Buyers import the file, or get it with the feed: their sites then stop the devices. A notice with --change takes ' +
      'the place of the one before and says anew what is recalled. It does not keep the MASA from giving vouchers.',
    examples: [
      'factory recall --batch CL2 --reason vulnerability --reference FJ-7 --out recall.jws',
      'factory recall --serial CL2-000001 --serial CL2-000002 --reason defect --out recall.jws',
      'factory recall --lift 9f86d081884c7d659a2feaa0c55ad015 --out lifted.jws',
    ],
  })
    .option('--serial <serial>', 'this unit; again for each', collected)
    .option('--batch <name>', 'all units of this batch; again for each', collected)
    .option('--model <name>', 'all of this model; again for each', collected)
    .option('--change <recall>', 'another notice about this recall')
    .option('--lift <recall>', 'end this recall')
    .option('--reason <reason>', `one of ${recallReasons.join(', ')}`, choice(recallReasons), 'other')
    .option('--note <text>', 'what is wrong and what to do, in words')
    .option('--reference <text>', 'where there is more: an advisory, a URL')
    .requiredOption('--out <file>', 'file to be made')
    .action(
      cli.run<RecallOptions, []>(async task => {
        const { out, lift, change, reason, note, reference, serial, batch, model } = task.options
        const named = [serial, batch, model].some(each => each !== undefined)
        if (named === (lift !== undefined) || (lift !== undefined && change !== undefined)) {
          throw new OnboardingError('input-invalid', {
            field: 'recall',
            rule: 'either --lift alone, or what is recalled: --serial, --batch, --model',
          })
        }
        // A notice that was signed has its number, whether or not its file could be written.
        await requireAbsent(out)
        const words = { reason, ...defined({ note, reference }) }
        const subject = defined({ serials: serial, batches: batch, models: model, recall: change })
        const { file, recall, number, serials } = await inFactory(task, ({ site }) =>
          lift === undefined
            ? issueRecall(site, { ...words, ...subject })
            : liftRecall(site, { ...words, recall: lift }),
        )
        await writeOutputFile(out, file)
        task.answer({ recall, number, serials, file: out, bytes: file.length }, () =>
          facts([
            ['recall', recall],
            ['notice', number],
            ['serials', serials],
            ['file', out],
          ]),
        )
      }),
    )
}
