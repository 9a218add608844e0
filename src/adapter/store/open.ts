import type { Store } from '../../domain/port.ts'
import type { Engine } from './sql.ts'
import { openSqlite } from './sqlite.ts'
import { createStore, type StoreOptions } from './store.ts'

/**
 * Opens the store at `url`, creating or bringing up to date what is there.
 * @param url `sqlite:PATH` for one process, `postgres://…` for any number
 * @throws OnboardingError `store-locked`, `store-version`, `store-unavailable`; TypeError for another kind of URL
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  const engine = await openEngine(url)
  try {
    return await createStore(engine, options)
  } catch (error) {
    await engine.close()
    throw error
  }
}

export async function openEngine(url: string): Promise<Engine> {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(url)?.[1]
  if (path !== undefined) return openSqlite(path)
  throw new TypeError('a store is at sqlite:PATH or at postgres://…')
}
