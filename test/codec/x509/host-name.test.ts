import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import { addressOctets, hostName } from '../../../src/codec/x509/host-name.ts'

describe('hostName', () => {
  it('tells addresses from names', () => {
    assert.deepEqual(hostName('127.0.0.1'), { type: 'iPAddress', value: Buffer.from([127, 0, 0, 1]) })
    assert.deepEqual(hostName('::1'), { type: 'iPAddress', value: Buffer.from(`${'00'.repeat(15)}01`, 'hex') })
    assert.deepEqual(hostName('Registrar.Example'), { type: 'dNSName', value: 'registrar.example' })
    assert.deepEqual(addressOctets('2001:db8::ffff:192.0.2.1')?.toString('hex'), '20010db8000000000000ffffc0000201')
  })

  it('refuses what is neither', () => {
    for (const bad of ['', '-a', 'a..b', 'a b', 'fe80::1%eth0', '1:2:3', '::1::', 'x'.repeat(254)]) {
      assert.throws(() => hostName(bad), CodecError, bad)
    }
  })

  it('knows exactly the addresses that node knows', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(...'0123afAF:.'.split('')) })),
        text => {
          assert.equal(addressOctets(text) !== undefined, isIP(text) !== 0, text)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('reads the same address from every spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), octets => {
        const full = Buffer.from(octets).toString('hex').match(/.{4}/g)?.join(':') ?? ''
        assert.deepEqual(addressOctets(full), Buffer.from(octets))
        const short = new URL(`http://[${full}]`).hostname.slice(1, -1)
        assert.deepEqual(addressOctets(short), Buffer.from(octets))
      }),
    )
  })
})
