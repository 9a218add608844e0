import type { Checkpoint, LedgerVerdict, Log, Store } from '../../domain/port.ts'
import { readBackup } from './backup.ts'
import { storeError } from './error.ts'
import { openPostgres } from './postgres.ts'
import type { Engine } from './sql.ts'
import { openSqlite } from './sqlite.ts'
import { checkpointKeys, createStore, type StoreOptions } from './store.ts'

/**
 * Opens the store at `url`, creating or bringing up to date what is there.
 * @param url `sqlite:PATH` for one process, `postgres://…` for any number
 * @throws OnboardingError `store-locked`, `store-version`, `store-unavailable`, `ledger-altered` for a damaged file; TypeError for another kind of URL
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  let engine: Engine | undefined
  try {
    engine = await openEngine(url, options.log)
    return await createStore(engine, options)
  } catch (error) {
    await engine?.close()
    throw storeError(error)
  }
}

/**
 * Fills the store at `url`, which must be empty, from the backup in `file`, of either database, and verifies it.
 * @param anchor a checkpoint kept elsewhere, that the backup must reach
 * @throws OnboardingError as `readBackup`
 */
export async function restoreBackup(
  file: string,
  url: string,
  options: StoreOptions,
  anchor?: Checkpoint,
): Promise<LedgerVerdict> {
  let engine: Engine | undefined
  try {
    engine = await openEngine(url, options.log)
    return await readBackup(file, engine, {
      keys: checkpointKeys(options),
      ...(anchor === undefined ? {} : { anchor }),
    })
  } catch (error) {
    throw storeError(error)
  } finally {
    await engine?.close()
  }
}

export async function openEngine(url: string, log: Log): Promise<Engine> {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(url)?.[1]
  if (path !== undefined) return openSqlite(path)
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url, log)
  throw new TypeError('a store is at sqlite:PATH or at postgres://…')
}
