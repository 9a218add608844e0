/**
 * Installs the package as a user does: `npm pack`, the tarball into an empty project, `npx mooring demo --once`. Fails
 * when the tarball holds anything but built JavaScript with types and its papers, or when the demonstration does.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const own = JSON.parse(readFileSync('package.json', 'utf8'))
const directory = mkdtempSync(join(tmpdir(), 'mooring-package-'))

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`)
  return stdout
}

function strangers(files: readonly string[]): string[] {
  const allowed = /^package\/(package\.json|README\.md|LICENSE|dist\/[a-z0-9/-]+\.(js|d\.ts|sql))$/
  return files.filter(file => !allowed.test(file) || /\.test\.|\/vector\//.test(file))
}

try {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', directory], { stdio: ['ignore', 'ignore', 'inherit'] })
  const tarball = join(directory, `mooring-${own.version}.tgz`)
  const files = run('tar', ['tzf', tarball], directory).trim().split('\n')
  const odd = strangers(files)
  if (odd.length > 0) throw new Error(`the tarball holds what it should not: ${odd.join(', ')}`)
  const scripts = files.filter(file => file.endsWith('.js'))
  const untyped = scripts.filter(file => !files.includes(file.replace(/\.js$/, '.d.ts')))
  if (scripts.length === 0 || untyped.length > 0) throw new Error(`JavaScript without types: ${untyped.join(', ')}`)

  const project = { name: 'user', private: true, allowScripts: { node: true, pkcs11js: true } }
  writeFileSync(join(directory, 'package.json'), JSON.stringify(project))
  run('npm', ['install', '--silent', tarball, `node@${own.devDependencies.node}`], directory)
  const outcome = JSON.parse(run('npx', ['mooring', 'demo', '--once', '--json'], directory))
  console.log(`package: ${files.length} files, demonstration onboarded ${outcome.onboarded.length} devices`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
