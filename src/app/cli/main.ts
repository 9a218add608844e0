#!/usr/bin/env node
import { run } from './program.ts'

const ending = new AbortController()
let asked = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Who asks twice does not want to wait.
    if (asked) process.exit(130)
    asked = true
    ending.abort()
  })
}

// `mooring device list | head` closes the pipe early, and that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

const { stdout, stderr, env } = process
process.exitCode = await run(process.argv.slice(2), { stdout, stderr, env, signal: ending.signal })
