import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openFileKeyStore } from '../../../src/adapter/key/file.ts'
import { openStore } from '../../../src/adapter/store/open.ts'
import type { Demonstration, Observation } from '../../../src/app/playbook/demonstration.ts'
import { type Lab, openLab } from '../../../src/app/playbook/lab.ts'
import { reportText } from '../../../src/app/playbook/report.ts'
import { isSound, type PlaybookReport, runPlaybook } from '../../../src/app/playbook/run.ts'
import { admissionScene } from '../../../src/app/playbook/scene/authentication.ts'
import { wiredScenes } from '../../../src/app/playbook/scene/wired.ts'
import { type BuildId, builds, type CapabilityId, capabilities, type Verdict } from '../../../src/domain/playbook.ts'
import type { Approval } from '../../../src/role/authorization/approval.ts'
import { partyStores, silentLog } from '../../store.ts'

const passing: readonly CapabilityId[] = [
  ...[
    'S0.C1',
    'S0.C2',
    'S0.C3',
    'S1.C1',
    'S1.C2',
    'S1.C3',
    'S1.C4',
    'S1.C5',
    'S1.C7',
    'S1.C8',
    'S3.C1',
    'S3.C3',
    'S4.C8',
    'S5.C2',
    'S5.C3',
  ],
] as CapabilityId[]

const passingOnWifi: readonly CapabilityId[] = [
  ...['S0.C1', 'S0.C2', 'S0.C3', 'S1.C1', 'S1.C2', 'S1.C3', 'S1.C4', 'S1.C5', 'S1.C7', 'S1.C8'],
  ...['S3.C1', 'S3.C2', 'S3.C3', 'S5.C2', 'S5.C5'],
] as CapabilityId[]

function passes(build: BuildId, id: CapabilityId): boolean {
  return (build === 'brski-wired' && passing.includes(id)) || (build === 'dpp-wifi' && passingOnWifi.includes(id))
}

function verdictOf(report: PlaybookReport, id: CapabilityId): Verdict | undefined {
  return report.capabilities.find(verdict => verdict.id === id && verdict.build === 'brski-wired')?.verdict
}

describe('the playbook, run', () => {
  let data: string
  let report: PlaybookReport
  const stores = partyStores()
  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'mooring-playbook-'))
    report = await runPlaybook({ log: silentLog, data, ...stores })
  })
  after(() => rm(data, { recursive: true }))

  it('judges each capability on each build once', () => {
    const cells = report.capabilities.map(({ build, id }) => `${build} ${id}`)
    assert.equal(cells.length, builds.length * capabilities.length)
    assert.equal(new Set(cells).size, cells.length)
    assert.deepEqual(report.builds, builds)
  })

  it('passes what is demonstrated, both ways, with evidence, and nothing else [S3.C1, S3.C3, S5.C2, S5.C3, WP-LG-3, WP-M6.04]', () => {
    for (const { id, build, verdict, reason, evidence } of report.capabilities) {
      assert.ok(reason.length > 10, `${build} ${id} has a reason`)
      assert.equal(verdict === 'pass', passes(build, id), `${build} ${id}: ${reason}`)
      if (verdict !== 'pass') continue
      assert.deepEqual(new Set(evidence.map(({ polarity }) => polarity)), new Set(['positive', 'negative']), id)
      for (const result of evidence) assert.ok(result.outcome === 'held' && result.events.length > 0, result.name)
    }
    assert.equal(verdictOf(report, 'S1.C6'), 'simulated')
    assert.equal(verdictOf(report, 'S3.C2'), 'simulated')
    assert.equal(verdictOf(report, 'S5.C5'), 'not-yet')
    assert.ok(isSound(report))
  })

  it('leaves ledgers in which an auditor finds every event again', async () => {
    const cited = report.capabilities
      .flatMap(({ evidence }) => evidence)
      .flatMap(result => (result.outcome === 'held' ? result.events : []))
    assert.ok(cited.length > 30)
    for (const { name, checkpoint, integrity, completeness } of report.ledgers) {
      assert.deepEqual([integrity, completeness], ['pass', 'pass'], name)
      const file = name.includes('sensors') || name.includes('works') ? 'manufacturer.db' : 'site.db'
      const signer = await (await openFileKeyStore({ directory: join(data, name, 'keys') })).open('ledger')
      assert.ok(signer !== undefined, name)
      const options = { signer, clock: Date.now, log: silentLog }
      const url = (await stores.storeUrl?.(name)) ?? `sqlite:${join(data, name, file)}`
      const store = await openStore(url, options)
      try {
        assert.equal((await store.verify(checkpoint)).completeness, 'pass', name)
        for (const event of cited.filter(({ ledger }) => ledger === name)) {
          const [stored] = await store.history(event.stream, event.version - 1, 1)
          assert.equal(stored?.hash, event.hash, `${name} ${event.stream} ${event.version}`)
        }
      } finally {
        await store.close()
      }
    }
  })

  it('can be read by people', () => {
    const text = reportText(report)
    assert.match(text, /S1\.C3 PASS: Network Authentication/)
    assert.match(text, /^thread( +\d+){6}$/m)
    assert.ok(text.split('\n').every(line => line.length <= 110))
  })
})

describe('the playbook, when something is wrong', () => {
  const admission = wiredScenes.filter(({ capability }) => capability === 'S1.C2')
  const [expected] = admissionScene
  const head = { capability: 'S1.C2', name: 'broken', polarity: 'negative', title: 'broken on purpose' } as const
  const withBroken = (run: Demonstration<Lab>['run'], limitMs?: number) =>
    runPlaybook({
      log: silentLog,
      ...partyStores(),
      demonstrations: [...admission, { ...head, run }],
      ...(limitMs === undefined ? {} : { limitMs }),
    })

  it('passes S1.C2 when all is well', async () => {
    const report = await runPlaybook({ log: silentLog, ...partyStores(), demonstrations: admission })
    assert.equal(verdictOf(report, 'S1.C2'), 'pass')
    assert.equal(verdictOf(report, 'S1.C1'), 'fail', 'what was left out cannot pass')
    assert.ok(!isSound(report))
  })

  it('finds out when the product does not do what it should: a denial that denies nothing', async () => {
    const report = await runPlaybook({
      log: silentLog,
      ...partyStores(),
      demonstrations: admission,
      async open(options) {
        const lab = await openLab(options)
        const { site } = lab.home
        const approval: Approval = { ...site.approval, deny: (device, by) => site.approval.grant(device, by) }
        return { ...lab, home: { ...lab.home, site: { ...site, approval } } }
      },
    })
    const { verdict, reason } = report.capabilities.find(({ id }) => id === 'S1.C2')!
    assert.equal(verdict, 'fail')
    assert.match(reason, /^denied-device: does not hold/)
    assert.ok(!isSound(report))
  })

  const wrongs: Readonly<Record<string, Demonstration<Lab>['run']>> = {
    throws: () => Promise.reject(new Error('broken')),
    'has no event behind it': async () => ({ seen: 'nothing', events: [] }),
    'does not come to an end': () => new Promise<Observation>(() => {}),
    'cites an event that is not there': async lab => {
      const { seen, events } = await expected!.run(lab)
      return { seen, events: events.map(event => ({ ...event, version: event.version + 1000 })) }
    },
    'cites an event with another hash': async lab => {
      const { seen, events } = await expected!.run(lab)
      return { seen, events: events.map(event => ({ ...event, hash: event.hash.replace(/./g, '0') })) }
    },
    'cites a ledger that is not of this run': async lab => {
      const { seen, events } = await expected!.run(lab)
      return { seen, events: events.map(event => ({ ...event, ledger: 'another' })) }
    },
  }
  for (const [what, wrong] of Object.entries(wrongs)) {
    it(`does not pass when one demonstration ${what}`, async () => {
      const report = await withBroken(wrong, 5000)
      assert.equal(verdictOf(report, 'S1.C2'), 'fail')
      assert.ok(!isSound(report))
    })
  }

  it('does not pass anything when there is no lab', async () => {
    const report = await runPlaybook({ log: silentLog, open: () => Promise.reject(new Error('no port left')) })
    assert.ok(report.capabilities.every(({ verdict }) => verdict !== 'pass' && verdict !== 'simulated'))
    const { reason, evidence } = report.capabilities.find(({ id }) => id === 'S1.C1')!
    assert.match(reason, /did not run: no lab: no port left/)
    assert.ok(evidence.every(({ outcome }) => outcome === 'skipped'))
    assert.ok(!isSound(report))
  })
})

describe('npm run playbook', () => {
  it('prints one JSON document and exits with 0', async () => {
    const main = fileURLToPath(new URL('../../../src/app/playbook/main.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [main, '--json'], { maxBuffer: 1 << 24 })
    const report = JSON.parse(stdout) as PlaybookReport
    for (const id of passing) assert.equal(verdictOf(report, id), 'pass', id)
  })
})
