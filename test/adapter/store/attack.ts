import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type DeviceEvent, foldDevice } from '../../../src/domain/device.ts'
import { checkpointBytes, entryHash, type LedgerEntry } from '../../../src/domain/ledger.ts'
import type { Checkpoint, LedgerVerdict, Store, Tx } from '../../../src/domain/port.ts'
import { openTestStoreAt, type StorePlace, type TestStore } from '../../store.ts'
import { aDevice, aPlan, expected, happened, heard } from './sample.ts'

/** What somebody with full access to the database, but without the signing key, can do, and how it shows. */
export function storeAttacks(place: () => Promise<StorePlace>): void {
  /** Two checkpoints are in the ledger and one, newer, is kept elsewhere; three events follow it. */
  const attack: Attack = (name, work) => {
    void test(name, async () => {
      const opened = await openTestStoreAt(await place(), { schedule: () => () => {} })
      try {
        const { store } = opened
        const first = await fill(store, 'a')
        await fill(store, 'b')
        const anchor = await store.checkpoint()
        await store.transaction(tx => tx.append('site/tail', 0, [happened(1), happened(2), happened(3)]))
        const sound = await store.verify(anchor)
        assert.deepEqual([sound.integrity, sound.completeness], ['pass', 'pass'])
        const [entry] = (await store.feed({}, 1)).events
        await work({ opened, anchor, first, lane: entry!.lane, alter: sql => opened.place.execute(sql) })
      } finally {
        await opened.close()
      }
    })
  }
  alteration(attack)
  displacement(attack)
  cutting(attack)
  forgedCheckpoints(attack)
  falseState(attack)
  anotherLedger(attack, place)
}

type Attack = (name: string, work: (victim: Victim) => Promise<void>) => void

function alteration(attack: Attack): void {
  attack('an altered body shows', async ({ opened, lane, alter }) => {
    await alter(`update event set body = replace(body, 'acme', 'evil') where sequence = 2`)
    const verdict = await opened.store.verify()
    assert.equal(verdict.integrity, 'fail')
    assert.deepEqual(verdict.firstBad, { lane, sequence: 2, reason: 'it does not match its hash' })
  })

  for (const change of ["stream = 'device/another'", 'version = 77', 'at = at + 1', "kind = 'device-withdrawn'"]) {
    attack(`an event with ${change} shows`, async ({ opened, lane, alter }) => {
      await alter(`update event set ${change} where sequence = 2`)
      const verdict = await opened.store.verify()
      assert.equal(verdict.integrity, 'fail')
      assert.deepEqual(verdict.firstBad, { lane, sequence: 2, reason: 'it does not match its hash' })
    })
  }

  attack('a hash made anew shows in the next event', async ({ opened, lane, alter }) => {
    const [, entry] = await entries(opened.store)
    const body = entry!.body.replace('acme', 'evil')
    await alter(`update event set body = '${body}', hash = '${entryHash({ ...entry!, body })}' where sequence = 2`)
    const verdict = await opened.store.verify()
    assert.deepEqual(verdict.firstBad, { lane, sequence: 3, reason: 'it does not name the event before it' })
  })

  attack('a whole chain made anew shows in the checkpoints', async ({ opened, lane, first, alter }) => {
    const all = await entries(opened.store)
    const from = all[1]!
    const forged = rechain(all.slice(1), { ...from, body: from.body.replace('acme', 'evil') })
    for (const entry of forged) {
      const { body, previous, hash, sequence } = entry
      await alter(
        `update event set body = '${body}', previous = '${previous}', hash = '${hash}' where sequence = ${sequence}`,
      )
    }
    const verdict = await opened.store.verify()
    assert.equal(verdict.integrity, 'fail')
    const { sequence } = first.lanes[0]!
    assert.deepEqual(verdict.firstBad, { lane, sequence, reason: 'a checkpoint has another hash' })
  })
}

function displacement(attack: Attack): void {
  attack('an event taken out of the middle shows', async ({ opened, lane, alter }) => {
    await alter('delete from event where sequence = 2')
    const verdict = await opened.store.verify()
    assert.deepEqual([verdict.integrity, verdict.completeness], ['fail', 'fail'])
    assert.deepEqual(verdict.firstBad, { lane, sequence: 2, reason: 'it is missing' })
  })

  attack('a beginning that is taken away shows', async ({ opened, lane, alter }) => {
    await alter('delete from event where sequence < 3')
    const { firstBad } = await opened.store.verify()
    assert.deepEqual(firstBad, { lane, sequence: 1, reason: 'it is missing' })
  })

  attack('an event put before the beginning of the chain shows', async ({ opened, lane, alter }) => {
    const columns = 'stream, at, kind, body, previous, hash, origin'
    await alter(
      `insert into event(lane, sequence, version, ${columns}) select lane, 0, 3, ${columns} from event where sequence = 2`,
    )
    const { integrity, firstBad } = await opened.store.verify()
    assert.deepEqual([integrity, firstBad?.lane, firstBad?.sequence], ['fail', lane, 0])
  })

  attack('an event hidden from the history of its stream shows', async ({ opened, lane, alter }) => {
    const all = await entries(opened.store)
    const { sequence } = all.find(({ version }) => version > 1)!
    await alter(`update event set origin = origin + 1000 where sequence = ${sequence}`)
    const { integrity, firstBad } = await opened.store.verify()
    assert.equal(integrity, 'fail')
    assert.equal(firstBad?.lane, lane)
  })

  attack('a stream in another place shows', async ({ opened, alter }) => {
    const [entry] = await entries(opened.store)
    await alter(`update event set origin = 77 where stream = '${entry!.stream}'`)
    const { integrity, firstBad } = await opened.store.verify()
    assert.equal(integrity, 'fail')
    assert.equal(firstBad?.reason, 'it is not in the place of its stream')
  })

  attack('two events in each other’s place show', async ({ opened, lane, alter }) => {
    await alter('update event set sequence = 1002 where sequence = 2')
    await alter('update event set sequence = 2 where sequence = 3')
    await alter('update event set sequence = 3 where sequence = 1002')
    const { integrity, firstBad } = await opened.store.verify()
    assert.equal(integrity, 'fail')
    assert.deepEqual([firstBad?.lane, firstBad?.sequence], [lane, 2])
  })
}

function cutting(attack: Attack): void {
  attack('an end cut off before a checkpoint shows without an anchor', async ({ opened, lane, anchor, alter }) => {
    const { sequence } = anchor.lanes[0]!
    await alter(`delete from event where sequence >= ${sequence}`)
    const verdict = await opened.store.verify()
    assert.equal(verdict.completeness, 'fail')
    assert.deepEqual(verdict.firstBad, { lane, sequence, reason: 'it is missing, and a checkpoint counts it' })
  })

  attack('an end cut off after the last checkpoint is not called complete', async ({ opened, anchor, alter }) => {
    await alter(`delete from event where stream = 'site/tail'`)
    assert.deepEqual(await opened.store.verify(), unanchored(anchor.lanes[0]!.sequence, 3))
    // The anchor was made before what is missing: it can say nothing about it.
    assert.equal((await opened.store.verify(anchor)).completeness, 'pass')
  })

  attack(
    'an end cut off together with its checkpoints shows with an anchor',
    async ({ opened, first, anchor, alter }) => {
      const { sequence } = first.lanes[0]!
      await alter(`delete from event where sequence > ${sequence}`)
      await alter('delete from checkpoint where number > 1')
      await alter(`delete from device where serial = 'b'`)
      assert.deepEqual(await opened.store.verify(), unanchored(sequence, 1))
      const verdict = await opened.store.verify(anchor)
      assert.equal(verdict.completeness, 'fail')
      const { lane, sequence: counted } = anchor.lanes[0]!
      assert.deepEqual(verdict.firstBad, { lane, sequence: counted, reason: 'it is missing, and the anchor counts it' })
    },
  )
}

function forgedCheckpoints(attack: Attack): void {
  attack('a checkpoint forged with another key shows', async ({ opened, anchor, alter }) => {
    const mallory = keySigner(generateKey('P-256'))
    const forged = { ...anchor, key: mallory.spkiDer.toString('base64') }
    const signature = (await mallory.sign(checkpointBytes(forged))).toString('base64')
    await alter(`update checkpoint set key = '${forged.key}', signature = '${signature}' where number = 3`)
    const verdict = await opened.store.verify()
    assert.equal(verdict.integrity, 'fail')
    assert.deepEqual(verdict.firstBad, {
      lane: 'checkpoint',
      sequence: 3,
      reason: 'a checkpoint is signed with a key that does not count',
    })
    const withMallory = await opened.store.verify({ ...forged, signature })
    assert.equal(withMallory.completeness, 'fail')
  })

  attack('a checkpoint altered, taken out or put in again shows', async ({ opened, alter }) => {
    const { store } = opened
    await alter('update checkpoint set at = at + 1 where number = 2')
    const altered = await store.verify()
    assert.equal(altered.integrity, 'fail')
    assert.equal(altered.firstBad?.reason, 'the signature of a checkpoint does not verify')
    await alter('update checkpoint set at = at - 1 where number = 2')
    assert.equal((await store.verify()).integrity, 'pass')
    await alter('update checkpoint set number = 9 where number = 2')
    const missing = await store.verify()
    assert.equal(missing.integrity, 'fail')
    assert.deepEqual(missing.firstBad, { lane: 'checkpoint', sequence: 2, reason: 'the checkpoint is missing' })
    await alter('delete from checkpoint where number = 9')
    await alter('update checkpoint set number = 2 where number = 3')
    const closed = await store.verify()
    assert.equal(closed.firstBad?.reason, 'it does not name the checkpoint before it')
  })
}

function falseState(attack: Attack): void {
  attack('a current state that is rolled back, altered, missing or invented shows', async ({ opened, lane, alter }) => {
    const { store } = opened
    const { device } = aDevice('a')
    const good = JSON.stringify(device)
    const old = JSON.stringify(foldDevice([expected('a')]))
    const fails = async (reason: RegExp): Promise<LedgerVerdict> => {
      const verdict = await store.verify()
      assert.equal(verdict.integrity, 'fail')
      assert.match(verdict.firstBad?.reason ?? '', reason)
      return verdict
    }
    await alter(`update device set body = '${old}' where serial = 'a'`)
    const { firstBad } = await fails(/^the current state of device \w+ is not what its events say$/)
    assert.deepEqual([firstBad?.lane, firstBad?.sequence], [lane, 2])
    await alter(`update device set body = '${good}', owner = 'them' where serial = 'a'`)
    await fails(/is not what its events say$/)
    await alter(`update device set owner = 'us' where serial = 'a'`)
    assert.equal((await store.verify()).integrity, 'pass')
    await alter(`update device set id = 'x' where serial = 'a'`)
    await fails(/is missing from the current state$/)
    await alter(`update device set id = '${device.id}' where serial = 'a'`)
    await store.transaction(tx => tx.device.put(aDevice('invented').device))
    await fails(/^device \w+ has no events$/)
  })

  attack('a credential back in force, a token of an intruder, or another anchor shows', async ({ opened, alter }) => {
    const { store } = opened
    const { device, events, credential } = aPlan('d')
    const anchors = { name: 'acme', anchors: ['YQ=='], masaAnchors: [], masaPrivateAddress: false }
    const trusted = { ...anchors, ignoreIdevidLifetime: false, quirks: [], addedAt: 1 }
    const token = { id: 't1', name: 'ward', role: 'auditor', hash: 'h1', createdAt: 1 } as const
    const revoked: DeviceEvent[] = [
      { kind: 'credential-issued', body: { credential: credential.id, certificateHash: hash('sha256', 'a') } },
      { kind: 'credential-revoked', body: { credential: credential.id, reason: 'unspecified', by: 'us' } },
    ]
    const ended = { status: 'revoked', certificate: 'YQ==', revokedAt: 1, revocationReason: 'unspecified' } as const
    await store.transaction(async tx => {
      await tx.append(`device/${device.id}`, 0, [...events, ...revoked])
      await tx.device.put(foldDevice([...events, ...revoked])!)
      await tx.credential.insert({ ...credential, ...ended })
      const { addedAt: _, ...terms } = trusted
      await tx.append('manufacturer/acme', 0, [{ kind: 'manufacturer-trusted', body: { ...terms, by: 'us' } }])
      await tx.manufacturer.put(trusted)
      const { name, role, hash: tokenHash } = token
      await tx.append('token/t1', 0, [{ kind: 'token-created', body: { name, role, tokenHash, by: 'us' } }])
      await tx.token.insert(token)
    })
    assert.equal((await store.verify()).integrity, 'pass')
    const fails = async (work: Promise<unknown>, reason: RegExp) => {
      await work
      assert.match((await store.verify()).firstBad?.reason ?? 'nothing', reason)
    }
    const put = (work: (tx: Tx) => Promise<void>) => store.transaction(work)
    const issued = { ...credential, status: 'issued', certificate: 'YQ==' } as const
    const standing = { ...credential, ...ended }
    await fails(
      put(tx => tx.credential.put(issued)),
      /^status of credential \w+ is not what its events say$/,
    )
    await fails(
      put(tx => tx.credential.put({ ...standing, certificate: 'Yg==' })),
      /^certificateHash of credential/,
    )
    await put(tx => tx.credential.put(standing))
    await fails(alter(`update credential set status = 'issued'`), /^the columns of credential \w+ are not what/)
    await fails(alter('delete from credential'), /^credential \w+ is missing from the current state$/)
    await put(tx => tx.credential.insert(standing))
    await fails(
      put(tx => tx.manufacturer.put({ ...trusted, anchors: ['Yg=='] })),
      /^anchors of manufacturer acme is not/,
    )
    await put(tx => tx.manufacturer.put(trusted))
    await fails(
      put(tx => tx.token.put({ ...token, role: 'administrator' })),
      /^role of token t1 is not/,
    )
    await fails(
      put(tx => tx.token.put({ ...token, hash: 'h2' })),
      /^hash of token t1 is not/,
    )
    await put(tx => tx.token.put(token))
    await fails(alter(`update token set body = 'x'`), /^token t1 in the current state cannot be read$/)
    await put(tx => tx.token.put(token))
    await fails(
      put(tx => tx.token.insert({ ...token, id: 't2', hash: 'h2' })),
      /^1 of the current state of token have no events$/,
    )
  })

  attack('events that no device could have had show', async ({ opened }) => {
    const { store } = opened
    const { device } = aDevice('c')
    await store.transaction(tx => tx.append(`device/${device.id}`, 0, [heard('c', 'x'), { kind: 'no-such', body: {} }]))
    const verdict = await store.verify()
    assert.equal(verdict.integrity, 'fail')
    assert.match(verdict.firstBad?.reason ?? '', /^an event of kind no-such means nothing to a device$/)
  })

  attack('a stream moved under another device shows', async ({ opened }) => {
    const { store } = opened
    await store.transaction(async tx => {
      await tx.append('device/somebody-else', 0, [expected('c')])
      await tx.device.put({ ...aDevice('c').device, id: 'somebody-else' })
    })
    assert.match((await store.verify()).firstBad?.reason ?? '', /^device somebody-else is not the one/)
  })
}

function anotherLedger(attack: Attack, place: () => Promise<StorePlace>): void {
  attack('the ledger of another store is not the one of the anchor', async ({ opened, anchor }) => {
    const other = await openTestStoreAt(await place(), { signer: opened.signer })
    try {
      await fill(other.store, 'a')
      await fill(other.store, 'b')
      await fill(other.store, 'c')
      const verdict = await other.store.verify(anchor)
      assert.equal(verdict.integrity, 'fail')
      assert.match(verdict.firstBad?.reason ?? '', /^the anchor has another hash$/)
    } finally {
      await other.close()
    }
  })
}

interface Victim {
  readonly opened: TestStore
  readonly lane: string
  readonly first: Checkpoint
  readonly anchor: Checkpoint
  readonly alter: (statement: string) => Promise<void>
}

async function fill(store: Store, serial: string): Promise<Checkpoint> {
  const { device, events } = aDevice(serial)
  await store.transaction(async tx => {
    await tx.append(`device/${device.id}`, 0, events)
    await tx.device.put(device)
    await tx.append(`site/${serial}`, 0, [happened(1)])
  })
  return store.checkpoint()
}

async function entries(store: Store): Promise<LedgerEntry[]> {
  const { events } = await store.feed({}, 100)
  return events.map(event => ({ ...event, body: JSON.stringify(sorted(event.body)) }))
}

/** Our samples nest no objects. */
function sorted(body: object): object {
  return Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function rechain(all: readonly LedgerEntry[], altered: LedgerEntry): LedgerEntry[] {
  let previous = altered.previous
  return all.map(entry => {
    const next = { ...(entry.sequence === altered.sequence ? altered : entry), previous }
    previous = entryHash(next)
    return { ...next, hash: previous }
  })
}

function unanchored(events: number, checkpoints: number): LedgerVerdict {
  return { integrity: 'pass', completeness: 'unanchored', events, checkpoints }
}
