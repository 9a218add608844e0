import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { openOracle } from '../../../lab/walk/oracle.ts'
import type { CredentialRecord } from '../../../src/domain/credential.ts'
import { type Device, type DeviceEvent, foldDevice } from '../../../src/domain/device.ts'
import type { LifecycleMoved } from '../../../src/domain/device-life.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { LifecycleActor, LifecycleEvent, LifecycleFacts, LifecycleState } from '../../../src/domain/lifecycle.ts'
import { lifecycleFactNames } from '../../../src/domain/lifecycle-guard.ts'
import { lifecycleStateNames } from '../../../src/domain/lifecycle-table.ts'
import { createHandOver } from '../../../src/role/lifecycle/hand-over.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { buyer } from '../onboarding/neighbourhood.ts'
import { type LifeScene, minute, openLifeScene } from './scene.ts'

const oracle = openOracle()
const by = 'anna'

/** What people, time, crashes and other parties do to a device, by chance. */
type Act =
  | {
      readonly act: 'step'
      readonly pick: number
      readonly lies: boolean
      readonly actor: number
      readonly fact: number
    }
  | { readonly act: 'issue' | 'wiped' | 'sweep' | 'cancel' | 'double' }
  | { readonly act: 'pass'; readonly minutes: number }
  | { readonly act: 'declare'; readonly owner: string }
  | { readonly act: 'hand-over'; readonly facts: number; readonly transfers: boolean }

const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        act: fc.constant('step' as const),
        pick: fc.nat(),
        lies: fc.boolean(),
        actor: fc.nat(40),
        fact: fc.nat(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ act: fc.constantFrom('issue', 'wiped', 'sweep', 'cancel', 'double') }) },
    {
      weight: 1,
      arbitrary: fc.record({ act: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 900 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ act: fc.constant('declare' as const), owner: fc.constantFrom(buyer, 'bob', 'stranger') }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ act: fc.constant('hand-over' as const), facts: fc.nat(3), transfers: fc.boolean() }),
    },
  ),
  { minLength: 20, maxLength: 40 },
)

describe('whatever is asked of a life, in whatever order', () => {
  let scene: LifeScene
  let n = 0
  before(async () => {
    scene = await openLifeScene(1)
  })
  after(async () => {
    await scene.store.checkpoint()
    assert.equal((await scene.store.verify()).integrity, 'pass')
    await scene.close()
  })

  /** A revocation that dies behind its work, every fourth time. */
  let revocations = 0
  const died = new Error('died')
  const revocation = {
    async revoke(...args: Parameters<LifeScene['revocation']['revoke']>) {
      const revoked = await scene.revocation.revoke(...args)
      if (++revocations % 4 === 0) throw died
      return revoked
    },
  }

  function services(transfers: boolean) {
    const { store } = scene
    const clock = () => scene.home.now.value
    const lifecycle = createLifecycle({ store, clock, revocation, owners: [buyer], onboardingWindow: 60 * minute })
    const ownership = {
      transfer: async () => (transfers ? { state: 'done' as const } : { state: 'waiting' as const, words: 'not yet' }),
    }
    return { lifecycle, handOver: createHandOver({ store, clock, lifecycle, owners: [buyer], ownership }) }
  }

  function requestOf(device: Device, { pick, lies, actor, fact }: Act & { readonly act: 'step' }) {
    const rows = oracle.rowsFrom(device.lifecycle)
    const row = pick % 7 === 0 || rows.length === 0 ? oracle.rows[pick % 36]! : rows[pick % rows.length]!
    const way = row.when[fact % row.when.length]!
    const name = lifecycleFactNames[fact % lifecycleFactNames.length]!
    const facts = (lies ? { ...way, [name]: fact % 2 === 0 } : way) as LifecycleFacts
    const event = row.event as LifecycleEvent
    return actor < 30 ? { event, facts, by } : { event, facts, by, actor: oracle.actors[actor % 13] as LifecycleActor }
  }

  async function perform(id: string, act: Act): Promise<unknown> {
    const { lifecycle, handOver } = services(act.act === 'hand-over' && act.transfers)
    const device = await scene.device(id)
    switch (act.act) {
      case 'step':
        return lifecycle.step(id, requestOf(device, act))
      case 'double': {
        const [row] = oracle.rowsFrom(device.lifecycle)
        const step = { event: (row?.event ?? 'connect') as LifecycleEvent, facts: row?.when[0] as LifecycleFacts, by }
        const both = await Promise.allSettled([lifecycle.step(id, step), lifecycle.step(id, step)])
        for (const outcome of both) if (outcome.status === 'rejected') allowed(outcome.reason)
        return undefined
      }
      case 'issue':
        return issue(scene, device, ++n)
      case 'wiped':
        return lifecycle.wiped(id, { by })
      case 'sweep':
        return lifecycle.sweep()
      case 'cancel':
        return handOver.cancel(id, by)
      case 'pass':
        scene.home.now.value += act.minutes * minute
        return undefined
      case 'declare':
        return scene.record(id, declared(device, act.owner))
      case 'hand-over': {
        const facts: LifecycleFacts[] = [
          {},
          { wiped: true },
          { applicationInstalled: true },
          { applicationChanged: false },
        ]
        return handOver.advance(id, { to: 'bob', by, facts: facts[act.facts]! })
      }
    }
  }

  function allowed(error: unknown): void {
    if (error === died) return
    assert.ok(error instanceof OnboardingError, String(error instanceof Error ? error.stack : error))
    assert.ok(error.entry.status < 500, error.code)
  }

  async function history(id: string, after: number) {
    const events = await scene.store.history(`device/${id}`, after, 1000)
    return events.map(({ kind, body }) => ({ kind, body }) as DeviceEvent)
  }

  it('every step on record is one of the table, and justified by the facts that stand beside it', async () => {
    const taken = new Set<string>()
    const start = fc.constantFrom<LifecycleState>(...lifecycleStateNames)
    await fc.assert(
      fc.asyncProperty(start, fc.constantFrom('', buyer), acts, async (state, owner, list) => {
        const id = await scene.place(`P-${++n}`, state, owner)
        let seen = 1
        for (const act of list) {
          await perform(id, act).catch(allowed)
          const device = await scene.device(id)
          for (const event of await history(id, seen)) if (event.kind === 'lifecycle-moved') taken.add(judge(event))
          seen = device.version
          await inspect(scene, device)
        }
        assert.deepEqual(foldDevice(await history(id, 0)), await scene.device(id))
      }),
      { numRuns: 60 },
    )
    assert.ok(taken.size > 20, `only ${taken.size} of the steps came up`)
  })
})

/** What the event says was known has to be enough for the requirements, too. */
function judge({ body }: LifecycleMoved): string {
  const { transition, from, to, actor, proven, said } = body
  const row = oracle.rows.find(({ id }) => id === transition)
  assert.ok(row !== undefined, transition)
  assert.deepEqual([row.from, row.to], [from, to])
  const due = oracle.judge({ state: from, event: row.event, actor, facts: { ...said, ...proven } })
  assert.equal(typeof due === 'string' ? due : due.id, transition, JSON.stringify(body))
  return transition
}

async function inspect({ store }: LifeScene, device: Device): Promise<void> {
  const issued = await store.read(tables => tables.credential.find({ device: device.id, status: 'issued' }))
  const { lifecycle, broken, wiped } = device
  if (lifecycle === 'US.DEC' || lifecycle === 'US.EOL')
    assert.equal(issued.length, 0, 'isolated, and with a credential')
  if (broken) assert.ok(lifecycle === 'US.DEC' || lifecycle === 'US.EOL', `broken, and in ${lifecycle}`)
  if (wiped !== undefined) assert.equal(issued.length, 0, 'wiped, and with a credential')
}

/** As enrolment does, which refuses what is decommissioned. */
async function issue(scene: LifeScene, { id, lifecycle }: Device, n: number): Promise<void> {
  if (lifecycle === 'US.DEC' || lifecycle === 'US.EOL') return
  const at = scene.home.now.value
  const tbs = Buffer.from(`to be signed ${n}`)
  const sha256 = (bytes: Uint8Array) => hash('sha256', bytes, 'hex')
  const certificate = Buffer.from(`certificate ${n}`)
  const record: CredentialRecord = {
    id: sha256(tbs),
    device: id,
    kind: 'network',
    status: 'issued',
    serialHex: n.toString(16).padStart(8, '0'),
    requestHash: `request ${n}`,
    keyHash: `key ${n}`,
    issuer: 'issuing-1',
    notBefore: at,
    notAfter: at + 600 * minute,
    tbs: tbs.toString('base64'),
    certificate: certificate.toString('base64'),
  }
  const { serialHex, notAfter } = record
  const certificateHash = sha256(certificate)
  await scene.store.transaction(async tx => {
    await recordOnDevice(tx, id, () => [
      { kind: 'credential-planned', body: { credential: record.id, serialHex, notAfter } },
      { kind: 'credential-issued', body: { credential: record.id, certificateHash, notAfter } },
    ])
    await tx.credential.insert(record)
  })
}

function declared({ manufacturer, serial, declarationVersion }: Device, owner: string): DeviceEvent {
  const version = { declarationVersion: declarationVersion + 1 }
  return { kind: 'device-expected', body: { manufacturer, serial, model: '', source: 'test', owner, ...version } }
}
