#!/usr/bin/env node
// Nothing is imported before the version is known: an older Node would end with a stack trace about a module it lacks.
const needed = [24, 15] as const
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(`Mooring needs Node.js ${needed.join('.')} or newer, and this is ${process.version}.\n`)
  process.stderr.write('Next: install a newer one from https://nodejs.org, or `npm install node@24` beside Mooring.\n')
  process.exit(1)
}
const { run } = await import('./program.ts')

const ending = new AbortController()
let asked = false
// SIGHUP: the window was closed, and what it left behind would stay.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
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
