import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { vlanAttributes } from '../../../src/codec/radius.ts'
import type { AccessRequest } from '../../../src/role/authorization/access-server.ts'
import { accessServer, sharedSecret } from '../../adapter/network/access.ts'
import { needs } from '../../peer.ts'
import { access, authenticate, type KeyKind } from './supplicant.ts'

const versions = ['TLSv1.2', 'TLSv1.3'] as const
const kinds: readonly KeyKind[] = ['P-256', 'P-384', 'RSA-2048']

suite('eapol_test and the embedded access server', needs('eapol_test'), () => {
  for (const kind of kinds) {
    for (const version of versions) {
      test(`${kind}, ${version}: fragments of 100, 500 and 1,300 octets, and again; keys agree`, async () => {
        const pki = await access(kind)
        const device = await pki.device('lamp 1')
        const server = await accessServer(pki)
        try {
          for (const fragment of [100, 500, 1300]) {
            const request = { port: server.port, secret: sharedSecret, device, ca: pki.ca, version, fragment, again: 2 }
            const { success, keysAgreed, output } = await authenticate(request)
            assert.ok(success, output.slice(-3000))
            assert.equal(keysAgreed, 3)
            assert.match(output, version === 'TLSv1.3' ? /TLSv1\.3/ : /TLSv1\.2/)
          }
          assert.equal(server.service.underWay(), 0)
          assert.deepEqual(server.failures, [])
        } finally {
          await server.close()
        }
      })
    }
  }

  for (const version of versions) {
    test(`${version}: the decision sees the certificate, the port and the station, and its answer arrives`, async () => {
      const pki = await access()
      const device = await pki.device('lamp 2')
      const seen: AccessRequest[] = []
      const decide = async (request: AccessRequest) => {
        seen.push(request)
        return { verdict: 'accept', attributes: vlanAttributes(120) } as const
      }
      const server = await accessServer(pki, { decide })
      try {
        const request = { port: server.port, secret: sharedSecret, device, ca: pki.ca, version, identity: 'admin' }
        const { success, output } = await authenticate(request)
        assert.ok(success, output.slice(-3000))
        assert.match(output, /Attribute 81 \(Tunnel-Private-Group-Id\)[^\n]*\n[^\n]*313230/)
        const { certificates, ...rest } = seen[0]!
        assert.deepEqual(Buffer.from(certificates[0]!), Buffer.from(device.certificate.der))
        const { identity, station, port, client } = rest
        assert.deepEqual([identity, station, port, client], ['admin', '02:00:00:00:00:11', 'port3', 'gw1'])
      } finally {
        await server.close()
      }
    })

    test(`${version}: a decision against the device ends in a Reject, and no key is handed out`, async () => {
      const pki = await access()
      const device = await pki.device('lamp 3')
      const server = await accessServer(pki, { decide: async () => ({ verdict: 'reject', code: 'device-withdrawn' }) })
      try {
        const request = { port: server.port, secret: sharedSecret, device, ca: pki.ca, version }
        const { success, output } = await authenticate(request)
        assert.equal(success, false)
        assert.match(output, /Access-Reject/)
        assert.doesNotMatch(output, /MS-MPPE|Access-Accept/)
        assert.equal(server.service.underWay(), 0)
      } finally {
        await server.close()
      }
    })

    test(`${version}: a supplicant that does not trust the server says so, and its reason is on record`, async () => {
      const pki = await access()
      const stranger = await access()
      const device = await pki.device('lamp 4')
      const server = await accessServer(pki)
      try {
        const request = { port: server.port, secret: sharedSecret, device, ca: stranger.ca, version }
        const { success } = await authenticate(request)
        assert.equal(success, false)
        assert.equal(server.failures.length, 1)
        assert.equal(server.failures[0]!.reason, 'tls-failed')
        assert.match(server.failures[0]!.detail!, /ALERT|SSL/)
      } finally {
        await server.close()
      }
    })
  }

  test('a wrong RADIUS secret gets no answer at all', async () => {
    const pki = await access()
    const device = await pki.device('lamp 5')
    const server = await accessServer(pki)
    try {
      const request = {
        port: server.port,
        secret: 'wrong',
        device,
        ca: pki.ca,
        version: 'TLSv1.3' as const,
        timeout: 2,
      }
      const { success } = await authenticate(request)
      assert.equal(success, false)
      assert.equal(server.counters.answered, 0)
      assert.ok(server.counters.unauthentic > 0)
    } finally {
      await server.close()
    }
  })
})
