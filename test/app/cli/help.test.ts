import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Command } from 'commander'
import { Cli } from '../../../src/app/cli/command.ts'
import { createProgram, everyCommand } from '../../../src/app/cli/program.ts'
import { version } from '../../../src/app/version.ts'
import { errorCatalogue } from '../../../src/domain/error.ts'
import { mooring } from './terminal.ts'

/** Parses, and does nothing. */
class Idle extends Cli {
  override run(): () => Promise<void> {
    return async () => {}
  }
}

const idle = () => {
  const signal = new AbortController().signal
  return new Idle({ stdout: { write() {} }, stderr: { write() {} }, env: {}, signal })
}

function nameOf(command: Command): string[] {
  return command.parent === null ? [] : [...nameOf(command.parent), command.name()]
}

/** Words of a command line as a shell would cut it; what it would do with the answer is left out. */
function words(line: string): string[] {
  return [...line.replace(/ >.*$/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
}

const commands = everyCommand(createProgram(idle()))
const leaves = commands.filter(({ commands: below }) => below.length === 0)

describe('every command', () => {
  test('that the issue names is there', () => {
    const wanted = [
      'up',
      'factory init',
      'factory make',
      'factory check',
      'factory sell',
      'factory manifest',
      'factory labels',
      'factory list',
      'factory step',
      'factory timeline',
      'masa up',
      'trust add',
      'trust list',
      'trust remove',
      'manifest import',
      'manifest list',
      'feed add',
      'feed list',
      'feed pull',
      'feed remove',
      'factory feed add',
      'factory feed list',
      'factory feed publish',
      'factory feed remove',
      'recall import',
      'recall list',
      'recall show',
      'factory recall',
      'device list',
      'device show',
      'device history',
      'device expect',
      'device withdraw',
      'device onboard',
      'device reset',
      'device timeline',
      'device allowed',
      'device step',
      'device wiped',
      'device hand-over',
      'approval list',
      'approval grant',
      'approval deny',
      'voucher list',
      'credential list',
      'credential revoke',
      'token create',
      'token list',
      'token revoke',
      'request list',
      'request ask',
      'request confirm',
      'request decline',
      'four-eyes show',
      'four-eyes on',
      'four-eyes off',
      'caller trust',
      'caller crl',
      'caller authorities',
      'caller distrust',
      'caller admit',
      'caller list',
      'caller remove',
      'audit verify',
      'audit checkpoint',
      'backup',
      'restore',
      'doctor',
      'site card',
      'openapi',
      'errors',
    ]
    const there = new Set(leaves.map(command => nameOf(command).join(' ')))
    for (const name of wanted) assert.ok(there.has(name), name)
  })

  for (const command of commands) {
    const name = nameOf(command)
    test(`${['mooring', ...name].join(' ')} explains itself within 100 columns, and its examples are right`, async () => {
      const { code, stdout, stderr } = await mooring([...name, '--help'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^Usage: mooring/)
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line)
      if (command.commands.length > 0 && name.length > 0) return
      const examples = [...stdout.matchAll(/^ {2}\$ mooring (.*)$/gm)].map(([, line]) => line!)
      assert.ok(examples.length > 0)
      for (const example of examples) {
        const parsed = words(example)
        assert.deepEqual(parsed.slice(0, name.length), name, example)
        await createProgram(idle()).parseAsync(parsed, { from: 'user' })
      }
    })
  }

  test('can answer in JSON', () => {
    for (const command of leaves) {
      assert.ok(
        command.options.some(({ long }) => long === '--json'),
        nameOf(command).join(' '),
      )
    }
  })

  test('that the catalogue of failures names exists, with the option that it names', async () => {
    for (const { action } of Object.values(errorCatalogue)) {
      for (const [, line] of action.matchAll(/`mooring ([^`]+)`/g)) {
        const [noun] = line!.split(' ')
        const path = leaves.map(nameOf).find(name => `${line} `.startsWith(`${name.join(' ')} `))
        const option = line!.split(' ')[path?.length ?? 0]
        assert.ok(path !== undefined || noun === 'demo', line)
        const command = leaves.find(each => nameOf(each).join(' ') === path?.join(' '))
        if (option?.startsWith('--'))
          assert.ok(
            command?.options.some(({ long }) => long === option),
            line,
          )
      }
    }
  })
})

describe('a command line', () => {
  test('that cannot be understood ends with 2 and says where to look', async () => {
    const lines: readonly (readonly string[])[] = [
      ['nonsense'],
      ['device', 'nonsense'],
      ['device', 'list', '--nonsense'],
      ['device', 'list', 'too', 'many'],
      ['device', 'show'],
      ['device', 'list', '--limit', 'many'],
      ['device', 'list', '--limit', '0'],
      ['device', 'list', '--rung', 'top'],
      ['token', 'create', 'x'],
      ['token', 'create', 'x', '--role', 'root'],
      ['up', '--port', '65536'],
      ['approval', 'grant'],
    ]
    for (const line of lines) {
      const { code, stdout, stderr } = await mooring(line)
      assert.deepEqual([code, stdout], [2, ''], line.join(' '))
      assert.match(stderr, /--help/)
      const json = await mooring([...line, '--json'])
      assert.equal(json.code, 2)
      assert.equal((json.json()['error'] as { code: string }).code, 'input-invalid')
      assert.equal(json.stderr, '')
    }
  })

  test('that stops at a noun shows what there is', async () => {
    const { code, stderr } = await mooring(['device'])
    assert.equal(code, 2)
    assert.match(stderr, /withdraw/)
  })

  test('can ask for the version', async () => {
    assert.deepEqual(await mooring(['--version']).then(({ code, stdout }) => [code, stdout]), [0, `${version}\n`])
  })
})

describe('errors', () => {
  test('are all in the catalogue, and each can be looked up', async () => {
    const all = await mooring(['errors', '--json'])
    const { items } = all.json() as { items: { code: string }[] }
    assert.deepEqual(
      items.map(({ code }) => code),
      Object.keys(errorCatalogue),
    )
    for (const line of (await mooring(['errors'])).stdout.split('\n')) assert.ok(line.length <= 100, line)
    for (const [code, entry] of Object.entries(errorCatalogue)) {
      assert.deepEqual((await mooring(['errors', code, '--json'])).json(), { code, ...entry })
      const { stdout } = await mooring(['errors', code])
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line)
    }
    assert.equal((await mooring(['errors', 'nonsense'])).code, 1)
  })
})

describe('the OpenAPI document', () => {
  test('needs no site', async () => {
    const document = (await mooring(['openapi', '--json'])).json()
    assert.equal(document['openapi'], '3.1.0')
    assert.deepEqual(JSON.parse((await mooring(['openapi'])).stdout), document)
  })
})
