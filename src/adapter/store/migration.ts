import { OnboardingError } from '../../domain/error.ts'
import { createStatements } from './schema.ts'
import type { Dialect, Session } from './sql.ts'

/**
 * One step from a schema to the next. The statements are literal text, in the dialect's types where they differ: a step
 * that has been released is history and follows no later declaration.
 */
export interface Migration {
  readonly version: number
  statements(dialect: Dialect): readonly string[]
}

/** Steps from version 1 on, in order. A new database gets the tables of `schema.ts` at once. */
export const migrations: readonly Migration[] = []

export function schemaVersion(steps: readonly Migration[] = migrations): number {
  return steps.at(-1)?.version ?? 1
}

/**
 * Brings the tables up to date. Runs inside a transaction of the caller, who keeps other processes out.
 * @throws OnboardingError `store-version` when a newer Mooring wrote the database
 */
export async function migrate(
  session: Session,
  dialect: Dialect,
  steps: readonly Migration[] = migrations,
): Promise<void> {
  await session.run('create table if not exists schema_version(version integer not null)')
  const target = schemaVersion(steps)
  const [row] = await session.rows('select version from schema_version')
  if (row === undefined) {
    for (const statement of createStatements(dialect)) await session.run(statement)
    await session.run('insert into schema_version(version) values($1)', [target])
    return
  }
  const version = row['version'] as number
  if (version > target) throw new OnboardingError('store-version', { found: version, known: target })
  for (const step of steps.filter(step => step.version > version)) {
    for (const statement of step.statements(dialect)) await session.run(statement)
  }
  if (version < target) await session.run('update schema_version set version = $1', [target])
}
