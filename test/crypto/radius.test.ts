import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac, hash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { suite, test } from 'node:test'
import { decodeRadius, encodeRadius, radiusAttribute, radiusCode, textAttribute } from '../../src/codec/radius.ts'
import {
  mppeKeyAttributes,
  openSalted,
  sealRadiusQuestion,
  sealRadiusRequest,
  sealRadiusResponse,
  tunnelPasswordAttribute,
  verifyRadiusRequest,
  verifyRadiusResponse,
} from '../../src/crypto/radius.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { needs } from '../peer.ts'

const secret = new Secret('xyzzy5461')
const other = new Secret('xyzzy5462')
const question = (attributes = [textAttribute(radiusAttribute.userName, 'nemo')]) => ({
  code: radiusCode.accessRequest,
  identifier: 5,
  authenticator: randomBytes(16),
  attributes,
})
const check = (bytes: Buffer, by = secret) => verifyRadiusRequest(bytes, decodeRadius(bytes), by)
const refused = { code: 'bad-signature' }

suite('A RADIUS request', () => {
  test('with the secret is taken, with another one refused', () => {
    const bytes = sealRadiusQuestion(question(), secret)
    check(bytes)
    assert.throws(() => check(bytes, other), refused)
  })

  test('is refused when any of its octets is another', () => {
    const bytes = sealRadiusQuestion(question(), secret)
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes)
      forged[at]! ^= 1
      // Octets that make it another packet altogether may be refused by the decoder.
      assert.throws(
        () => check(forged),
        error => ['CodecError', 'CryptoError'].includes((error as Error).name),
        `${at}`,
      )
    }
  })

  test('without a Message-Authenticator is refused, although RFC 2865 allows it', () => {
    assert.throws(() => check(encodeRadius(question())), refused)
  })

  test('with two Message-Authenticators, or a short one, is refused', () => {
    const { messageAuthenticator: type } = radiusAttribute
    const twice = sealRadiusQuestion(question([{ type, value: Buffer.alloc(16) } as never]), secret)
    assert.throws(() => check(twice), refused)
    const short = encodeRadius({ ...question(), attributes: [{ type, value: Buffer.alloc(15) }] })
    assert.throws(() => check(short), refused)
  })

  test('may have its Message-Authenticator anywhere', () => {
    const { messageAuthenticator: type } = radiusAttribute
    const attributes = [textAttribute(1, 'a'), { type, value: Buffer.alloc(16) }, textAttribute(32, 'gw')]
    const bytes = encodeRadius({ ...question(), attributes })
    createHmac('md5', secret.reveal())
      .update(bytes)
      .digest()
      .copy(bytes, 20 + 3 + 2)
    check(bytes)
  })

  test('for accounting is proven by its authenticator', () => {
    const accounting = { code: radiusCode.accountingRequest, identifier: 1, attributes: [textAttribute(44, 's1')] }
    const plain = encodeRadius({ ...accounting, authenticator: Buffer.alloc(16) })
    hash('md5', Buffer.concat([plain, secret.reveal()]), 'buffer').copy(plain, 4)
    check(plain)
    check(sealRadiusRequest(accounting, secret))
    plain[plain.length - 1]! ^= 1
    assert.throws(() => check(plain), refused)
    // A random authenticator, as in an Access-Request, proves nothing here.
    assert.throws(() => check(sealRadiusQuestion({ ...accounting, authenticator: randomBytes(16) }, secret)), refused)
  })
})

suite('A RADIUS response', () => {
  test('of RFC 2865 section 7.1 has the printed authenticator, and is refused for want of a Message-Authenticator', () => {
    const request = { identifier: 0, authenticator: Buffer.from('0f403f9473978057bd83d5cb98f4227a', 'hex') }
    const accept = '0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103'
    const bytes = Buffer.from(accept, 'hex')
    verifyRadiusResponse(bytes, decodeRadius(bytes), request, { secret, optional: true })
    assert.throws(() => verifyRadiusResponse(bytes, decodeRadius(bytes), request, { secret }), refused)
  })

  test('belongs to its request, and is bound to every octet', () => {
    const request = question()
    const bytes = sealRadiusResponse({ code: 2, attributes: [textAttribute(18, 'welcome')] }, request, secret)
    verifyRadiusResponse(bytes, decodeRadius(bytes), request, { secret })
    assert.equal(bytes[20], radiusAttribute.messageAuthenticator)
    const verify = (forged: Buffer, asked = request, by = secret) =>
      verifyRadiusResponse(forged, decodeRadius(forged), asked, { secret: by, optional: true })
    assert.throws(() => verify(bytes, question()), refused)
    assert.throws(() => verify(bytes, { ...request, identifier: 6 }), refused)
    assert.throws(() => verify(bytes, request, other), refused)
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes)
      forged[at]! ^= 0x10
      assert.throws(
        () => verify(forged),
        error => ['CodecError', 'CryptoError'].includes((error as Error).name),
        `${at}`,
      )
    }
  })

  test('a Reject cannot be made an Accept by who does not know the secret (Blast-RADIUS)', () => {
    const request = question()
    const reject = sealRadiusResponse({ code: 3, attributes: [] }, request, secret)
    // Whatever collision of MD5 an attacker finds for the authenticator, the Message-Authenticator is an HMAC.
    const forged = Buffer.from(reject)
    forged[0] = 2
    forged.fill(0, 4, 20)
    const digest = hash('md5', Buffer.concat([forged, secret.reveal()]), 'buffer')
    digest.copy(forged, 4)
    assert.throws(() => verifyRadiusResponse(forged, decodeRadius(forged), request, { secret }), refused)
  })

  test('hides keys so that only the two sides read them', () => {
    const terms = { requestAuthenticator: randomBytes(16), secret, random: randomBytes }
    const [receive, send] = [randomBytes(32), randomBytes(32)]
    const attributes = mppeKeyAttributes({ receive, send }, terms)
    const inner = attributes.map(({ value }) => Buffer.from(value).subarray(6))
    assert.deepEqual(openSalted(inner[0]!, terms), receive)
    assert.deepEqual(openSalted(inner[1]!, terms), send)
    const salts = inner.map(value => value.readUInt16BE())
    assert.notEqual(salts[0], salts[1])
    assert.ok(salts.every(salt => salt >= 0x8000))
    assert.notDeepEqual(tryOpen(inner[0]!, { ...terms, secret: other }), receive)
    for (const length of [8, 15, 16, 63]) {
      const passphrase = new Secret('p'.repeat(length))
      const { value } = tunnelPasswordAttribute(passphrase, terms)
      assert.equal(openSalted(Buffer.from(value).subarray(1), terms).toString(), 'p'.repeat(length))
    }
    assert.throws(() => openSalted(inner[0]!.subarray(1), terms), { code: 'key-mismatch' })
  })
})

function tryOpen(value: Uint8Array, terms: Parameters<typeof openSalted>[1]): Buffer | undefined {
  try {
    return openSalted(value, terms)
  } catch {
    return undefined
  }
}

suite('With FreeRADIUS', () => {
  test('radclient makes requests that are taken, and takes the answers', needs('radclient'), async () => {
    const socket = createSocket('udp4')
    const seen: number[] = []
    socket.on('message', (datagram, from) => {
      const packet = decodeRadius(datagram)
      check(datagram)
      seen.push(packet.code)
      const code = { 1: 2, 4: 5, 40: 41, 43: 45 }[packet.code]!
      const attributes =
        packet.code === 43 ? [{ type: radiusAttribute.errorCause, value: Buffer.from([0, 0, 1, 0x91]) }] : []
      socket.send(sealRadiusResponse({ code, attributes }, packet, secret), from.port, from.address)
    })
    const port = await new Promise<number>(resolve => {
      socket.bind(0, '127.0.0.1', () => resolve(socket.address().port))
    })
    try {
      const ask = (kind: string) => radclient(port, kind, 'User-Name = "nemo", Message-Authenticator = 0x00')
      assert.match(await ask('auth'), /Received Access-Accept/)
      assert.match(await ask('acct'), /Received Accounting-Response/)
      assert.match(await ask('disconnect'), /Received Disconnect-ACK/)
      assert.match(await ask('coa'), /Received CoA-NAK[\s\S]*Unsupported-Attribute/)
      assert.deepEqual(seen, [1, 4, 40, 43])
    } finally {
      socket.close()
    }
  })
})

function radclient(port: number, kind: string, attributes: string): Promise<string> {
  return new Promise(resolve => {
    const child = spawn('radclient', ['-x', '-r', '1', `127.0.0.1:${port}`, kind, secret.revealText()])
    let out = ''
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (out += chunk))
    child.on('close', () => resolve(out))
    child.stdin.end(attributes)
  })
}
