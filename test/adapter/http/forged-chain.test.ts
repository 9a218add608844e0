import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectPledge } from '../../../src/adapter/http/pledge-connection.ts'
import { listenTls } from '../../../src/adapter/http/tls-endpoint.ts'
import type { TlsCredential } from '../../../src/adapter/http/tls-profile.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { certify } from '../../crypto/pki.ts'
import { dial, domain, echo, type Hierarchy, manufacturer, nextAnswer, post, recordingLog, site } from './site.ts'

/** A certificate that names a genuine CA as its issuer, and goes about with its certificate, but was not signed by it. */
async function forged({ issuing }: Hierarchy): Promise<TlsCredential> {
  const key = generateKey('P-256')
  const issuer = { certificate: issuing.certificate, signer: keySigner(generateKey('P-256')) }
  const { certificate } = await certify({ subject: 'forged', issuer, signer: keySigner(key) })
  return { key, certificateChain: [certificate.der, issuing.certificate.der] }
}

// OpenSSL verifies the chain during the handshake, and what it finds must not end the connection (tls-profile.ts).
describe('a chain with a signature that does not verify', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of a client is heard out and answered, ${version}`, async t => {
      const { port } = await site(t)
      for (let turn = 0; turn < 10; turn++) {
        const credential = await forged(manufacturer)
        const socket = await dial(t, port, { credential, minVersion: version, maxVersion: version })
        socket.write(post('/echo', 'hello'))
        assert.equal((await nextAnswer(socket)).status, 200)
        socket.destroy()
      }
    })
  }

  test('of a registrar is there for the pledge to judge', async t => {
    for (let turn = 0; turn < 10; turn++) {
      const credential = await forged(domain)
      const options = { host: '127.0.0.1', port: 0, endpoints: [echo], log: recordingLog(), limits: { drainTime: 0 } }
      const listener = await listenTls({ ...options, ...credential })
      t.after(() => listener.close())
      const connection = await connectPledge({ host: '127.0.0.1', port: listener.port, timeoutMs: 5000 })
      t.after(() => connection.close())
      const sent = credential.certificateChain.map(der => Buffer.from(der))
      assert.deepEqual(
        connection.serverCertificates.map(der => Buffer.from(der)),
        sent,
      )
      const request = { method: 'GET', path: '/echo', headers: {} } as const
      assert.equal((await connection.request(request, { timeoutMs: 5000, maxBytes: 10_000 })).status, 200)
    }
  })
})
