/** npm run interop -- NAME ...: Mooring's machines against independent programs. Each explains itself with --help. */
import { runDppInterop } from './dpp/main.ts'

const suites: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { dpp: runDppInterop }

const [name = '', ...args] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) {
  console.error(`usage: npm run interop -- ${Object.keys(suites).join('|')} ... (--help says more)`)
  process.exitCode = 2
} else process.exitCode = await suite(args)
