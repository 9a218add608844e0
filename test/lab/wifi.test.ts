import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { missingPackages } from '../../lab/wifi/requirement.ts'
import {
  isScenario,
  ReportCollector,
  readGuestLine,
  type ScenarioReport,
  scenarioNames,
} from '../../lab/wifi/scenario.ts'

const root = join(import.meta.dirname, '../..')

function lab(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, ['lab/main.ts', ...args], { cwd: root, env, encoding: 'utf8' })
}

describe('the command line of the lab', () => {
  it('says which packages to install, and exits with 3', () => {
    assert.match(
      missingPackages('/no/such/folder').join(' '),
      /qemu-system-x86 busybox-static kmod cpio .*wpasupplicant/,
    )
    const { status, stderr } = lab(['wifi', 'mutual'], { PATH: '/no/such/folder', MOORING_LAB_PATH: '/no/such/folder' })
    assert.equal(status, 3)
    assert.match(stderr, /apt-get install qemu-system-x86 busybox-static/)
  })

  it('refuses what it does not know with 2, and explains itself', () => {
    for (const args of [[], ['thread'], ['wifi'], ['wifi', 'no-such'], ['wifi', 'all', '--controller', '../x']]) {
      const { status, stderr } = lab(args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /usage: npm run lab -- wifi/)
    }
    const { status, stdout } = lab(['wifi', '--help'])
    assert.equal(status, 0)
    for (const name of scenarioNames) assert.ok(stdout.includes(name), name)
  })

  it('has a script in the guest for every scenario, and no other', () => {
    const scripts = readdirSync(join(root, 'lab/wifi/guest/scenario')).map(name => name.replace(/\.sh$/, ''))
    assert.deepEqual(scripts.toSorted(), scenarioNames.toSorted())
    assert.ok(!isScenario('toString'))
  })
})

describe('what a guest tells', () => {
  const told = (...lines: readonly string[]) => {
    const collector = new ReportCollector(['mutual', 'pkex', 'dot1x'])
    for (const text of lines) {
      const line = readGuestLine(text)
      if (line !== undefined) collector.take(line)
    }
    return collector.conclude('the guest ended early')
  }

  it('becomes a ladder and a verdict for each scenario', () => {
    const [mutual, pkex, dot1x] = told(
      'begin\tmutual',
      'step\t1.50\tlamp begins\r',
      'noise of the console',
      'step\tlate\tno time',
      'end\tmutual\tpass\t2.25\t',
      'begin\tpkex',
      'end\tpkex\tskip\t0.1\tno PKEX over TCP',
      'begin\tdot1x',
      'step\t3\ta step',
      'end\tdot1x\tfail\t4\tno certificate',
      'over',
    )
    assert.deepEqual(mutual, {
      scenario: 'mutual',
      result: 'pass',
      seconds: 2.25,
      ladder: [{ seconds: 1.5, step: 'lamp begins' }],
    })
    assert.equal(pkex?.result, 'skip')
    assert.equal(pkex?.reason, 'no PKEX over TCP')
    assert.equal(dot1x?.reason, 'no certificate')
  })

  it('is a failure for what was begun and not ended, ended and not begun, or never heard of', () => {
    const reports = told('end\tmutual\tpass\t1\t', 'begin\tpkex', 'step\t7\tthe last one')
    assert.deepEqual(
      reports.map(({ result, reason }) => [result, reason]),
      reports.map(() => ['fail', 'the guest ended early']),
    )
    assert.deepEqual(reports[1]?.ladder, [{ seconds: 7, step: 'the last one' }])
  })

  it('does not take a verdict that there is not', () => {
    assert.equal(readGuestLine('end\tmutual\tgood\t1\t'), undefined)
    assert.equal(readGuestLine(''), undefined)
  })
})

/** Ten minutes of emulation: only where every peer is required, or asked for. */
function whetherToBoot(): { skip: string | false } {
  const required = process.env['MOORING_REQUIRE_PEERS'] === '1'
  if (!required && process.env['MOORING_TEST_LAB'] !== '1') {
    return { skip: 'boots a guest for minutes: MOORING_TEST_LAB=1, or npm run lab -- wifi all' }
  }
  const missing = missingPackages()
  if (missing.length > 0 && required) throw new Error(`not installed: ${missing.join(', ')}`)
  return { skip: missing.length > 0 && `needs ${missing.join(', ')}` }
}

describe('Wi-Fi Easy Connect over simulated radios', whetherToBoot(), () => {
  let reports: readonly ScenarioReport[] = []
  let seconds = Number.POSITIVE_INFINITY
  before(
    () => {
      const { stdout, stderr, status } = lab(['wifi', 'all', '--json'])
      assert.ok(status === 0 || status === 1, stderr)
      const report = JSON.parse(stdout) as {
        readonly scenarios: typeof reports
        readonly seconds: number
        readonly boots: number
      }
      reports = report.scenarios
      seconds = report.seconds / report.boots
    },
    // A boot that the emulator broke is repeated.
    { timeout: 2_400_000 },
  )

  for (const name of scenarioNames) {
    it(name, { timeout: 10_000 }, t => {
      const { result, reason, ladder } = reports.find(({ scenario }) => scenario === name)!
      if (result === 'skip') t.skip(reason)
      else assert.equal(result, 'pass', `${reason}\n${ladder.map(rung => `${rung.seconds} s ${rung.step}`).join('\n')}`)
    })
  }

  it('takes less than 15 minutes in all', () => assert.ok(seconds < 900, `${seconds} s`))
})
