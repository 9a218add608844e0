import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { Cli } from '../src/app/cli/command.ts'
import { createProgram, everyCommand } from '../src/app/cli/program.ts'
import { errorCatalogue } from '../src/domain/error.ts'

const root = join(import.meta.dirname, '..')
const names = ['README.md', ...readdirSync(join(root, 'docs')).map(name => join('docs', name))]
const documents = names.map(name => ({ name, text: readFileSync(join(root, name), 'utf8') }))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Parses, and does nothing. */
class Idle extends Cli {
  override run(): () => Promise<void> {
    return async () => {}
  }
}

function program() {
  const signal = new AbortController().signal
  return createProgram(new Idle({ stdout: { write() {} }, stderr: { write() {} }, env: {}, signal }))
}

/** Every command line that stands in a document, whole or abridged. */
function commandLines(text: string): { readonly line: string; readonly whole: boolean }[] {
  const blocks = [...text.matchAll(/^ {4}mooring (.*)$/gm)].map(([, line]) => ({ line: line!, whole: true }))
  const inline = [...text.matchAll(/`mooring ([a-z][^`]*)`/g)].map(([, line]) => ({ line: line!, whole: false }))
  return [...blocks, ...inline]
}

function words(line: string): string[] {
  const bare = line.replace(/\s+[#>].*$/, '')
  return [...bare.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!)
}

describe('the documents', () => {
  for (const { name, text } of documents) {
    it(`${name} shows command lines that exist`, async () => {
      for (const { line, whole } of commandLines(text)) {
        if (whole) await program().parseAsync(words(line), { from: 'user' })
        else requireCommand(line)
      }
    })

    it(`${name} names scripts, codes and files that exist`, () => {
      for (const [, script] of text.matchAll(/npm run (?:-s )?([a-z:-]+)/g)) {
        assert.ok(script === 'mooring' || script! in manifest.scripts, `npm run ${script}`)
      }
      for (const [, path] of text.matchAll(
        /`((?:src|test|bench|lab|interop|tool|docs)\/[a-z0-9/.-]+)`(?! \((?:no|planned))/g,
      )) {
        const absent = new RegExp(`\`${path}\`[^|]*\\(no folders? yet\\)`).test(text)
        assert.ok(absent || existsSync(join(root, path!)), `${name}: ${path}`)
      }
      for (const [, target] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(join(root, dirname(name), target!)), `${name}: ${target}`)
      }
      for (const [, codes] of text.matchAll(/\[((?:`[a-z-]+`(?:, )?)+)\]/g)) {
        for (const [, code] of codes!.matchAll(/`([a-z-]+)`/g)) assert.ok(Object.hasOwn(errorCatalogue, code!), code)
      }
    })
  }

  it('the README lists every runtime dependency, with as many of its own as it has', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock
    const runtime = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).sort()
    const rows = [...documents[0]!.text.matchAll(/^\| `([a-z0-9@/-]+)`[^|]*\|[^|]*\| *(\d+) *\|$/gm)]
    const listed = rows.map(([, dependency, count]) => [dependency!, Number(count)] as const)
    assert.deepEqual(listed.map(([dependency]) => dependency).sort(), runtime)
    for (const [dependency, count] of listed) assert.equal(beneath(lock, dependency).size, count, dependency)
  })
})

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dependencies?: Readonly<Record<string, string>> }>>
}

function beneath(lock: Lock, name: string, found = new Set<string>()): Set<string> {
  for (const each of Object.keys(lock.packages[`node_modules/${name}`]?.dependencies ?? {})) {
    if (!found.has(each)) beneath(lock, each, found.add(each))
  }
  return found
}

/** The command and its options are there; what stands for an argument is not looked at. */
function requireCommand(line: string): void {
  const known = everyCommand(program())
  let command = known[0]!
  for (const word of words(line)) {
    const next = command.commands.find(each => each.name() === word)
    if (next === undefined) break
    command = next
  }
  assert.notEqual(command, known[0], `mooring ${line}`)
  for (const [option] of line.matchAll(/--[a-z0-9-]+/g)) {
    const options = [...command.options, ...known[0]!.options]
    assert.ok(option === '--help' || options.some(({ long }) => long === option), `mooring ${line}: ${option}`)
  }
}
