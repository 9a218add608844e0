import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Builds the `mooring` program of this working copy for the guest, and says where it is: stripping types takes an emulated
 * machine longer than everything else. Beside the packages that it needs, and out of the way of `npm run build`.
 */
export function buildProgram(project: string): string {
  const place = join(project, 'node_modules', '.cache', 'mooring-wifi-lab')
  const dist = join(place, 'dist')
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(dist, { recursive: true })
  const compiler = join(project, 'node_modules', '.bin', 'tsc')
  // Standard output is for the report.
  const stdio = ['ignore', process.stderr, process.stderr] as const
  execFileSync(compiler, ['-p', join(project, 'tsconfig.build.json'), '--outDir', dist], { stdio: [...stdio] })
  copyFileSync(join(project, 'package.json'), join(place, 'package.json'))
  return join(dist, 'app', 'cli', 'main.js')
}
