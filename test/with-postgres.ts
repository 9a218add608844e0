/**
 * node test/with-postgres.ts COMMAND [ARGUMENT ...]: runs the command, such as the whole test suite, with every
 * `openTestStore` on one PostgreSQL server that is there for as long as the command runs. Exits as the command does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startPostgres } from './postgres.ts'

const [command = '', ...args] = process.argv.slice(2)
const server = await startPostgres()
const child = spawn(command, args, {
  stdio: 'inherit',
  env: { ...process.env, MOORING_TEST_STORE: 'postgres', MOORING_TEST_POSTGRES: server.url },
})
const [code] = (await once(child, 'exit')) as [number | null]
await server.stop()
process.exitCode = code ?? 1
