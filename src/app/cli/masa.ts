import { once } from 'node:events'
import { Command } from 'commander'
import { openLog } from '../../adapter/telemetry/log.ts'
import { OnboardingError } from '../../domain/error.ts'
import { masaLocation } from '../../role/factory/masa-location.ts'
import { type Cli, count, described, type Task } from './command.ts'
import { dataDirectory, readFactoryFile } from './data.ts'
import { type FactoryOptions, openFactory, requireFactoryRecord, withFactory } from './factory-site.ts'
import { anyAddress } from './listen.ts'
import { facts } from './table.ts'
import { watchedLog } from './watched-log.ts'

interface UpOptions extends FactoryOptions {
  readonly listen?: string
  readonly port?: number
}

export function masaCommand(cli: Cli): Command {
  const masa = new Command('masa')
    .summary('the service that vouches for devices')
    .description('The MASA of a manufacturer.')
  described(withFactory(masa.command('up')), {
    summary: 'run the MASA until interrupted',
    text:
      'It gives vouchers to the owners that the declarations name, and keeps a log of them. With --json one document is ' +
      'printed when it listens.',
    examples: ['masa up', 'masa up --data /var/lib/fjord --listen 127.0.0.1 --port 9443'],
  })
    .option('--listen <address>', 'address to listen at; all of this machine when absent')
    .option('--port <port>', 'port to listen at; that of the MASA URL when absent', count(0, 65_535))
    .action(cli.run<UpOptions, []>(up))
  return masa
}

async function up(task: Task<UpOptions>): Promise<void> {
  const { io, options } = task
  const data = dataDirectory('factory', options.data, io)
  const file = await readFactoryFile(data)
  if (file === undefined) throw new OnboardingError('data-missing', { factory: data })
  const log = openLog({ level: 'info', ...watchedLog(io) })
  await requireFactoryRecord({ data, file, options, env: io.env })
  await openFactory({ data, file, options, env: io.env, log }, async ({ site }) => {
    const { baseUrl } = masaLocation(file.masaUrl)
    const place = { host: options.listen ?? anyAddress(), port: options.port ?? portOf(baseUrl) }
    const { port } = await site.listen(place)
    const { name } = site.manufacturer
    task.answer({ ready: true, manufacturer: name, url: baseUrl, listen: place.host, port }, () =>
      facts([
        ['MASA of', name],
        ['known as', baseUrl],
        ['listens at', `${place.host} port ${port}`],
        ['data', data],
      ]),
    )
    if (!io.signal.aborted) await once(io.signal, 'abort')
  })
}

function portOf(url: string): number {
  const { port } = new URL(url)
  return port === '' ? 443 : Number(port)
}
