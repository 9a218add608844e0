import { join } from 'node:path'
import type { Command } from 'commander'
import { openLog } from '../../adapter/telemetry/log.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { defined } from '../defined.ts'
import { type ManufacturerSite, openManufacturerSite } from '../manufacturer.ts'
import { type StorePlace, storePlace, type Task, withStore } from './command.ts'
import { dataDirectory, type FactoryFile, readFactoryFile, requireRecordAt } from './data.ts'
import { type KeyOptions, openKeys, withKeys } from './key-option.ts'

/** Options of every command of the manufacturer. */
export interface FactoryOptions extends StorePlace, KeyOptions {
  readonly data?: string
}

export function withFactory(command: Command): Command {
  return withKeys(withStore(command.option('--data <directory>', 'data directory of the factory (MOORING_DATA)')))
}

export interface OpenFactory {
  readonly site: ManufacturerSite
  readonly file: FactoryFile
  readonly data: string
}

/** Runs `work` in the factory that `mooring factory init` founded. Throws OnboardingError `data-missing`, `store-locked`. */
export async function inFactory<T>(
  { io, options }: Task<FactoryOptions>,
  work: (factory: OpenFactory) => Promise<T>,
): Promise<T> {
  const data = dataDirectory('factory', options.data, io)
  const file = await readFactoryFile(data)
  if (file === undefined) throw new OnboardingError('data-missing', { factory: data })
  await requireFactoryRecord({ data, file, options, env: io.env })
  return openFactory({ data, file, options, env: io.env }, work)
}

/** Throws OnboardingError `input-invalid`, `record-missing`. */
export function requireFactoryRecord(place: {
  readonly data: string
  readonly file: FactoryFile
  readonly options: FactoryOptions
  readonly env: Readonly<Record<string, string | undefined>>
}): Promise<void> {
  const { data, file, options, env } = place
  return requireRecordAt(file, { store: storePlace(options, env), file: join(data, 'manufacturer.db') })
}

export async function openFactory<T>(
  place: {
    readonly data: string
    readonly file: FactoryFile
    readonly options: FactoryOptions
    readonly env: Readonly<Record<string, string | undefined>>
    readonly log?: Log
  },
  work: (factory: OpenFactory) => Promise<T>,
): Promise<T> {
  const { data, file, options, env } = place
  const { name, masaUrl, hosts } = file
  const { close, ...keys } = await openKeys(options, { env })
  try {
    const storeUrl = storePlace(options, env)
    const log = place.log ?? openLog({ level: 'error' })
    const site = await openManufacturerSite({ name, masaUrl, hosts, data, log, ...keys, ...defined({ storeUrl }) })
    try {
      return await work({ site, file, data })
    } finally {
      await site.close()
    }
  } finally {
    close()
  }
}
