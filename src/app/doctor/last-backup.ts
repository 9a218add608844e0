import { join } from 'node:path'
import * as z from 'zod'
import { replacePrivateFile } from '../../adapter/key/private-file.ts'
import type { Host } from './host.ts'

const LastBackup = z.strictObject({ format: z.literal('mooring-last-backup 1'), at: z.number(), directory: z.string() })

const name = 'last-backup.json'

/** Leaves word in the data directory that a backup was made. */
export function noteBackup(data: string, { at, directory }: { at: number; directory: string }): Promise<void> {
  const text = JSON.stringify({ format: 'mooring-last-backup 1', at, directory })
  return replacePrivateFile(join(data, name), Buffer.from(`${text}\n`))
}

/** Undefined when there was none, or when what says so cannot be read. */
export async function lastBackup(host: Host, data: string): Promise<z.infer<typeof LastBackup> | undefined> {
  try {
    return LastBackup.parse(JSON.parse((await host.text(join(data, name))) ?? ''))
  } catch {
    return undefined
  }
}
