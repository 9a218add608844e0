import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cli } from '../../../src/app/cli/command.ts'
import { createProgram, everyCommand } from '../../../src/app/cli/program.ts'
import { checks } from '../../../src/app/doctor/checks.ts'
import { doctorDocument } from '../../../tool/doctor-document.ts'

const root = join(import.meta.dirname, '../../..')

test('docs/doctor.md is what the checks say of themselves', () => {
  assert.equal(readFileSync(join(root, 'docs/doctor.md'), 'utf8'), doctorDocument())
})

test('every check has a file of its own, and is made', () => {
  const files = readdirSync(join(root, 'src/app/doctor/check')).map(name => name.replace(/\.ts$/, ''))
  assert.deepEqual(checks.map(({ id }) => id).sort(), files.sort())
})

test('every command that a check names exists', () => {
  const signal = new AbortController().signal
  const cli = new Cli({ stdout: { write() {} }, stderr: { write() {} }, env: {}, signal })
  const known = everyCommand(createProgram(cli)).map(command => {
    const parent = command.parent?.name() === 'mooring' ? [] : [command.parent?.name() ?? '']
    return [...parent, command.name()].join(' ').trim()
  })
  for (const { id } of checks) {
    const text = readFileSync(join(root, `src/app/doctor/check/${id}.ts`), 'utf8')
    for (const [line, words] of text.matchAll(/`mooring ([a-z]+(?: [a-z]+)?)/g)) {
      const first = words!.split(' ')[0]!
      assert.ok(known.includes(words!) || known.includes(first), `${id}: ${line}`)
    }
  }
})
