import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '..')

interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const lock: { readonly packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
)

describe('the program', () => {
  it('asks for the Node that the package asks for, before it imports anything', () => {
    const main = readFileSync(join(root, 'src/app/cli/main.ts'), 'utf8')
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const [, major, minor] = /needed = \[(\d+), (\d+)\]/.exec(main) ?? []
    assert.equal(`>=${major}.${minor}`, engines.node)
    assert.doesNotMatch(main, /^import /m)
  })
})

describe('package-lock.json', () => {
  // npm ci refuses a lock file that lacks one, even for a platform that nobody here uses.
  it('holds every package that another one asks for, those of other platforms as well', () => {
    for (const [place, { dependencies, optionalDependencies }] of Object.entries(lock.packages)) {
      for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
        const found = [`${place}/node_modules/${name}`, `node_modules/${name}`].some(path => path in lock.packages)
        assert.ok(found, `${place || 'mooring'} asks for ${name}: npm ci would refuse`)
      }
    }
  })

  it('pins contents and names no place to get them from', () => {
    for (const [place, { integrity, resolved }] of Object.entries(lock.packages)) {
      if (place === '') continue
      assert.match(integrity ?? '', /^sha512-/, place)
      assert.equal(resolved, undefined, place)
    }
  })
})
