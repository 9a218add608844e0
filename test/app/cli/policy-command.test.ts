import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exitCode } from '../../../src/app/cli/exit.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { inside } from '../../role/authorization/gate.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite } from './terminal.ts'

let world: World
let directory: string
let site: ReturnType<typeof atSite>
const noOld = `permit(principal, action, resource);
@id("no-old") @advice("No longer supported.")
forbid(principal, action == Action::"stay", resource)
when { principal.model == "Old" };
`

before(async () => {
  world = await openWorld()
  directory = await mkdtemp(join(tmpdir(), 'mooring-policy-'))
  site = atSite(world)
  const { store } = world.services
  const trust = { masaAnchors: [], masaPrivateAddress: false, ignoreIdevidLifetime: false, quirks: [], addedAt: 0 }
  const fjord = { name: 'fjord', anchors: [], ...trust }
  await store.transaction(async tx => {
    await tx.append('manufacturer/fjord', 0, [{ kind: 'manufacturer-trusted', body: { ...fjord, by: 'test' } }])
    await tx.manufacturer.put(fjord)
  })
  for (let n = 1; n <= 3; n++) await inside(store, `O${n}`, 'harbour', n === 3 ? 'New' : 'Old')
  await expectDevice(store, { manufacturer: 'fjord', serial: 'S1', model: 'Old' }, 'test')
  await world.services.policies.versions.establish('home')
  await writeFile(join(directory, 'next.cedar'), noOld)
  await writeFile(join(directory, 'wrong.cedar'), '\npermit(principal, action resource);\n')
  await writeFile(join(directory, 'latin.cedar'), Buffer.from('// \xe4', 'latin1'))
})

after(async () => {
  await world.close()
  await rm(directory, { recursive: true })
})

const file = (name: string) => join(directory, name)

/** For a person and for a script; a refused one is refused for both. */
async function both(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const person = await site(args)
  assert.equal(person.code, code, person.stderr)
  for (const line of person.stdout.split('\n')) assert.ok(line.length <= 100, line)
  const script = await site([...args, '--json'])
  assert.deepEqual([script.code, script.stderr], [code, ''])
  const json = script.json()
  return (code === 1 ? json['error'] : json) as Record<string, unknown>
}

describe('policies by the CLI', () => {
  test('are checked, with the line and column of what is wrong', async () => {
    assert.deepEqual(await both(['policy', 'check', file('next.cedar')]), { valid: true, findings: [] })
    const wrong = (await both(['policy', 'check', file('wrong.cedar')], exitCode.unverified)) as {
      findings: { line: number; column: number }[]
    }
    assert.deepEqual([wrong.findings[0]?.line, wrong.findings[0]?.column], [2, 26])
    assert.match((await site(['policy', 'check', file('wrong.cedar')])).stdout, /wrong\.cedar:2:26: error/)
    assert.equal((await both(['policy', 'draft', file('wrong.cedar'), '--name', 'w'], 1))['code'], 'policy-invalid')
    assert.equal((await both(['policy', 'check', file('latin.cedar')], 1))['code'], 'file-unreadable')
  })

  test('are written down, previewed, activated only when meant, explained and rolled back', async () => {
    const drafted = await both(['policy', 'draft', file('next.cedar'), '--name', 'no-old'])
    assert.deepEqual([drafted['version'], drafted['status']], [2, 'draft'])
    const tried = await both(['policy', 'try', '--device', 'O1', '--action', 'stay', '--number', '2'])
    assert.deepEqual(
      [tried['verdict'], tried['policies'], tried['advice']],
      ['refuse', ['no-old'], ['No longer supported.']],
    )
    const same = await both(['policy', 'try', '--device', 'O1', '--action', 'stay', '--file', file('next.cedar')])
    assert.deepEqual([same['verdict'], same['policies']], [tried['verdict'], tried['policies']])
    const now = await both(['policy', 'try', '--device', 'O1', '--action', 'stay'])
    assert.deepEqual([now['verdict'], now['segment'], now['version']], ['permit', 'devices', '1'])
    const preview = (await both(['policy', 'preview', '--number', '2'])) as {
      checked: number
      counts: Record<string, number>
    }
    assert.deepEqual([preview.checked, preview.counts['drop'], preview.counts['fail']], [4, 2, 0])
    const refused = await both(['policy', 'activate', '2'], 1)
    assert.equal(refused['code'], 'policy-drops-devices')
    assert.deepEqual(refused['facts'], { version: '2', drop: 2, fail: 0 })
    assert.equal((await both(['policy', 'activate', '2', '--yes']))['status'], 'active')
    await world.services.policies.reconfirmations.run()
    const list = (await both(['policy', 'list'])) as {
      items: { status: string }[]
      reconfirmation: { refused: number }
    }
    assert.deepEqual(
      list.items.map(({ status }) => status),
      ['former', 'active'],
    )
    assert.equal(list.reconfirmation.refused, 2)
    const explained = await both(['policy', 'explain', 'O1'])
    assert.deepEqual([explained['verdict'], explained['reproduced'], explained['version']], ['refuse', true, '2'])
    assert.equal((await both(['policy', 'show', '2']))['source'], noOld)
    const back = await site(['policy', 'rollback', '--json'])
    assert.deepEqual([back.code, back.json()['name']], [0, 'home'])
    // Asked for twice it does not undo itself.
    assert.equal((await both(['policy', 'rollback'], 1))['code'], 'policy-not-found')
    assert.deepEqual((await both(['policy', 'activate', '1']))['status'], 'active')
  })

  test('shipped with the program can be shown, and the schema', async () => {
    assert.match((await site(['policy', 'show', 'enterprise'])).stdout, /enterprise-owned/)
    assert.match((await site(['policy', 'schema'])).stdout, /entity Device in \[Model, Manufacturer\]/)
    assert.equal((await both(['policy', 'show', '99'], 1))['code'], 'policy-not-found')
    assert.equal((await both(['policy', 'show', 'nothing'], 1))['code'], 'input-invalid')
  })

  test('follow what people say of a device', async () => {
    await both(['policy', 'reconfirm'])
    await both(['policy', 'posture', 'O3', 'suspect', '--reason', 'odd'])
    const decided = await both(['policy', 'explain', 'O3'])
    assert.deepEqual((decided['facts'] as { posture: string }).posture, 'suspect')
    assert.equal((await site(['policy', 'posture', 'O3', 'fine'])).code, exitCode.usage)
  })
})
