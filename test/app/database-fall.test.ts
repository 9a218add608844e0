import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Attempt, askAgain, prepare, Refused } from '../../lab/all-in-one/pledge.ts'
import type { Reply } from '../../lab/all-in-one/wire.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { needsPostgres, type PostgresServer, startPostgres } from '../postgres.ts'
import {
  deviceOf,
  dialAsBorn,
  dialAsMember,
  openTwoProcesses,
  type SiteProcess,
  type TwoProcesses,
} from './two-process.ts'

void describe('a site whose PostgreSQL falls as in a power failure', { ...needsPostgres(), timeout: 240_000 }, () => {
  let server: PostgresServer
  let site: TwoProcesses
  let first: SiteProcess
  let second: SiteProcess

  before(async () => {
    server = await startPostgres({ own: true })
    site = await openTwoProcesses(server)
    ;[first, second] = site.processes
    await site.trust(first)
    await second.told.until(events => events.includes('manufacturer/acme 1'))
  })
  after(async () => {
    await site.close()
    await server.stop()
  })

  async function bought(batch: string, count: number): Promise<readonly Attempt[]> {
    const { attempts, manifest } = await site.make(batch, count)
    await first.api.manifestImport({ body: { manifest } })
    return attempts
  }

  test('answers 503 with the time to come back, to whatever it is asked, and goes on by itself', async () => {
    const [member, vouched, born] = (await bought('A', 3)) as [Attempt, Attempt, Attempt]
    await site.onboard(member, first)
    const [memberWire, vouchedWire, bornWire] = [
      await dialAsMember(member, second),
      await dialAsBorn(vouched, second),
      await dialAsBorn(born, first),
    ]
    for (const attempt of [vouched, born]) await prepare(attempt, bornWire.serverChain[0]!)
    const voucher = (wire: typeof bornWire, { request }: Attempt) =>
      wire.ask('POST', brskiPath.requestVoucher, 'application/voucher-cms+json', request)
    assert.equal((await voucher(vouchedWire, vouched)).status, 200)
    const requests = () =>
      Promise.all([
        voucher(bornWire, born),
        vouchedWire.ask('POST', '/.well-known/est/simpleenroll', 'application/pkcs10', vouched.csr),
        memberWire.ask('GET', presencePath),
      ])

    await server.fall()
    for (const { status, headers, body } of await requests()) {
      assert.equal(status, 503, body.toString())
      assert.match(headers.get('retry-after') ?? '', /^\d+$/)
      assert.match(body.toString(), /^store-unavailable:/)
    }
    for (const { service, api } of site.processes) {
      await assert.rejects(api.siteShow(), { code: 'store-unavailable' })
      const authorization = `Bearer mrg_${'x'.repeat(43)}`
      const refused = await fetch(`${String(service.ready['url'])}/v1/site`, { headers: { authorization } })
      assert.equal(refused.status, 503)
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
    }
    await server.rise()
    const replies: readonly Reply[] = await requests()
    for (const { status, body } of replies) assert.equal(status, 200, body.toString())
    for (const { api } of site.processes) await api.siteShow()
    for (const attempt of [vouched, born]) await site.onboard(attempt, second)
  })

  test('loses nothing that it has acknowledged, and does nothing twice', async () => {
    const attempts = await bought('B', 24)
    let requests = 0
    let falls = 0
    let standing = Promise.resolve()
    const sent = () => {
      // In the middle of whatever is under way.
      if (++requests % 40 !== 0 || falls === 3) return
      falls++
      standing = standing.then(() => server.restart())
    }
    await Promise.all(
      attempts.map(async (attempt, n) => {
        for (let at = n; attempt.connected === undefined; at++) {
          try {
            await site.onboard(attempt, site.processes[at % 2]!, sent)
          } catch (error) {
            assert.ok(error instanceof Refused && error.status === 503, String(error))
            await standing
          }
        }
      }),
    )
    await standing
    assert.equal(falls, 3)
    for (const attempt of attempts) {
      const again = await askAgain(attempt, { port: first.port, masaRoot: site.maker.manufacturer.masaRoot })
      assert.deepEqual(again, { voucher: attempt.voucher, certificate: attempt.certificate })
      const { items } = await second.api.deviceHistory({ params: { id: deviceOf(attempt) }, query: {} })
      const count = (kind: string) => items.filter(event => event.kind === kind).length
      const once = ['voucher-obtained', 'credential-planned', 'credential-issued', 'device-connected']
      assert.deepEqual(once.map(count), [1, 1, 1, 1])
    }
  })

  test('has one record afterwards, and tells everybody all of it, each event once', async () => {
    const verdict = await first.api.auditVerify({ body: { anchor: await second.api.auditCheckpoint() } })
    assert.deepEqual([verdict.integrity, verdict.completeness], ['pass', 'pass'], JSON.stringify(verdict.firstBad))
    for (const { told } of site.processes) {
      await told.until(events => events.length >= verdict.events)
      assert.equal(new Set(told.events).size, verdict.events)
    }
  })
})
