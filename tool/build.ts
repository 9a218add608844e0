/** Builds `dist/`: JavaScript with types from `src/`, from empty, so that nothing deleted survives in a package. */
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
chmodSync('dist/app/cli/main.js', 0o755)
