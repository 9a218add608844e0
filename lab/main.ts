/** npm run lab -- LAB ...: networks to try Mooring in. Each lab explains itself with --help. */
import { runWifiLab } from './wifi/main.ts'
import { runWiredLab } from './wired/main.ts'

const labs: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  wifi: runWifiLab,
  wired: runWiredLab,
}

const [name = '', ...args] = process.argv.slice(2)
const lab = labs[name]
if (lab === undefined) {
  console.error(`usage: npm run lab -- ${Object.keys(labs).join('|')} ... (--help says more)`)
  process.exitCode = 2
} else process.exitCode = await lab(args)
