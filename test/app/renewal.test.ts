import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import { apiServices } from '../../src/app/api/listen.ts'
import { openSite } from '../../src/app/site.ts'
import { silentLog } from '../store.ts'

const day = 86_400_000

/** What the site shows to whoever connects. */
async function shown(port: number): Promise<X509Certificate> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  assert.ok(certificate)
  return certificate
}

describe('the certificate of the registrar', () => {
  it('is renewed while the site runs, in the last third of its life, for new connections and for the API', async () => {
    const data = await mkdtemp(join(tmpdir(), 'mooring-renewal-'))
    const now = { value: Date.UTC(2026, 10, 20) }
    const site = await openSite({
      network: 'home',
      owner: 'me',
      data: join(data, 'site'),
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
      clock: () => now.value,
    })
    try {
      const renewals: number[] = []
      site.onRenewal(({ certificateChain }) => renewals.push(certificateChain.length))
      const first = await shown(site.port)
      now.value += 240 * day
      assert.equal(await site.renewRegistrar(), false)
      now.value += 10 * day
      assert.equal(await site.renewRegistrar(), true)
      assert.equal(await site.renewRegistrar(), false)
      const second = await shown(site.port)
      assert.notEqual(second.fingerprint256, first.fingerprint256)
      assert.ok(!second.publicKey.equals(first.publicKey), 'a key of its own')
      assert.equal(second.issuer, first.issuer)
      assert.deepEqual(Buffer.from(site.authority.registrar.certificate.der), second.raw)
      assert.deepEqual(Buffer.from(apiServices(site).site.registrar.der), second.raw)
      assert.deepEqual(renewals, [2])
    } finally {
      await site.close()
      await rm(data, { recursive: true })
    }
  })
})
