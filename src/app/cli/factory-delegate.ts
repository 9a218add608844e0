import type { Command } from 'commander'
import { CodecError } from '../../codec/error.ts'
import { decodePem, encodePem } from '../../codec/pem.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type Cli, described } from './command.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { isDer, readInputFile, writeOutputFile } from './file.ts'
import { facts, moment } from './table.ts'
import { progressLine } from './terminal.ts'

type DelegateOptions = FactoryOptions & { readonly name: string; readonly out: string }

export function delegateCommand(cli: Cli, command: Command): void {
  described(withFactory(command.argument('<csr>', 'PKCS #10 request of the delegate, PEM or DER')), {
    summary: 'certify one who signs declarations on your behalf',
    text:
      'A rebrander, or whoever runs the ownership service for you. It can sign declarations and manifests of all your ' +
      'devices for a year, and nothing else: no voucher, no certificate.',
    examples: ['factory delegate quay.csr --name quay --out quay-delegate.pem'],
  })
    .requiredOption('--name <name>', 'what you call it: 1 to 40 of A-Z a-z 0-9 . _ -')
    .requiredOption('--out <file>', 'certificate and what stands above it, to be made')
    .action(
      cli.run<DelegateOptions, [string]>(async (task, path) => {
        const { name, out } = task.options
        const csr = await readCsr(path)
        const chain = await inFactory(task, ({ site }) => site.certifyDelegate({ name, csr }))
        await writeOutputFile(out, chain.map(({ der }) => encodePem('CERTIFICATE', der)).join(''))
        const until = chain[0]?.validity.notAfter.toISOString()
        task.answer({ name, file: out, until }, () =>
          facts([
            ['delegate', name],
            ['certificate', out],
            ['until', moment(until)],
          ]),
        )
      }),
    )
}

export function revokeDelegateCommand(cli: Cli, command: Command): void {
  described(withFactory(command.argument('<name>', 'as it was certified under')), {
    summary: 'end the right of a delegate to sign, before its year ends',
    text:
      'What it signed and is in force is signed by you, word for word; every manifest and every answer to an owner then tells ' +
      'sites that it may not sign any more. Run again after a crash, it goes on.',
    examples: ['factory revoke-delegate quay'],
  }).action(
    cli.run<FactoryOptions, [string]>(async (task, name) => {
      const progress = progressLine(task.io.stderr)
      const told = (done: number, of: number) => progress.show(`looked at ${done} of ${of} units`)
      const done = await inFactory(task, ({ site }) => site.revokeDelegate({ name, by: 'factory' }, told)).finally(() =>
        progress.end(),
      )
      task.answer(done, () =>
        facts([
          ['delegate', name],
          ['signed anew', done.resigned],
          ['revocation list', `number ${done.crl}`],
        ]),
      )
    }),
  )
}

async function readCsr(path: string): Promise<Uint8Array> {
  const bytes = await readInputFile(path)
  if (isDer(bytes)) return bytes
  try {
    const found = decodePem(bytes.toString('utf8')).find(({ label }) => label === 'CERTIFICATE REQUEST')
    if (found !== undefined) return found.bytes
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
  }
  throw new OnboardingError('file-unreadable', { path, reason: 'no certification request in it' })
}
