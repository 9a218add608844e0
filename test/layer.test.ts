import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '..')
const layers = ['codec', 'crypto', 'domain', 'protocol', 'role', 'adapter', 'app'] as const

/** Writes one file for each `layer -> specifier`, lints them with the project's rules, and says which were refused. */
function refused(imports: readonly { readonly layer: string; readonly specifier: string }[]): ReadonlySet<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-layer-'))
  try {
    const configuration = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
    delete configuration.vcs
    delete configuration.$schema
    writeFileSync(join(folder, 'biome.json'), JSON.stringify(configuration))
    for (const [index, { layer, specifier }] of imports.entries()) {
      mkdirSync(join(folder, 'src', layer), { recursive: true })
      const source = `import { probe } from '${specifier}'\n\nexport const probed: unknown = probe\n`
      writeFileSync(join(folder, 'src', layer, `probe-${index}.ts`), source)
    }
    const { stdout } = spawnSync(
      join(root, 'node_modules/.bin/biome'),
      ['lint', '--reporter=github', '--only=style/noRestrictedImports', '--max-diagnostics=none', '.'],
      { cwd: folder, encoding: 'utf8' },
    )
    const files = [...stdout.matchAll(/file=\S*?probe-(\d+)\.ts/g)].map(([, index]) => Number(index))
    return new Set(files)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name))
    .map(name => join(folder, name))
}

describe('layers', () => {
  it('refuse an import from a room above and allow one from below', () => {
    const pairs = layers.flatMap(layer => layers.map(target => ({ layer, target, specifier: `../${target}/probe.ts` })))
    const found = refused(pairs)
    for (const [index, { layer, target }] of pairs.entries()) {
      const forbidden = layers.indexOf(target) > layers.indexOf(layer)
      assert.equal(found.has(index), forbidden, `${layer} importing ${target}: ${forbidden ? 'passed' : 'was refused'}`)
    }
  })

  it('keeps I/O out of the rooms that are pure', () => {
    const pairs = ['codec', 'crypto', 'domain', 'protocol', 'role'].flatMap(layer =>
      ['node:fs', 'node:net', 'node:https'].map(specifier => ({ layer, specifier })),
    )
    const found = refused(pairs)
    for (const [index, { layer, specifier }] of pairs.entries()) {
      assert.ok(found.has(index), `${layer} imported ${specifier}`)
    }
  })

  it('holds for every file that there is', () => {
    for (const file of sources('src')) {
      const layer = file.split('/')[1] as (typeof layers)[number]
      assert.ok(layers.includes(layer), `${file} stands in no room`)
      const above = layers.slice(layers.indexOf(layer) + 1)
      for (const [, specifier] of readFileSync(join(root, file), 'utf8').matchAll(/from '(\.[^']+)'/g)) {
        const target = join(file, '..', specifier ?? '').split('/')[1] as (typeof layers)[number]
        assert.ok(!above.includes(target), `${file} imports ${specifier}`)
      }
    }
  })
})

describe('files', () => {
  it('stay at 500 lines or fewer', () => {
    const folders = ['src', 'test', 'tool', 'bench', 'interop', 'lab'].filter(folder =>
      readdirSync(root).includes(folder),
    )
    const long = folders.flatMap(sources).flatMap(file => {
      const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1
      return lines > 500 ? [`${file}: ${lines}`] : []
    })
    assert.deepEqual(long, [])
  })
})
