import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Attempt, askAgain, prepare } from '../../lab/all-in-one/pledge.ts'
import type { Reply } from '../../lab/all-in-one/wire.ts'
import { openFileKeyStore } from '../../src/adapter/key/file.ts'
import type { EventView } from '../../src/app/api/contract/audit.ts'
import { freePort } from '../../src/app/free-port.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import type { OnboardingError } from '../../src/domain/error.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { needsPostgres, type PostgresServer, startPostgres } from '../postgres.ts'
import { silentLog } from '../store.ts'
import {
  deviceOf,
  dialAsBorn,
  dialAsMember,
  host,
  openTwoProcesses,
  type SiteProcess,
  type TwoProcesses,
  upArgs,
} from './two-process.ts'

void describe('two processes of one site, one PostgreSQL', { ...needsPostgres(), timeout: 240_000 }, () => {
  let server: PostgresServer
  let site: TwoProcesses
  let first: SiteProcess
  let second: SiteProcess

  before(async () => {
    server = await startPostgres()
    site = await openTwoProcesses(server)
    ;[first, second] = site.processes
  })
  after(async () => {
    await site.close()
    await server.stop()
  })

  /** The answer of a process to a device, once that process has heard of its manufacturer. */
  async function heard(attempt: Attempt, at: SiteProcess): Promise<Reply> {
    for (;;) {
      const reply = await enter(attempt, at)
      if (!reply.body.toString().startsWith('idevid-untrusted:')) return reply
    }
  }

  const enter = (request: Attempt, at: Pick<SiteProcess, 'port'>) =>
    askOnce(request, at, brskiPath.requestVoucher, 'voucher-cms+json')

  test('that start for the first time at one moment become one site, with one administrator', async () => {
    const tokens = site.processes.filter(({ service }) => service.ready['token'] !== undefined)
    assert.equal(tokens.length, 1)
    const shown = await Promise.all(site.processes.map(({ api }) => api.siteShow()))
    assert.deepEqual(shown[0]?.domainIds, shown[1]?.domainIds)
    const keys = await openFileKeyStore({ directory: join(String(first.service.ready['data']), 'keys') })
    assert.deepEqual(await keys.list(), ['issuing-1', 'ledger', 'offers', 'registrar-1', 'root'])
    const { items } = await second.api.tokenList()
    assert.equal(items.filter(({ name }) => name === 'first-administrator').length, 1)
    const made = (await history(first)).filter(({ kind }) => kind === 'issuer-established').map(({ stream }) => stream)
    assert.deepEqual(made.toSorted(), ['issuer/issuing-1', 'issuer/registrar-1', 'issuer/root'])
  })

  test('let nobody in who has other keys', async () => {
    const other = join(String(first.service.ready['data']), '../other')
    const { code, json } = await site.shell.process([...upArgs(other), '--json'], { MOORING_STORE: site.storeUrl })
    assert.equal((json()['error'] as { code: string }).code, 'keys-differ')
    assert.equal(code, 1)
  })

  test('hear of a manufacturer that one of them is told to trust, and onboard sixty devices between them', async () => {
    const { attempts, manifest } = await site.make('S', 60)
    // The second has looked, and knows nobody.
    assert.match((await enter(attempts[0]!, second)).body.toString(), /^idevid-untrusted:/)
    await site.trust(first)
    assert.equal((await heard(attempts[0]!, second)).status, 202)
    const report = await first.api.manifestImport({ body: { manifest } })
    // One of them was waiting.
    assert.deepEqual([report.new, report.updated, report.refused], [59, 1, []])
    await Promise.all(attempts.map((attempt, n) => site.onboard(attempt, site.processes[n % 2]!)))
    for (const { api } of site.processes) {
      const { items } = await api.deviceList({ query: { rung: 'connected', limit: 1000 } })
      assert.deepEqual(items.map(({ id }) => id).toSorted(), attempts.map(deviceOf).toSorted())
    }
    // What one of them has answered, the other one knows.
    for (const [n, attempt] of attempts.slice(0, 6).entries()) {
      const { voucher } = await askAgain(attempt, { port: site.processes[(n + 1) % 2]!.port, masaRoot: root() })
      assert.deepEqual(voucher, attempt.voucher)
    }
  })

  test('give one answer to a request that comes to both at one moment', async () => {
    const { attempts, manifest } = await site.make('B', 16)
    await second.api.manifestImport({ body: { manifest } })
    const registrar = (await dialAsBorn(attempts[0]!, first)).serverChain[0]!
    for (const attempt of attempts) await prepare(attempt, registrar)
    await Promise.all(
      attempts.map(async attempt => {
        const wires = await Promise.all(site.processes.map(each => dialAsBorn(attempt, each)))
        const both = (path: string, type: string, body: string | Buffer) =>
          Promise.all(wires.map(wire => wire.ask('POST', path, `application/${type}`, body)))
        same(await both(brskiPath.requestVoucher, 'voucher-cms+json', attempt.request!))
        same(await both(brskiPath.voucherStatus, 'json', JSON.stringify({ version: 1, status: true })))
        const [issued] = same(await both('/.well-known/est/simpleenroll', 'pkcs10', attempt.csr!))
        assert.ok(issued!.body.length > 0)
        for (const wire of wires) wire.close()
      }),
    )
    const entries = await site.maker.store.read(tables => tables.issuedVoucher.find({}, { limit: 1000 }))
    for (const attempt of attempts) {
      const { items } = await first.api.deviceHistory({ params: { id: deviceOf(attempt) }, query: {} })
      const count = (kind: string) => items.filter(event => event.kind === kind).length
      assert.deepEqual(['voucher-obtained', 'credential-planned', 'credential-issued'].map(count), [1, 1, 1])
      assert.equal(entries.filter(({ serial }) => serial === attempt.unit.serial).length, 1)
    }
  })

  test('act on what a person decided at the other one, at once', async () => {
    const { attempts } = await site.make('W', 2)
    const [welcome, unwelcome] = attempts as [Attempt, Attempt]
    for (const attempt of attempts) {
      assert.equal((await enter(attempt, second)).status, 202)
      assert.equal((await enter(attempt, first)).status, 202)
    }
    const { items } = await second.api.approvalList({ query: {} })
    assert.deepEqual(items.map(({ id }) => id).toSorted(), attempts.map(deviceOf).toSorted())
    await first.api.approvalGrant({ params: { id: deviceOf(welcome) } })
    await first.api.approvalDeny({ params: { id: deviceOf(unwelcome) } })
    assert.equal((await enter(welcome, second)).status, 200)
    const refused = await enter(unwelcome, second)
    assert.deepEqual([refused.status, refused.body.toString().split(':')[0]], [403, 'device-denied'])
    await second.api.deviceWithdraw({ params: { id: deviceOf(welcome) }, body: { reason: 'lost' } })
    assert.match((await enter(welcome, first)).body.toString(), /^device-withdrawn:/)
  })

  test('end a credential that is revoked at the other one, at once, and number their CRLs without a double', async () => {
    const { attempts, manifest } = await site.make('R', 12)
    await first.api.manifestImport({ body: { manifest } })
    await Promise.all(attempts.map((attempt, n) => site.onboard(attempt, site.processes[n % 2]!)))
    const open = await Promise.all(attempts.map((attempt, n) => dialAsMember(attempt, site.processes[n % 2]!)))
    for (const wire of open) assert.equal((await wire.ask('GET', presencePath)).status, 200)
    const serials = attempts.map(({ certificate }) => decodeCertificate(certificate!).serialHex)
    await Promise.all(
      attempts.map(async (attempt, n) => {
        const { api } = site.processes[(n + 1) % 2]!
        const { items } = await api.credentialList({ query: { device: deviceOf(attempt) } })
        await api.credentialRevoke({ params: { id: items[0]!.id }, body: { reason: 'keyCompromise' } })
        // On a connection that was open before.
        const refused = await open[n]!.ask('GET', presencePath)
        assert.match(refused.body.toString(), /^credential-not-in-force:/)
      }),
    )
    const lists = await Promise.all(
      site.processes.map(async each => {
        const { status, body } = await (await dialAsBorn(attempts[0]!, each)).ask('GET', '/crl/issuing-1.crl')
        assert.equal(status, 200)
        return body
      }),
    )
    assert.deepEqual(lists[0], lists[1])
    const { revoked } = decodeCertificateList(lists[0]!)
    for (const serial of serials) assert.ok(revoked.has(serial))
    const numbers = (await history(first))
      .filter(({ kind }) => kind === 'crl-numbered')
      .map(({ body }) => body['number'])
    assert.ok(numbers.length >= 12)
    assert.equal(new Set(numbers).size, numbers.length)
  })

  test('stop trusting a manufacturer that the other one was told to distrust', async () => {
    const { attempts, manifest } = await site.make('D', 1)
    await first.api.manifestImport({ body: { manifest } })
    await first.api.manufacturerDistrust({ params: { name: 'acme' } })
    // At once; that it is trusted again may take a moment to get about.
    assert.match((await enter(attempts[0]!, second)).body.toString(), /^idevid-untrusted:/)
    await site.trust(second)
    assert.equal((await heard(attempts[0]!, first)).status, 200)
  })

  test('have written one record, in two lanes, and told everybody all of it, each event once', async () => {
    const anchor = await first.api.auditCheckpoint()
    const verdict = await second.api.auditVerify({ body: { anchor } })
    assert.deepEqual([verdict.integrity, verdict.completeness], ['pass', 'pass'])
    const all = await history(second)
    assert.equal(all.length, verdict.events)
    assert.deepEqual([...new Set(all.map(({ lane }) => lane))].toSorted(), ['lane-1', 'lane-2'])
    const names = all.map(({ stream, version }) => `${stream} ${version}`).toSorted()
    assert.equal(new Set(names).size, names.length)
    for (const { told } of site.processes) {
      await told.until(events => events.length >= names.length)
      assert.deepEqual(told.events.toSorted(), names)
    }
  })

  test('share a port of their machine, when they are told to', async () => {
    const port = await freePort(host)
    const args = [...upArgs(String(first.service.ready['data']), port), '--reuse-port']
    const more = await Promise.all([1, 2].map(() => site.shell.start(args, { MOORING_STORE: site.storeUrl })))
    const { attempts } = await site.make('P', 40)
    for (const { status } of await Promise.all(attempts.map(attempt => enter(attempt, { port }))))
      assert.equal(status, 202)
    const streams = new Set(attempts.map(attempt => `device/${deviceOf(attempt)}`))
    const lanes = (await history(first)).filter(({ stream }) => streams.has(stream)).map(({ lane }) => lane)
    assert.deepEqual([...new Set(lanes)].toSorted(), ['lane-3', 'lane-4'])
    for (const service of more) assert.equal((await service.stop()).code, 0)
  })

  function root() {
    return site.maker.manufacturer.masaRoot
  }
})

void describe('starts of several processes on one record', { ...needsPostgres(), timeout: 120_000 }, () => {
  let server: PostgresServer
  let directory: string
  before(async () => {
    server = await startPostgres()
    directory = await mkdtemp(join(tmpdir(), 'mooring-first-'))
  })
  after(async () => {
    await server.stop()
    await rm(directory, { recursive: true })
  })

  const begin = (name: string, storeUrl: string, clock = Date.now) => {
    const data = join(directory, name)
    return openSite({ network: 'home', owner: 'home', data, storeUrl, clock, host, port: 0, log: silentLog })
  }

  test('at one moment, with the same keys, make one root, one registrar certificate and one token', async () => {
    for (let round = 0; round < 8; round++) {
      const place = await server.place()
      const sites = await Promise.all([1, 2, 3].map(() => begin(`same-${round}`, place.url)))
      const tokens = await Promise.all(sites.map(each => each.firstToken()))
      assert.equal(tokens.filter(token => token !== undefined).length, 1)
      for (const part of ['root', 'registrar'] as const) {
        const made = sites.map(({ authority }) => (part === 'root' ? authority.root : authority.registrar.certificate))
        assert.equal(new Set(made.map(({ der }) => Buffer.from(der).toString('hex'))).size, 1, part)
      }
      assert.equal((await sites[0]!.store.verify(await sites[1]!.store.checkpoint())).completeness, 'pass')
      for (const each of sites) await each.close()
      await place.remove()
    }
  })

  test('with a copy of the keys: each machine renews the certificate of its registrar by itself', async t => {
    const place = await server.place()
    let now = Date.now()
    const clock = () => now
    const [one, two] = ['copy-1', 'copy-2']
    const here = await begin(one, place.url, clock)
    t.after(() => here.close())
    await cp(join(directory, one, 'keys'), join(directory, two, 'keys'), { recursive: true })
    const there = await begin(two, place.url, clock)
    t.after(() => there.close())
    const label = (site: Site) => site.authority.registrarLabel
    assert.deepEqual([label(here), label(there)], ['registrar-1', 'registrar-1'])
    now += 300 * 86_400_000
    assert.ok(await here.renewRegistrar())
    assert.ok(await there.renewRegistrar())
    assert.deepEqual([label(here), label(there)], ['registrar-2', 'registrar-3'])
    const again = await begin(two, place.url, clock)
    t.after(() => again.close())
    assert.equal(label(again), 'registrar-3')
    assert.deepEqual(again.authority.issuing.certificate.der, here.authority.issuing.certificate.der)
  })

  test('at one moment, with keys of their own, are one site and one clear refusal, which has written nothing', async () => {
    for (let round = 0; round < 8; round++) {
      const place = await server.place()
      const starts = await Promise.allSettled([1, 2].map(n => begin(`own-${round}-${n}`, place.url)))
      const [opened, ...more] = starts.filter(each => each.status === 'fulfilled').map(({ value }) => value)
      assert.ok(opened !== undefined && more.length === 0)
      const [refused] = starts.filter(each => each.status === 'rejected')
      assert.equal((refused!.reason as OnboardingError).code, 'keys-differ')
      const { events } = await opened.store.feed({}, 1000)
      assert.equal(new Set(events.map(({ lane }) => lane)).size, 1)
      assert.deepEqual((await opened.store.verify(await opened.store.checkpoint())).completeness, 'pass')
      await opened.close()
      await place.remove()
    }
  })
})

/** One request with the birth certificate, on a connection of its own. */
async function askOnce(attempt: Attempt, at: Pick<SiteProcess, 'port'>, path: string, type: string): Promise<Reply> {
  const wire = await dialAsBorn(attempt, at)
  try {
    await prepare(attempt, wire.serverChain[0]!)
    return await wire.ask('POST', path, `application/${type}`, attempt.request)
  } finally {
    wire.close()
  }
}

/** Both succeeded, in the same words. */
function same(replies: readonly Reply[]): readonly Reply[] {
  for (const { status, body } of replies) assert.equal(status, 200, body.toString())
  assert.deepEqual(replies[0]?.body, replies[1]?.body)
  return replies
}

async function history({ api }: SiteProcess): Promise<readonly EventView[]> {
  const all: EventView[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await api.eventList({ query: { limit: 1000, ...(cursor === undefined ? {} : { cursor }) } })
    if (page.items.length === 0) return all
    all.push(...page.items)
    cursor = page.cursor
  }
}
