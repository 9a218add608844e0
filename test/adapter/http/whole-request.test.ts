import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { readWholeRequest } from '../../../src/adapter/http/whole-request.ts'

const limits = { header: 1000, body: 100 }
const read = (text: string) => readWholeRequest(Buffer.from(text, 'latin1'), limits)

describe('a whole request', () => {
  test('with a body', () => {
    const request = read('POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Type:\t text/plain \r\nContent-Length: 3\r\n\r\nabc')
    assert.deepEqual(
      { ...request, body: request?.body.toString() },
      {
        method: 'POST',
        url: '/a?b',
        headers: { host: 'x', 'content-type': 'text/plain', 'content-length': '3' },
        body: 'abc',
      },
    )
  })

  test('without one', () => {
    for (const text of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST / HTTP/1.1\r\nhost: x\r\nConnection: Keep-Alive\r\n\r\n',
    ])
      assert.equal(read(text)?.body.length, 0)
  })

  const host = 'Host: x\r\n'
  const others: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a beginning', 'GET / HTTP/1.1\r\nHost: x\r\n'],
    ['a body that is not all there', `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nabc`],
    ['more than one', `GET / HTTP/1.1\r\n${host}\r\nGET / HTTP/1.1\r\n${host}\r\n`],
    ['octets behind it', `POST / HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nabc`],
    ['another method', `HEAD / HTTP/1.1\r\n${host}\r\n`],
    ['a method in lower case', `get / HTTP/1.1\r\n${host}\r\n`],
    ['another version', `GET / HTTP/1.0\r\n${host}\r\n`],
    ['absolute-form', `GET https://x/ HTTP/1.1\r\n${host}\r\n`],
    ['authority-form', `GET x:443 HTTP/1.1\r\n${host}\r\n`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${host}\r\n`],
    ['an octet beyond ASCII in the target', `GET /\xe9 HTTP/1.1\r\n${host}\r\n`],
    ['no host', 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n'],
    ['an empty host', 'GET / HTTP/1.1\r\nHost: \r\n\r\n'],
    ['two hosts', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
    ['two hosts in other letters', `GET / HTTP/1.1\r\n${host}HOST: y\r\n\r\n`],
    ['two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
    ['a list of lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 3, 3\r\n\r\nabc`],
    ['a length with a sign', `POST / HTTP/1.1\r\n${host}Content-Length: +3\r\n\r\nabc`],
    ['a length with a zero before it', `POST / HTTP/1.1\r\n${host}Content-Length: 03\r\n\r\nabc`],
    ['a length in hexadecimal', `POST / HTTP/1.1\r\n${host}Content-Length: 0x3\r\n\r\nabc`],
    ['an empty length', `POST / HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`],
    ['chunks', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['both', `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['an expectation', `POST / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n`],
    ['an upgrade', `GET / HTTP/1.1\r\n${host}Upgrade: websocket\r\n\r\n`],
    ['a connection that is to be closed', `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`],
    ['a space before a colon', `GET / HTTP/1.1\r\n${host}Accept : x\r\n\r\n`],
    ['a folded line', `GET / HTTP/1.1\r\n${host}Accept: x\r\n y\r\n\r\n`],
    ['a line without a colon', `GET / HTTP/1.1\r\n${host}Accept\r\n\r\n`],
    ['a line feed alone', `GET / HTTP/1.1\r\n${host}Accept: x\nTransfer-Encoding: chunked\r\n\r\n`],
    ['a carriage return alone', `GET / HTTP/1.1\r\n${host}Accept: x\rTransfer-Encoding: chunked\r\n\r\n`],
    ['a NUL', `GET / HTTP/1.1\r\n${host}Accept: \0\r\n\r\n`],
    ['an octet beyond ASCII in a field', `GET / HTTP/1.1\r\n${host}Accept: \xe9\r\n\r\n`],
    ['a body with GET', `GET / HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\na`],
    ['a header that is too long', `GET / HTTP/1.1\r\n${host}Accept: ${'x'.repeat(1000)}\r\n\r\n`],
    ['a body that is too long', `POST / HTTP/1.1\r\n${host}Content-Length: 101\r\n\r\n${'x'.repeat(101)}`],
    ['__proto__', `GET / HTTP/1.1\r\n${host}__proto__: x\r\n\r\n`],
  ]
  for (const [what, text] of others) {
    test(`${what} is left to node:http`, () => assert.equal(read(text), undefined))
  }

  test('whatever the octets', () => {
    const piece = fc.constantFrom(
      'GET',
      'POST',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      '\r',
      '\n',
      'Host',
      ':',
      'x',
      'Content-Length',
      '1',
      '\0',
      '\xff',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
        const text = pieces.join('')
        const request = read(text)
        if (request === undefined) return
        assert.ok(request.url.startsWith('/'))
        assert.equal(request.headers['content-length'] ?? '0', `${request.body.length}`)
        for (const value of Object.values(request.headers)) assert.match(value, /^[\t\x20-\x7e]*$/)
      }),
    )
  })
})
