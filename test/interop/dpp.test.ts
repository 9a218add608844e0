import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { type CellResult, curves, describeCell } from '../../interop/dpp/cell.ts'
import type { InteropReport } from '../../interop/dpp/main.ts'
import { akms } from '../../src/protocol/dpp/akm.ts'
import { needs } from '../peer.ts'

const root = join(import.meta.dirname, '../..')

function interop(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, ['interop/main.ts', ...args], { cwd: root, env, encoding: 'utf8' })
}

describe('the command line of interop', () => {
  it('refuses what it does not know with 2, names a missing peer with 3, and explains itself', () => {
    for (const args of [[], ['thread'], ['dpp', '--no-such']]) {
      const { status, stderr } = interop(args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /usage: npm run interop -- dpp/)
    }
    const { status, stderr } = interop(['dpp'], { PATH: '/no/such/folder', MOORING_LAB_PATH: '/no/such/folder' })
    assert.equal(status, 3)
    assert.match(stderr, /apt-get install wpasupplicant hostapd/)
    assert.match(interop(['dpp', '--help']).stdout, /Example: npm run interop -- dpp/)
  })
})

describe('Easy Connect over TCP with Debian’s programs', needs('wpa_supplicant', 'hostapd', 'stdbuf'), () => {
  let report: InteropReport
  before(
    () => {
      const { stdout, stderr } = interop(['dpp', '--json'])
      assert.notEqual(stdout, '', stderr)
      report = JSON.parse(stdout) as InteropReport
    },
    { timeout: 400_000 },
  )
  const of = (wanted: (cell: CellResult) => boolean) => report.cells.filter(wanted)
  const passes = (cells: readonly CellResult[]) => {
    assert.ok(cells.length > 0)
    const failed = cells.filter(({ result }) => result !== 'pass')
    assert.deepEqual(
      failed.map(cell => `${describeCell(cell)}: ${cell.reason}`),
      [],
    )
  }

  for (const mooring of ['controller', 'enrollee'] as const) {
    for (const curve of curves) {
      it(`Mooring as ${mooring} on ${curve}: one-way and mutual, every kind of credential`, () => {
        const cells = of(cell => cell.mooring === mooring && cell.curve === curve && cell.variant === undefined)
        passes(cells)
        for (const authentication of ['one-way', 'mutual']) {
          for (const akm of akms) {
            const found = cells.some(
              cell =>
                cell.begins === 'enrollee' &&
                cell.peer === 'wpa_supplicant' &&
                cell.authentication === authentication &&
                cell.akm === akm,
            )
            assert.ok(found, `${authentication} ${akm}`)
          }
        }
      })
    }
    it(`Mooring as ${mooring}: waiting, refusing, wrong keys`, () => {
      const cells = of(cell => cell.mooring === mooring && cell.variant !== undefined)
      passes(cells)
      for (const word of ['RESPONSE_PENDING', 'wrong key', 'status 5', 'expiry']) {
        assert.ok(
          cells.some(({ variant }) => variant?.includes(word)),
          word,
        )
      }
    })
  }

  it('Mooring begins as the Configurator, and after a presence announcement is asked by theirs', () => {
    passes(of(({ begins }) => begins === 'controller'))
    passes(of(({ begins }) => begins === 'chirp'))
  })

  it('says what the peer cannot do', () => {
    assert.ok(report.beyond.every(({ what, reason }) => what !== '' && reason !== ''))
    assert.ok(report.beyond.some(({ what }) => what === 'PKEX over TCP'))
    assert.equal(report.failed, 0)
  })
})
