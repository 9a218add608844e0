import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptedFormats, brskiPath, formatOf, masaBaseUrl, mediaTypeOf } from '../../../src/protocol/brski/endpoint.ts'
import { formats } from './party.ts'

test('RFC 8995 5.2 to 5.9: paths; only voucher_status has an underscore', () => {
  assert.deepEqual(brskiPath, {
    requestVoucher: '/.well-known/brski/requestvoucher',
    voucherStatus: '/.well-known/brski/voucher_status',
    requestAuditLog: '/.well-known/brski/requestauditlog',
    enrollStatus: '/.well-known/brski/enrollstatus',
  })
})

test('media types, with or without parameters', () => {
  for (const format of formats) assert.equal(formatOf(mediaTypeOf(format)), format)
  assert.equal(formatOf(' Application/Voucher-CMS+JSON ; charset=utf-8'), 'voucher-cms+json')
  for (const other of ['', 'application/json', 'voucher-cms+json', 'application/voucher-cms+jsonx', '*/*'])
    assert.equal(formatOf(other), undefined)
})

test('what an Accept header allows, best first', () => {
  const accepted = (accept: string | undefined) => acceptedFormats(accept, 'voucher-cms+json')
  assert.deepEqual(accepted(undefined), ['voucher-cms+json'])
  assert.deepEqual(accepted(''), ['voucher-cms+json'])
  assert.deepEqual(accepted('*/*'), ['voucher-cms+json'])
  assert.deepEqual(accepted('application/voucher-jws+json'), ['voucher-jws+json'])
  assert.deepEqual(accepted('application/voucher-cms+json;q=0.5, application/voucher+cose'), [
    'voucher+cose',
    'voucher-cms+json',
  ])
  assert.deepEqual(accepted('application/voucher-cms+json;q=0'), [])
  assert.deepEqual(accepted('text/html, application/json'), [])
  assert.deepEqual(accepted('application/voucher-jws+json;q=x'), [])
})

test('RFC 8995 2.3.2: the base URL of a MASA', () => {
  const rows = {
    'masa.example.com': 'https://masa.example.com/.well-known/brski',
    'highway-test.example.com:9443': 'https://highway-test.example.com:9443/.well-known/brski',
    'https://masa.example.com/.well-known/brski': 'https://masa.example.com/.well-known/brski',
    'https://masa.example.com/brski/': 'https://masa.example.com/brski',
    'https://masa.example.com/': 'https://masa.example.com',
    '[2001:db8::1]:443': 'https://[2001:db8::1]/.well-known/brski',
  }
  for (const [value, url] of Object.entries(rows)) assert.equal(masaBaseUrl(value), url)
  assert.throws(() => masaBaseUrl(undefined), { code: 'masa-unknown' })
  assert.throws(() => masaBaseUrl(''), { code: 'masa-unknown' })
})

test('addresses that are not asked', () => {
  const wrong = [
    'http://masa.example.com/',
    'file:///etc/passwd',
    'https://user:secret@masa.example.com/',
    'user@masa.example.com',
    'https://masa.example.com/?x=1',
    'https://masa.example.com/#x',
    'masa.example.com?x',
    'https:///x',
    'https://',
    'masa example',
    'https:\\\\masa.example.com/',
    'https://masa.example.com\\@evil.example/',
    'https://masa.example.com/\u0009x',
    'HTTPS://masa.example.com/',
    '//masa.example.com',
    'javascript:alert(1)//',
  ]
  for (const value of wrong) assert.throws(() => masaBaseUrl(value), { code: 'masa-address-refused' }, value)
})
