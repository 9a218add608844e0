import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import fc from 'fast-check'
import { decodePem, decodePemBlock, encodePem } from '../../src/codec/pem.ts'
import { needs } from '../peer.ts'
import { refused, total } from './refused.ts'

const block = (body: string, label = 'CERTIFICATE') => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`

test('blocks come back as they went in, many in one text, with text between', () => {
  const labels = fc.constantFrom('CERTIFICATE', 'X509 CRL', 'CERTIFICATE REQUEST', 'EC PRIVATE KEY', 'PKCS7')
  const blocks = fc.array(fc.tuple(labels, fc.uint8Array({ minLength: 1, maxLength: 300 })), { maxLength: 5 })
  fc.assert(
    fc.property(blocks, fc.constantFrom('\n', '\r\n'), (list, newline) => {
      const text = list.map(([label, bytes]) => `Subject: x\n${encodePem(label, bytes)}`).join('\n\n')
      const read = decodePem(text.replaceAll('\n', newline))
      assert.deepEqual(
        read.map(({ label, bytes }) => [label, new Uint8Array(bytes)]),
        list,
      )
    }),
  )
  assert.equal(encodePem('CERTIFICATE', Buffer.alloc(48)), block('A'.repeat(64)))
  assert.equal(encodePem('CERTIFICATE', Buffer.alloc(49)), block(`${'A'.repeat(64)}\nAA==`))
  assert.deepEqual(decodePem(''), [])
  assert.deepEqual(decodePem('nothing here\n'), [])
})

test('a block is well-formed or refused', () => {
  const cases = [
    '-----BEGIN CERTIFICATE-----\nAAAA\n',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE----\n',
    '-----END CERTIFICATE-----\n',
    '-----BEGIN certificate-----\nAAAA\n-----END certificate-----\n',
    '-----BEGIN -----\nAAAA\n-----END -----\n',
    '-----BEGIN A  B-----\nAAAA\n-----END A  B-----\n',
    '-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n',
    block(''),
    block('AAA'),
    block('AAAA====AAAA'),
    block('AA==\nAAAA'),
    block('AA AA'),
    block(' AAAA'),
    block('Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA'),
    block(`AAAA\n-----BEGIN CERTIFICATE-----\nAAAA`),
  ]
  for (const text of cases) refused('bad-encoding', () => decodePem(text))
  refused('too-large', () => decodePem('x'.repeat(0x10_0001)))
  refused('too-many', () => decodePem(block('AAAA', 'A').repeat(1001)))
  refused('bad-value', () => encodePem('certificate', Buffer.alloc(1)))
  refused('bad-value', () => encodePem('A\nB', Buffer.alloc(1)))
})

test('one block of one kind', () => {
  assert.equal(decodePemBlock('CERTIFICATE', block('AAAA')).toString('hex'), '000000')
  refused('bad-encoding', () => decodePemBlock('CERTIFICATE', 'AAAA'))
  refused('bad-value', () => decodePemBlock('PRIVATE KEY', block('AAAA')))
  refused('trailing-bytes', () => decodePemBlock('CERTIFICATE', block('AAAA') + block('AAAA')))
})

test('any text whatever: blocks or a CodecError', () => {
  const line = fc.constantFrom(
    '-----BEGIN A-----',
    '-----END A-----',
    '-----BEGIN B-----',
    'AAAA',
    'AA==',
    '',
    'x y',
    '-----',
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), lines => {
      total(() => decodePem(lines.join('\n')), 1000)
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
      total(() => decodePem(text), text.length)
    }),
  )
})

test('openssl reads what we write and writes what we read', needs('openssl'), () => {
  const key = execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-outform', 'DER'])
  const text = execFileSync('openssl', ['pkey', '-inform', 'PEM'], { input: encodePem('PRIVATE KEY', key) }).toString()
  assert.equal(Buffer.compare(decodePemBlock('PRIVATE KEY', text), key), 0)
})
