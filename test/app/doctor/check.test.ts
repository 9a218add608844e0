import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checks } from '../../../src/app/doctor/checks.ts'
import { type DeviceEvent, evolveDevice } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { streamName } from '../../../src/domain/event.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { certify } from '../../crypto/pki.ts'
import { breaking, breaks, data, file, openWard, put, start, statuses, type Ward } from './patient.ts'
import { recordStranger } from './stranger.ts'

const day = 86_400_000
const hour = 3_600_000

const heard = (serial: string, at: number): DeviceEvent => ({
  kind: 'device-heard',
  body: { manufacturer: 'fjord', serial, attempt: 'a1', protocol: 'brski', address: '192.0.2.9', at },
})
const refused = (at: number): DeviceEvent => ({
  kind: 'onboarding-refused',
  body: { code: 'device-identity-cloned', at },
})

test('of a sound site nothing is said', async () => {
  const ward = await openWard()
  try {
    const examination = await ward.examine()
    for (const [id, status] of Object.entries(statuses(examination))) {
      assert.equal(status, id === 'masa' ? 'skipped' : 'ok', id)
    }
    assert.equal(examination.checks.length, checks.length)
    assert.deepEqual(
      Object.values(examination.counts).reduce((sum, each) => sum + each, 0),
      checks.length,
    )
  } finally {
    await ward.close()
  }
})

describe('the record', () => {
  test('that cannot be read silences all that rests on it', async () => {
    const ward = await openWard()
    try {
      ward.changes.record = new OnboardingError('record-missing', { path: `${data}/site.db` })
      const { checks: found, counts } = await ward.examine()
      const store = found.find(({ id }) => id === 'store')
      assert.equal(store?.status, 'fail')
      assert.match(store?.evidence?.join() ?? '', /record-missing.*site\.db/)
      assert.ok((store?.action ?? '').length > 0)
      assert.equal(counts.fail, 1)
      assert.equal(found.find(({ id }) => id === 'ledger')?.status, 'skipped')
    } finally {
      await ward.close()
    }
  })

  test('of a newer version', () =>
    breaks('store', ward => says(ward, { schemaVersion: 99 }), {
      status: 'fail',
      finding: /schema version 99/,
      action: /newer version/,
    }))

  test('that a process holds which does not answer', async () => {
    const ward = await openWard()
    try {
      ward.changes.running = undefined
      const before = statuses(await ward.examine())
      assert.deepEqual([before['store'], before['onboarding-port']], ['ok', 'skipped'])
      ward.machine.lockHolder = 4711
      const { checks: found } = await ward.examine()
      const store = found.find(({ id }) => id === 'store')
      assert.equal(store?.status, 'warn')
      assert.match(store?.finding ?? '', /4711/)
      assert.match(store?.action ?? '', /mooring up/)
    } finally {
      await ward.close()
    }
  })

  test('in a database that may forget', async () => {
    for (const [kind, settings, action] of [
      ['postgres', { fsync: 'off', synchronous_commit: 'on', full_page_writes: 'on' }, /set fsync = 'on'/],
      ['postgres', { fsync: 'on', synchronous_commit: 'off', full_page_writes: 'on' }, /synchronous_commit/],
      ['sqlite', { journal_mode: 'delete' }, /start it again/],
    ] as const) {
      await breaks('database-settings', ward => says(ward, { kind, settings }), {
        status: 'fail',
        finding: /may be lost/,
        action,
      })
    }
  })

  test('whose end was altered', () =>
    breaks(
      'ledger',
      async ({ opened, store, authority }) => {
        const { name } = authority.issuing
        await store.transaction(tx =>
          tx.append(streamName('site', 'x'), 0, [{ kind: 'thing-happened', body: { name } }]),
        )
        await opened.place.execute(`update event set body = '{"name":"other"}' where stream = 'site/x'`)
      },
      { status: 'fail', finding: /does not verify/, action: /evidence.*mooring restore/ },
    ))

  test('that was altered long ago, when all of it is looked at', async () => {
    const ward = await openWard()
    try {
      await ward.device('CL2-1')
      await ward.store.checkpoint()
      await ward.opened.place.execute("update device set serial = 'CL2-2'")
      assert.equal((await ward.examine()).checks.find(({ id }) => id === 'ledger')?.status, 'ok')
      ward.changes.terms = { full: true }
      const found = (await ward.examine()).checks.find(({ id }) => id === 'ledger')
      assert.equal(found?.status, 'fail')
      assert.match(found?.finding ?? '', /altered/)
    } finally {
      await ward.close()
    }
  })

  test('without an anchor', () =>
    breaks(
      'anchor',
      ({ changes }) => {
        changes.terms = { anchor: undefined }
      },
      { status: 'warn', finding: /No anchor/, action: /mooring audit checkpoint/ },
    ))

  test('that does not reach its anchor', () =>
    breaks(
      'anchor',
      async ({ store, changes }) => {
        await store.transaction(tx => tx.append(streamName('site', 'y'), 0, [{ kind: 'thing-happened', body: {} }]))
        const { lanes, ...kept } = await store.checkpoint()
        changes.terms = { anchor: { ...kept, lanes: lanes.map(head => ({ ...head, sequence: head.sequence + 5 })) } }
      },
      { status: 'fail', finding: /does not reach/, action: /mooring restore/ },
    ))

  test('a device without events, which somebody put there', () =>
    breaks(
      'orphan',
      async ({ store }) => {
        const terms = {
          manufacturer: 'fjord',
          serial: 'CL2-7',
          model: '',
          source: 'x',
          owner: '',
          declarationVersion: 0,
        }
        await store.transaction(tx => tx.device.put(evolveDevice(undefined, { kind: 'device-expected', body: terms })))
      },
      { status: 'fail', finding: /nothing explains/, action: /mooring audit verify/ },
    ))

  test('a credential that was planned and never issued', () =>
    breaks(
      'orphan',
      async ward => {
        const id = await ward.credential(await ward.device('CL2-1'))
        await ward.store.transaction(async tx => {
          const { certificate: _, ...planned } = (await tx.credential.get(id))!
          await tx.credential.put({ ...planned, status: 'planned', notBefore: start - 2 * hour })
        })
      },
      { status: 'warn', finding: /1 credential planned/, action: /off and on/ },
    ))

  test('work that nobody does', async () => {
    const result = await breaking(
      'outbox',
      ({ store }) => store.transaction(tx => tx.enqueue('webhook', {}, start - 3 * hour)),
      { status: 'warn', finding: /does not get done/, action: /log of the site/ },
    )
    assert.match(result.evidence?.[0] ?? '', /webhook: 1 item.*3 hours ago/)
    await breaks(
      'outbox',
      ward => says(ward, { outbox: [{ topic: 'feed', items: 1, tried: 1, attempts: 7, oldestDue: start + hour }] }),
      { status: 'warn', finding: /does not get done/, action: /log of the site/ },
    )
  })

  test('that outgrows its disk', () =>
    breaks('growth', ward => says(ward, { kind: 'sqlite', bytes: 50e9, firstEventAt: start - 20 * day }), {
      status: 'warn',
      finding: /fill the disk in 20 days/,
      action: /larger disk/,
    }))

  test('whose log never goes into the file', () =>
    breaks(
      'growth',
      ward => {
        says(ward, { kind: 'sqlite' })
        put(ward.machine, file(`${data}/site.db-wal`, { bytes: 900e6 }))
      },
      { status: 'warn', finding: /write-ahead log has 900 MB/, action: /backup that hangs/ },
    ))
})

describe('time', () => {
  test('a clock before the last event', () =>
    breaks('clock', ward => says(ward, { lastEventAt: start + 3 * day }), {
      status: 'fail',
      finding: /3 days before the last event/,
      action: /Set the clock/,
    }))

  test('a clock that manufacturers do not share, and that is not followed', async () => {
    const ward = await openWard()
    try {
      ward.changes.terms = { network: true }
      const sound = statuses(await ward.examine())
      assert.deepEqual([sound['clock'], sound['masa']], ['ok', 'ok'])
      ward.machine.masa = async () => ({ status: 200, date: start + 2 * hour })
      const { checks: found, at } = await ward.examine()
      const clock = found.find(({ id }) => id === 'clock')
      assert.equal(clock?.status, 'warn')
      assert.match(clock?.evidence?.[0] ?? '', /fjord says 2026-11-20T10:00/)
      assert.equal(at, start)
    } finally {
      await ward.close()
    }
  })

  test('a registrar whose renewal is overdue', () =>
    breaks(
      'certificates',
      async ward => {
        ward.pass(250 * day)
        await freshen(ward)
      },
      { status: 'warn', finding: /registrar-1/, action: /log.*mooring up/ },
    ))

  test('an authority in its last year, and one that has ended', async () => {
    for (const [years, status] of [
      [9.2, 'warn'],
      [10.1, 'fail'],
    ] as const) {
      const ward = await openWard()
      try {
        ward.pass(years * 365 * day)
        const found = (await ward.examine()).checks.find(({ id }) => id === 'certificates')
        // The registrar of the ward ended long before.
        assert.equal(found?.status, 'fail')
        const line = found?.evidence?.find(each => each.startsWith('issuing-1')) ?? ''
        assert.match(line, status === 'fail' ? /ended on/ : /left/)
        assert.match(found?.finding ?? '', status === 'fail' ? /issuing-1/ : /registrar-1/)
      } finally {
        await ward.close()
      }
    }
  })

  test('an anchor of a manufacturer that ends', () =>
    breaks(
      'trust',
      async ({ store }) => {
        const validity = { notBefore: new Date(start - day), notAfter: new Date(start + 30 * day) }
        const { certificate } = await certify({ subject: 'old root', ca: true, ...validity })
        await trustManufacturer({ store, clock: () => start }, { name: 'old', anchors: [certificate.der] }, 'test')
      },
      { status: 'warn', finding: /1 anchor/, action: /mooring trust add/ },
    ))

  test('nobody who is trusted', () =>
    breaks('trust', ({ opened }) => opened.place.execute('delete from manufacturer'), {
      status: 'warn',
      finding: /No manufacturer/,
      action: /mooring trust add/,
    }))

  test('a MASA that does not answer', async () => {
    const ward = await openWard()
    try {
      ward.changes.terms = { network: true }
      ward.machine.masa = async () => {
        throw new OnboardingError('masa-unreachable', { host: 'masa.fjord.example', reason: 'timeout' })
      }
      const { checks: found, counts } = await ward.examine()
      const masa = found.find(({ id }) => id === 'masa')
      assert.deepEqual([masa?.status, counts.fail], ['fail', 1])
      assert.match(masa?.evidence?.[0] ?? '', /fjord: .*masa-unreachable.*timeout/)
    } finally {
      await ward.close()
    }
  })
})

describe('people', () => {
  test('no administrator', () =>
    breaks(
      'token',
      async ({ store, access }) => {
        const [chief] = await store.read(tables => tables.token.find({}))
        await access.revoke(chief!.id, 'test')
      },
      { status: 'fail', finding: /No administrator/, action: /mooring token create rescue/ },
    ))

  test('a token that ends', () =>
    breaks(
      'token',
      async ({ access }) => {
        await access.create({ name: 'night', roles: ['auditor'], lifetimeDays: 3, by: 'test' })
      },
      { status: 'warn', finding: /1 token about to end/, action: /mooring token create/ },
    ))

  test('too many administrators', () =>
    breaks(
      'token',
      async ({ access }) => {
        for (let n = 0; n < 6; n++) await access.create({ name: `chief-${n}`, roles: ['administrator'], by: 'test' })
      },
      { status: 'warn', finding: /7 tokens of administrators/, action: /mooring token revoke/ },
    ))
})

describe('devices', () => {
  test('that wait for a word', () =>
    breaks(
      'device-waiting',
      async ({ store }) => {
        await recordStranger(store, 'CL2-9', 'fjord', start - 10 * day)
      },
      { status: 'warn', finding: /1 device waiting/, action: /mooring approval list/ },
    ))

  test('about which a policy cannot be evaluated, or which may not stay', async () => {
    const failure = {
      version: '000002',
      policy: 'sum',
      message: 'integer overflow',
      device: 'd',
      question: 'admit',
      at: start,
    }
    await breaks(
      'policy',
      ({ store }) => store.transaction(tx => tx.setting.put({ name: 'policy-failure', value: failure })),
      { status: 'fail', finding: /Policy sum of version 2 could not be evaluated/, action: /mooring policy rollback/ },
    )
    const sweep = { cause: 'period', startedAt: start - 7 * hour, after: '', checked: 3, of: 9, changed: 0, refused: 2 }
    const value = { ...sweep, revoked: 0, failed: 0 }
    await breaks(
      'policy',
      ({ store }) =>
        store.transaction(tx => tx.setting.put({ name: 'policy-reconfirmation', value: { ...value, state: 'done' } })),
      { status: 'warn', finding: /2 devices may not stay/, action: /mooring policy explain/ },
    )
    await breaks(
      'policy',
      ({ store }) =>
        store.transaction(tx =>
          tx.setting.put({ name: 'policy-reconfirmation', value: { ...value, state: 'under-way' } }),
        ),
      { status: 'warn', finding: /is at 3 of 9 devices/, action: /log of the site/ },
    )
  })

  test('stuck in onboarding', () =>
    breaks(
      'device-stuck',
      async ward => {
        await ward.device('CL2-1', [heard('CL2-1', start - 5 * hour)])
      },
      { status: 'warn', finding: /1 device began/, action: /mooring device history/ },
    ))

  test('refused again and again', async () => {
    const result = await breaking(
      'device-refused',
      async ward => {
        const life = Array.from({ length: 6 }, (_, n) => refused(start - n * 1000))
        await ward.device('CL2-1', [heard('CL2-1', start), ...life])
      },
      { status: 'warn', finding: /1 device refused/, action: /mooring errors device-identity-cloned/ },
    )
    assert.match(result.evidence?.[0] ?? '', /CL2-1: 6 times/)
  })

  test('kept out: one identity in two places, and a lost one', async () => {
    const held = (hold: 'clone' | 'lost'): DeviceEvent => ({
      kind: 'device-held',
      body: {
        hold,
        at: start,
        by: 'test',
        ...(hold === 'clone' ? { places: [{ place: '192.0.2.7', at: start }] } : {}),
      },
    })
    const result = await breaking(
      'device-held',
      async ward => {
        await ward.device('CL2-1', [held('clone')])
        await ward.device('CL2-2', [held('lost')])
      },
      { status: 'fail', finding: /1 device with an identity/, action: /mooring device resolve-clone/ },
    )
    assert.match(result.evidence?.[0] ?? '', /CL2-1: clone.*192\.0\.2\.7/)
    await breaks(
      'device-held',
      async ward => {
        await ward.device('CL2-2', [held('lost')])
      },
      { status: 'warn', finding: /1 device reported/, action: /mooring device report/ },
    )
  })

  test('whose credential ends, and has ended', async () => {
    await breaks(
      'credential-expiry',
      async ward => {
        await ward.credential(await ward.device('CL2-1'), 20)
      },
      { status: 'warn', finding: /1 credential end within 30 days/, action: /on and reach/ },
    )
    const ward = await openWard()
    try {
      await ward.credential(await ward.device('CL2-1'), 1)
      ward.pass(2 * day)
      const found = (await ward.examine()).checks.find(({ id }) => id === 'credential-expiry')
      assert.equal(found?.status, 'fail')
      assert.match(found?.evidence?.[0] ?? '', /CL2-1: ended 1 day ago/)
    } finally {
      await ward.close()
    }
  })

  test('that renewed are not told, nor is one that was withdrawn', async () => {
    const ward = await openWard()
    try {
      const renewed = await ward.device('CL2-1')
      await ward.credential(renewed, 3)
      await ward.credential(renewed, 365)
      const gone = await ward.device('CL2-2', [{ kind: 'device-withdrawn', body: { by: 'test' } }])
      await ward.credential(gone, 3)
      assert.equal(statuses(await ward.examine())['credential-expiry'], 'ok')
    } finally {
      await ward.close()
    }
  })
})

describe('a check', () => {
  test('that breaks off is a failure, not a clean bill of health', async () => {
    const ward = await openWard()
    try {
      Object.defineProperty(ward.machine, 'disk', {
        get() {
          throw Object.assign(new Error('no'), { code: 'EIO' })
        },
      })
      const found = (await ward.examine()).checks.find(({ id }) => id === 'disk-space')
      assert.deepEqual([found?.status, found?.evidence], ['fail', ['EIO']])
      assert.match(found?.action ?? '', /mooring doctor/)
    } finally {
      await ward.close()
    }
  })

  test('has an id, a title and a word about itself', () => {
    assert.equal(new Set(checks.map(({ id }) => id)).size, checks.length)
    for (const { id, title, about } of checks) {
      assert.match(id, /^[a-z]+(-[a-z]+)*$/)
      assert.ok(title.length > 0 && about.length > 20, id)
    }
  })
})

function says(ward: Ward, changes: Parameters<Ward['saying']>[0]): void {
  ward.changes.record = ward.saying(changes)
}

/** What else gets old while time passes. */
async function freshen({ machine, changes, store }: Ward): Promise<void> {
  const text = JSON.stringify({ format: 'mooring-last-backup 1', at: start + 250 * day, directory: '/mnt/safe/2' })
  put(machine, file(`${data}/last-backup.json`, { text }))
  changes.terms = { anchor: await store.checkpoint() }
}
