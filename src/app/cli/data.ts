import { access } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { KeyStoreError } from '../../adapter/key/error.ts'
import { readPrivateFile, replacePrivateFile } from '../../adapter/key/private-file.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJson } from '../../codec/json.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Io } from './terminal.ts'

/**
 * A data directory, mode 0700, is all that a party is: `keys/`, the embedded store, and two small files. `site.json` or
 * `factory.json` has what it was founded with, so that it need not be said again. `access.json` has where a running site
 * answers and a token for whoever may read this directory: it opens nothing that the keys beside it do not.
 */

/** Said only when the record is not in the data directory; where it is stays out, since that may hold a password. */
const record = z.literal('elsewhere').optional()

const SiteFile = z.strictObject({
  format: z.literal('mooring-site 1'),
  network: z.string(),
  owner: z.string(),
  record,
  /** Since when the site is on another machine. */
  moved: z.iso.datetime().optional(),
})
export type SiteFile = z.infer<typeof SiteFile>

const FactoryFile = z.strictObject({
  format: z.literal('mooring-factory 1'),
  name: z.string(),
  masaUrl: z.string(),
  hosts: z.array(z.string()).readonly(),
  record,
})
export type FactoryFile = z.infer<typeof FactoryFile>

const AccessFile = z.strictObject({
  format: z.literal('mooring-access 1'),
  url: z.string(),
  token: z.string(),
  /** PEM; absent where the site answers without TLS, on this machine only. */
  ca: z.string().optional(),
})
export type AccessFile = z.infer<typeof AccessFile>

/** `--data`, else `MOORING_DATA`, else a place of the user's own. */
export function dataDirectory(party: 'site' | 'factory', option: string | undefined, { env }: Pick<Io, 'env'>): string {
  if (option !== undefined) return option
  const named = env['MOORING_DATA']
  if (named !== undefined && named !== '') return named
  const base = env['XDG_DATA_HOME'] ?? join(env['HOME'] ?? homedir(), '.local', 'share')
  return join(base, 'mooring', party)
}

export const readSiteFile = (data: string): Promise<SiteFile | undefined> =>
  readSettings(join(data, 'site.json'), SiteFile)

export const writeSiteFile = (data: string, file: SiteFile): Promise<void> =>
  replacePrivateFile(join(data, 'site.json'), encoded(file))

export const readFactoryFile = (data: string): Promise<FactoryFile | undefined> =>
  readSettings(join(data, 'factory.json'), FactoryFile)

export const writeFactoryFile = (data: string, file: FactoryFile): Promise<void> =>
  replacePrivateFile(join(data, 'factory.json'), encoded(file))

export const readAccessFile = (data: string): Promise<AccessFile | undefined> =>
  readSettings(join(data, 'access.json'), AccessFile)

export const writeAccessFile = (data: string, file: AccessFile): Promise<void> =>
  replacePrivateFile(join(data, 'access.json'), encoded(file))

/** What a settings file says of a record at `store`. */
export function recordMark(store: string | undefined): Pick<SiteFile, 'record'> {
  return store === undefined ? {} : { record: 'elsewhere' }
}

/**
 * A party looks for its record where it was founded. Without this a forgotten option or a lost file would begin an empty
 * record, and find that nothing in it was altered. Throws OnboardingError `input-invalid`, `record-missing`.
 */
export async function requireRecordAt(
  { record }: Pick<SiteFile, 'record'>,
  { store, file }: { readonly store: string | undefined; readonly file: string },
): Promise<void> {
  if (record === undefined && store === undefined) {
    if (await exists(file)) return
    throw new OnboardingError('record-missing', { path: file })
  }
  if (record !== undefined && store !== undefined) return
  const rule =
    store === undefined
      ? 'the record is not in the data directory: name it with --store or MOORING_STORE'
      : 'the record is in the data directory; `mooring backup` and `mooring restore` move it'
  throw new OnboardingError('input-invalid', { field: 'store', rule })
}

/** A site and a factory are different parties, and never share keys. Throws OnboardingError `input-invalid`. */
export async function requireUnclaimed(data: string, party: 'site' | 'factory'): Promise<void> {
  const other = party === 'site' ? 'factory' : 'site'
  if (await exists(join(data, `${other}.json`)))
    throw new OnboardingError('input-invalid', { field: 'data', rule: `${data} is the directory of a ${other}` })
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

const limits = { size: 0x1_0000, depth: 3, count: 200 }

/** Undefined when there is none. Throws OnboardingError `file-unreadable`, KeyStoreError `permissions` when others can read it. */
async function readSettings<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const bytes = await readPrivateFile(path, limits.size).catch(cause => {
    // Modes are told as those of keys are; what else fails is a file like any other.
    if (!(cause instanceof KeyStoreError) || cause.code !== 'storage') throw cause
    throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
  })
  if (bytes === undefined) return undefined
  try {
    return schema.parse(decodeJson(bytes, limits))
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: 'it is damaged' }, { cause })
  }
}

function encoded(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 1)}\n`)
}
