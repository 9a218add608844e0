import { writeBackup } from './backup.ts'
import { storeError } from './error.ts'
import { openPostgres } from './postgres.ts'
import { surveySqlite } from './sqlite.ts'

/**
 * Writes a backup of the store at `url` into a new file, while other processes use it: it only reads. Throws OnboardingError
 * `store-exists` when the file is there, `store-full`, `store-unavailable`, `not-found` when there is no store.
 */
export async function copyStore(url: string, file: string): Promise<void> {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(url)?.[1]
  try {
    if (path !== undefined) await surveySqlite(path, session => writeBackup(session, file))
    else await copyPostgres(url, file)
  } catch (error) {
    throw storeError(error)
  }
}

async function copyPostgres(url: string, file: string): Promise<void> {
  const engine = await openPostgres(url)
  try {
    await engine.survey(session => writeBackup(session, file))
  } finally {
    await engine.close()
  }
}
