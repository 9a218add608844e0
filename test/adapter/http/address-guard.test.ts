import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isPermitted, permittedAddresses } from '../../../src/adapter/http/address-guard.ts'

describe('addresses that may be connected to', () => {
  for (const address of [
    '8.8.8.8',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '172.32.0.1',
    '100.128.0.1',
  ]) {
    test(`anyway: ${address}`, () => {
      assert.equal(isPermitted(address, false), true)
      assert.equal(isPermitted(address, true), true)
    })
  }
  const nearby = [
    ...['127.0.0.1', '127.255.255.254', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254'],
    ...['100.64.0.1', '::1', '0:0:0:0:0:0:0:1', 'fc00::1', 'fd12::1', 'fe80::1', 'febf::1'],
    ...['::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '64:ff9b::7f00:1', '::FFFF:10.0.0.1'],
  ]
  for (const address of nearby) {
    test(`only if the operator says so: ${address}`, () => {
      assert.equal(isPermitted(address, false), false)
      assert.equal(isPermitted(address, true), true)
    })
  }
  const never = [
    ...['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.1.1', '255.255.255.255', '240.0.0.1', '192.0.2.1', '198.18.0.1'],
    ...['::', 'ff02::1', '2001:db8::1', '2002:7f00:1::', '2001::1', 'fec0::1', '::ffff:0.0.0.0', '64:ff9b:1::1'],
    ...['fe80::1%eth0', 'localhost', '', '127.1', '1.2.3.4.5'],
  ]
  for (const address of never) {
    test(`never: ${address || '(nothing)'}`, () => {
      assert.equal(isPermitted(address, false), false)
      assert.equal(isPermitted(address, true), false)
    })
  }
})

describe('a name', () => {
  const resolve = async (host: string) => {
    assert.equal(host, 'masa.test')
    return [
      { address: '10.0.0.1', family: 4 },
      { address: '8.8.8.8', family: 4 },
      { address: '::1', family: 6 },
    ]
  }

  test('keeps those of its addresses that are permitted', async () => {
    assert.deepEqual(await permittedAddresses('masa.test', false, resolve), [{ address: '8.8.8.8', family: 4 }])
    assert.equal((await permittedAddresses('masa.test', true, resolve)).length, 3)
  })

  test('that is an address is not asked for', async () => {
    assert.deepEqual(await permittedAddresses('127.0.0.1', false, resolve), [])
    assert.deepEqual(await permittedAddresses('::1', true, resolve), [{ address: '::1', family: 6 }])
  })
})
