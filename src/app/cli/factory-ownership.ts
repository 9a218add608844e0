import type { Command } from 'commander'
import { openDeclaration } from '../../domain/declaration-cms.ts'
import { OnboardingError } from '../../domain/error.ts'
import { verifyDeclarationHistory } from '../../domain/ownership.ts'
import { encodeAnswer } from '../../role/manufacturer/ownership-endpoint.ts'
import type { ManufacturerSite } from '../manufacturer.ts'
import { type Cli, described } from './command.ts'
import { type FactoryOptions, inFactory, withFactory } from './factory-site.ts'
import { readInputFile, writeOutputFile } from './file.ts'
import { facts, moment, table } from './table.ts'

const maxRequestBytes = 0x2_0000

/** For owners without a network: the service of `mooring masa up`, by hand. */
export function answerCommand(cli: Cli, command: Command): void {
  described(withFactory(command.argument('<request>', 'file by `mooring ownership … --request` over there')), {
    summary: 'do what the signed request of an owner asks for, and write the answer',
    text: 'An offer, an acceptance, a grant or a revocation. The same request again is answered alike.',
    examples: ['factory answer accept.jws --out answer.json'],
  })
    .requiredOption('--out <file>', 'answer to be made, for `mooring ownership take`')
    .action(
      cli.run<FactoryOptions & { readonly out: string }, [string]>(async (task, path) => {
        const request = await readInputFile(path, maxRequestBytes)
        const answer = await inFactory(task, ({ site }) => site.ownership.apply(request))
        await writeOutputFile(task.options.out, encodeAnswer(answer))
        const { offer } = answer
        task.answer({ file: task.options.out, ...(offer === undefined ? {} : { offer }) }, () =>
          facts([
            ['answer', task.options.out],
            ['offer', offer?.id],
            ['state', offer?.state],
            ['devices', offer?.serials.join(', ')],
          ]),
        )
      }),
    )
}

/** Every declaration of a unit, each verified, and that each follows the one before. */
export function historyCommand(cli: Cli, command: Command): void {
  described(withFactory(command.argument('<serial>', 'serial number')), {
    summary: 'list the owners of a unit, and verify the signed chain of its declarations',
    examples: ['factory history CL2-000001', 'factory history CL2-000001 --json'],
  }).action(
    cli.run<FactoryOptions, [string]>(async (task, serial) => {
      const history = await inFactory(task, ({ site }) => historyOf(site, serial))
      task.answer({ serial, verified: true, declarations: history }, () =>
        table(history, [
          { title: 'version', of: ({ version }) => String(version), right: true },
          { title: 'owner', of: ({ owner }) => owner, flexible: true },
          { title: 'onboarders', of: ({ onboarders }) => onboarders.join(', '), flexible: true },
          { title: 'signed', of: ({ issuedAt }) => moment(issuedAt) },
        ]),
      )
    }),
  )
}

async function historyOf({ store, manufacturer }: ManufacturerSite, serial: string) {
  const texts = await store.read(async tables => {
    const unit = await tables.unit.get(serial)
    if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
    const former = await tables.formerDeclaration.find({ serial }, { limit: 1000 })
    return [...former.map(({ declaration }) => declaration), unit.declaration]
  })
  // Signers come and go in the life of a device: each counts as of its own time.
  const history = texts.map(text => openDeclaration(Buffer.from(text), { anchors: manufacturer.masaAnchors }))
  verifyDeclarationHistory(history)
  return history.map(({ version, owner, authorizedOnboarders, issuedAt }) => ({
    version,
    owner: owner.id,
    onboarders: authorizedOnboarders.map(({ id }) => id),
    issuedAt: new Date(issuedAt).toISOString(),
  }))
}
