import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { getCACertificates, type SecureVersion, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import { listenTls } from '../../../src/adapter/http/tls-endpoint.ts'
import type { TlsCredential } from '../../../src/adapter/http/tls-profile.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Peer } from '../../../src/domain/port.ts'
import { certify } from '../../crypto/pki.ts'
import * as site from './site.ts'

const versions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
const only = (version: SecureVersion) => ({ minVersion: version, maxVersion: version })

/** The peers that an endpoint saw, one for each request. */
function watcher() {
  const seen: Peer[] = []
  return {
    seen,
    endpoint: site.endpoint(({ peer }) => {
      seen.push(peer)
      return { status: 204 }
    }),
  }
}

async function get(socket: TLSSocket): Promise<number> {
  socket.write('GET / HTTP/1.1\r\nHost: registrar\r\n\r\n')
  return (await site.nextAnswer(socket)).status
}

const selfSigned: TlsCredential = await (async () => {
  const key = generateKey('P-384')
  const { certificate } = await certify({ subject: 'nobody', signer: keySigner(key) })
  return { key, certificateChain: [certificate.der] }
})()

const { root, issuing } = site.manufacturer
const [leaf] = site.idevid.certificateChain
/** What a client sends, and what of it an endpoint gets to see. */
const chains: readonly [string, TlsCredential | undefined, readonly Uint8Array[]][] = [
  ['end entity and intermediate', site.idevid, [leaf!, issuing.certificate.der]],
  [
    'with the root',
    { ...site.idevid, certificateChain: [leaf!, issuing.certificate.der, root.certificate.der] },
    [leaf!, issuing.certificate.der, root.certificate.der],
  ],
  ['end entity alone', { ...site.idevid, certificateChain: [leaf!] }, [leaf!]],
  ['self-signed', selfSigned, selfSigned.certificateChain],
  ['none', undefined, []],
]

const hex = (list: readonly Uint8Array[]) => list.map(der => Buffer.from(der).toString('hex'))

describe('who the peer is', () => {
  for (const version of versions) {
    for (const [what, credential, expected] of chains) {
      test(`${version}: the chain as it was sent: ${what}`, async t => {
        const { seen, endpoint } = watcher()
        const { port } = await site.site(t, { endpoints: [endpoint] })
        const socket = await site.dial(t, port, { ...(credential && { credential }), ...only(version) })
        assert.equal(await get(socket), 204)
        assert.deepEqual(hex(seen[0]!.certificates), hex(expected))
        assert.deepEqual(hex([seen[0]!.certificate ?? []].flat()), hex(expected.slice(0, 1)))
        assert.deepEqual(Buffer.from(seen[0]!.localCertificate), Buffer.from(site.registrar.certificateChain[0]!))
      })
    }

    // nodejs/node#65579: once OpenSSL has verified a chain, Node hands out its end entity alone.
    test(`${version}: the whole chain, even where the process trusts its root`, async t => {
      const before = getCACertificates('default')
      t.after(() => setDefaultCACertificates(before))
      setDefaultCACertificates([...before, encodePem('CERTIFICATE', root.certificate.der)])
      const { seen, endpoint } = watcher()
      const { port } = await site.site(t, { endpoints: [endpoint] })
      assert.equal(await get(await site.dial(t, port, { credential: site.idevid, ...only(version) })), 204)
      assert.deepEqual(hex(seen[0]!.certificates), hex(site.idevid.certificateChain))
    })

    test(`${version}: no session is resumed, so that no identity rests on a ticket`, async t => {
      const { seen, endpoint } = watcher()
      const { port } = await site.site(t, { endpoints: [endpoint] })
      const first = await site.dial(t, port, { credential: site.idevid, ...only(version) })
      const sessions: Buffer[] = []
      first.on('session', session => sessions.push(session))
      await get(first)
      const session = sessions.at(-1) ?? first.getSession()
      assert.ok(session !== undefined)
      for (const credential of [site.idevid, undefined]) {
        const again = await site.dial(t, port, { ...(credential && { credential }), ...only(version), session })
        assert.equal(again.isSessionReused(), false)
        await get(again)
      }
      assert.deepEqual(hex(seen[1]!.certificates), hex(site.idevid.certificateChain))
      assert.deepEqual(seen[2]!.certificates, [])
    })

    test(`${version}: both ends compute the same channel binding`, async t => {
      const { seen, endpoint } = watcher()
      const { port } = await site.site(t, { endpoints: [endpoint] })
      const socket = await site.dial(t, port, { credential: site.idevid, ...only(version) })
      await get(socket)
      const ours = seen[0]!.channelBinding()
      const theirs =
        version === 'TLSv1.3'
          ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
          : socket.getFinished()
      assert.ok(ours !== undefined && theirs !== undefined)
      assert.deepEqual(Buffer.from(ours), Buffer.from(theirs))
      assert.equal(seen[0]!.channelBinding(), ours)
    })
  }

  test('one peer for all requests of a connection, another for the next connection', async t => {
    const { seen, endpoint } = watcher()
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const first = await site.dial(t, port)
    await get(first)
    await get(first)
    await get(await site.dial(t, port))
    assert.equal(seen[0], seen[1])
    assert.notEqual(seen[0]!.connection, seen[2]!.connection)
    assert.equal(seen[0]!.address, `127.0.0.1:${first.localPort}`)
  })

  test('a connection that is gone has no identity, rather than an empty one', async t => {
    const asked = Promise.withResolvers<Peer>()
    const gone = Promise.withResolvers<void>()
    const slow = site.endpoint(async ({ peer }) => {
      asked.resolve(peer)
      await gone.promise
      peer.channelBinding()
      return { status: 204 }
    })
    const log = site.recordingLog()
    const listener = await site.site(t, { endpoints: [slow], log })
    const socket = await site.dial(t, listener.port, { credential: site.idevid })
    socket.write('GET / HTTP/1.1\r\nHost: registrar\r\n\r\n')
    const peer = await asked.promise
    const known = peer.certificate
    socket.destroy()
    await listener.close()
    assert.throws(() => peer.certificates, { name: 'ConnectionGone' })
    assert.throws(() => peer.channelBinding(), { name: 'ConnectionGone' })
    assert.equal(peer.certificate, known)
    gone.resolve()
    await gone.promise
    assert.deepEqual(
      log.lines.filter(({ level }) => level !== 'info'),
      [],
    )
  })
})

describe('which TLS', () => {
  test('TLS 1.1, CBC and static RSA are refused; the listener lives', async t => {
    const log = site.recordingLog()
    const listener = await site.site(t, { log })
    const old = [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-AES128-SHA256' },
      { ...only('TLSv1.2'), ciphers: 'AES128-GCM-SHA256' },
      { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
      { ...only('TLSv1.3'), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
      { ecdhCurve: 'X25519' },
    ] as const
    for (const options of old) await assert.rejects(site.dial(t, listener.port, options), /alert|version/i)
    assert.equal(listener.counters.handshakesFailed, old.length)
    assert.equal(log.lines.filter(({ text }) => text === 'TLS handshake failed').length, old.length)
    assert.equal(await get(await site.dial(t, listener.port)), 404)
  })

  test('a client that offers another key share first is asked for P-256', async t => {
    const { port } = await site.site(t)
    const socket = await site.dial(t, port, { ...only('TLSv1.3'), ecdhCurve: 'X25519:P-256' })
    assert.deepEqual(socket.getEphemeralKeyInfo(), { type: 'ECDH', name: 'prime256v1', size: 256 })
  })

  test('TLS 1.2 is not renegotiated', async t => {
    const { seen, endpoint } = watcher()
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const socket = await site.dial(t, port, only('TLSv1.2'))
    await get(socket)
    const failed = once(socket, 'error')
    socket.renegotiate({}, () => {})
    assert.equal(((await failed) as [NodeJS.ErrnoException])[0].code, 'ERR_SSL_NO_RENEGOTIATION')
    assert.equal(seen.length, 1)
  })
})

describe('the credential of the listener', () => {
  test('changes for new connections; an open one tells the certificate that it was opened with', async t => {
    const { seen, endpoint } = watcher()
    const listener = await site.site(t, { endpoints: [endpoint] })
    const { port } = listener
    const used = await site.dial(t, port)
    await get(used)
    const unused = await site.dial(t, port)
    const next = await site.credential(site.domain, { subject: 'registrar 2' })
    listener.setCredential(next)
    const fresh = await site.dial(t, port)
    for (const socket of [used, unused, fresh]) await get(socket)
    const [old] = site.registrar.certificateChain
    const expected = [old!, old!, old!, next.certificateChain[0]!]
    assert.deepEqual(hex(seen.map(peer => peer.localCertificate)), hex(expected))
    const shown = fresh.getPeerCertificate(true)
    assert.deepEqual(hex([shown.raw, shown.issuerCertificate.raw]), hex(next.certificateChain))
  })
})

describe('the port', () => {
  const options = { host: '127.0.0.1', endpoints: [], log: site.recordingLog(), ...site.registrar }

  test('in use', async t => {
    const { port } = await site.site(t)
    await assert.rejects(
      listenTls({ ...options, port }),
      error => error instanceof OnboardingError && error.code === 'port-in-use' && error.detail['port'] === port,
    )
  })

  test('of an address that is not ours', async () => {
    await assert.rejects(
      listenTls({ ...options, host: '192.0.2.1', port: 0 }),
      error => error instanceof OnboardingError && error.code === 'input-invalid' && error.detail['field'] === 'host',
    )
  })

  test('shared by two listeners', { skip: process.platform !== 'linux' && 'reusePort is for Linux' }, async t => {
    const first = await listenTls({ ...options, port: 0, reusePort: true })
    t.after(() => first.close())
    const second = await listenTls({ ...options, port: first.port, reusePort: true })
    t.after(() => second.close())
    for (let i = 0; i < 20; i++) (await site.dial(t, first.port)).destroy()
    assert.equal(first.counters.connections + second.counters.connections, 20)
  })
})
