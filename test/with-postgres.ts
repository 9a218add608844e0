/**
 * node test/with-postgres.ts COMMAND [ARGUMENT ...]: runs the command, such as the whole test suite, with every store of
 * a test on one PostgreSQL server that is there for as long as the command runs. Exits as the command does.
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
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
try {
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} finally {
  await server.stop()
}
