import type { StoreCondition } from '../../domain/condition.ts'
import type { Checkpoint, LedgerVerdict, Store, Tables } from '../../domain/port.ts'
import { readCondition } from './condition.ts'
import { storeError } from './error.ts'
import { streamEvents } from './event.ts'
import { surveyPostgres } from './postgres.ts'
import type { Dialect, Session } from './sql.ts'
import { surveySqlite } from './sqlite.ts'
import { gatedTables } from './table.ts'
import { verifyLedger } from './verify.ts'

/** A record as somebody sees it who may look and not touch. */
export interface Inspection extends Pick<Store, 'read' | 'history' | 'condition' | 'verify'> {
  close(): Promise<void>
}

/**
 * Looks at the store at `url` without making, migrating or locking anything, also while a site writes to it.
 * Its methods throw OnboardingError `not-found` where there is no store, `store-unavailable`.
 * @param keys SubjectPublicKeyInfo, DER, of the keys whose checkpoints count
 */
export function inspectStore(url: string, keys: readonly Uint8Array[]): Inspection {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(url)?.[1]
  const dialect: Dialect = path === undefined ? 'postgres' : 'sqlite'
  const survey = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    try {
      return await (path === undefined ? surveyPostgres(url, work) : surveySqlite(path, work))
    } catch (error) {
      throw storeError(error)
    }
  }
  return {
    read: <T>(work: (tables: Tables) => Promise<T>) => survey(session => work(readOnlyTables(session))),
    history: (stream, afterVersion = 0, limit = 1000) =>
      survey(session => streamEvents(session, stream, afterVersion, limit)),
    condition: (): Promise<StoreCondition> => survey(session => readCondition(session, dialect, keys)),
    verify: (anchor?: Checkpoint): Promise<LedgerVerdict> => survey(session => verifyLedger(session, keys, anchor)),
    close: async () => {},
  }
}

function readOnlyTables(session: Session): Tables {
  const refuse = async (): Promise<never> => {
    throw new TypeError('an inspection cannot write')
  }
  return gatedTables({
    rows: (sql, args) => session.rows(sql, args),
    run: refuse,
    post: refuse,
    known: undefined,
    exists: () => new TypeError('an inspection cannot write'),
  })
}
