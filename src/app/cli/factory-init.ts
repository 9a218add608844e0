import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { replacePrivateFile } from '../../adapter/key/private-file.ts'
import { encodePem } from '../../codec/pem.ts'
import { attributeValues, formatName } from '../../codec/x509/name.ts'
import { OnboardingError } from '../../domain/error.ts'
import { masaLocation } from '../../role/factory/masa-location.ts'
import { fingerprint } from '../api/view.ts'
import { type Cli, collected, described, storePlace, type Task } from './command.ts'
import { dataDirectory, readFactoryFile, recordMark, requireUnclaimed, writeFactoryFile } from './data.ts'
import { type FactoryOptions, openFactory, requireFactoryRecord, withFactory } from './factory-site.ts'
import { facts } from './table.ts'

interface InitOptions extends FactoryOptions {
  readonly name: string
  readonly masaUrl: string
  readonly host?: readonly string[]
}

export function initCommand(cli: Cli, command: Command): void {
  described(withFactory(command), {
    summary: 'found a manufacturer: its certificates, and where its MASA is',
    text:
      'Two roots are made and written to the data directory: buyers trust devices by device-root.pem, and the manufacturer ' +
      'itself by masa-root.pem. The address of the MASA goes into every birth certificate, so it should last.',
    examples: ['factory init --name "Fjord Sensors" --masa-url masa.fjord.example'],
  })
    .requiredOption('--name <name>', 'as it stands in certificates, at most 40 characters')
    .requiredOption('--masa-url <url>', 'host[:port] or https URL of the MASA')
    .option('--host <name>', 'further name or address of the MASA; again for each', collected)
    .action(cli.run<InitOptions, []>(init))
}

async function init(task: Task<InitOptions>): Promise<void> {
  const { io, options } = task
  const { name, masaUrl, host: hosts = [] } = options
  masaLocation(masaUrl)
  const data = dataDirectory('factory', options.data, io)
  const file = {
    format: 'mooring-factory 1',
    name,
    masaUrl,
    hosts: [...hosts],
    ...recordMark(storePlace(options, io.env)),
  } as const
  const known = await readFactoryFile(data)
  // The name stands in certificates that are out in the world.
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(file)) {
    throw new OnboardingError('file-exists', { factory: data, name: known.name, masaUrl: known.masaUrl })
  }
  if (known === undefined) await requireUnclaimed(data, 'factory')
  else await requireFactoryRecord({ data, file: known, options, env: io.env })
  await mkdir(data, { recursive: true, mode: 0o700 })
  const made = await openFactory({ data, file, options, env: io.env }, async ({ site: { manufacturer } }) => {
    // Founding that was cut off may have left roots in another name.
    const [before = ''] = attributeValues(manufacturer.deviceRoot.subject, 'organizationName')
    if (before !== name) throw new OnboardingError('file-exists', { factory: data, name: before })
    const roots = [
      { file: join(data, 'device-root.pem'), certificate: manufacturer.deviceRoot },
      { file: join(data, 'masa-root.pem'), certificate: manufacturer.masaRoot },
    ]
    for (const { file: path, certificate } of roots) {
      await replacePrivateFile(path, Buffer.from(encodePem('CERTIFICATE', certificate.der)))
    }
    return roots.map(({ file: path, certificate: { subject, der } }) => ({
      file: path,
      subject: formatName(subject),
      fingerprint: fingerprint(der),
    }))
  })
  // Last: a directory without it is no factory, and is founded by running this again.
  await writeFactoryFile(data, file)
  const [deviceRoot, masaRoot] = made
  task.answer({ factory: data, name, masaUrl, deviceRoot, masaRoot }, () =>
    facts([
      ['manufacturer', name],
      ['data', data],
      ...made.flatMap(root => [
        ['root', root.subject] as const,
        ['  file', root.file] as const,
        ['  SHA-256', root.fingerprint.slice(0, 47)] as const,
        ['', root.fingerprint.slice(48)] as const,
      ]),
    ]),
  )
  task.note('\nNext: `mooring factory make --model NAME --batch NAME --count 10 --simulate devices`')
}
