import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { decodePemBlock, encodePem } from '../../src/codec/pem.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { issueCertificate } from '../../src/crypto/issue.ts'
import { needs } from '../peer.ts'
import { type Answer, attackerOf, cmsType, itRefuses, newKey, openssl, requestPath } from './attacker.ts'
import { type Lab, openLab } from './lab.ts'

const year = 365 * 86_400_000
let lab: Lab
let elsewhere: Lab
let honest: string
let other: string
let last: string
const { curl, post, ask, steps, sign, alter, csr, enroll } = attackerOf(() => lab)
const requestOf = (serial: string) => lab.read(serial, 'request.json')

/** A device of the attacker's own making. The certificate is what it shows, the key what it has. */
async function stranger(name: string, certificate: string | Buffer, key: string | Buffer): Promise<string> {
  for (const file of ['idevid.crt', 'idevid-full.crt']) await lab.write(name, file, certificate)
  await lab.write(name, 'idevid.key', key)
  return name
}

/** A real serial number under a CA of the attacker's own, which has the name of a real one. */
async function clone(caName: string, chain: Buffer): Promise<string> {
  await stranger('clone', '', '')
  const file = (name: string) => lab.file('clone', name)
  const ca = ['-keyout', file('ca.key'), '-out', file('ca.crt')]
  await openssl('req', '-x509', ...newKey, '-days', '3650', '-subj', `/O=Acme/CN=${caName}`, ...ca)
  const subject = `/O=Acme/CN=Lamp/serialNumber=${honest}`
  await openssl('req', '-new', ...newKey, '-subj', subject, '-keyout', file('idevid.key'), '-out', file('own.csr'))
  const by = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-days', '3650']
  await openssl('x509', '-req', '-in', file('own.csr'), ...by, '-out', file('idevid.crt'))
  await lab.write('clone', 'idevid-full.crt', Buffer.concat([await lab.read('clone', 'idevid.crt'), chain]))
  return 'clone'
}

async function nobody(): Promise<string> {
  await stranger('nobody', '', '')
  const files = ['-keyout', lab.file('nobody', 'idevid.key'), '-out', lab.file('nobody', 'idevid.crt')]
  await openssl('req', '-x509', ...newKey, '-days', '30', '-subj', `/CN=Lamp/serialNumber=${honest}`, ...files)
  return stranger('nobody', await lab.read('nobody', 'idevid.crt'), await lab.read('nobody', 'idevid.key'))
}

/** A genuine birth certificate, but one with a life; milliseconds from now. */
async function mortal(name: string, from: number, until: number): Promise<string> {
  const { subject, spkiDer } = decodeCertificate(
    decodePemBlock('CERTIFICATE', String(await lab.read(honest, 'idevid.crt'))),
  )
  const validity = { notBefore: new Date(Date.now() + from), notAfter: new Date(Date.now() + until) }
  const issuer = lab.factory.manufacturer.idevid
  const der = await issueCertificate({ subject: subject.der, spkiDer, issuer, ...validity, extensions: [] })
  const chain = await lab.read(honest, 'chain.crt')
  return stranger(name, encodePem('CERTIFICATE', der) + chain.toString(), await lab.read(honest, 'idevid.key'))
}

async function enrollAs(device: string | undefined, path?: string): Promise<Answer> {
  const file = await csr(last, [...newKey, '-keyout', lab.file(last, 'ldevid.key')])
  return enroll(device, file, path)
}

describe('attackers with openssl and curl', needs('openssl', 'curl', 'bash'), () => {
  const later = { ms: 0 }
  before(async () => {
    lab = await openLab({ clock: () => Date.now() + later.ms })
    elsewhere = await openLab({ network: 'elsewhere' })
    ;[honest, other, last] = (await lab.make('B1', 3)) as [string, string, string]
    for (const serial of [honest, other, last]) await steps(serial, 'connect', 'request')
  })
  after(async () => {
    await lab.close()
    await elsewhere.close()
  })

  describe('who are not the device that they claim to be', () =>
    itRefuses({
      'a copied certificate cannot be shown without its key': {
        expected: { status: 401, code: 'idevid-missing' },
        run: () => ask(undefined, lab.file(honest, 'request.vcj')),
      },
      'a birth certificate of their own, over the real chain of the manufacturer': {
        expected: { status: 403, code: 'idevid-forged' },
        async run() {
          const as = await clone('Acme device CA 1', await lab.read(honest, 'chain.crt'))
          return ask(as, await sign(as, await requestOf(honest)))
        },
      },
      "a birth certificate under a root of their own that has the manufacturer's name": {
        expected: { status: 403, code: 'idevid-forged' },
        async run() {
          const as = await clone('Acme device root', Buffer.alloc(0))
          return ask(as, await sign(as, await requestOf(honest)))
        },
      },
      'a birth certificate of nobody we know': {
        expected: { status: 404, code: 'idevid-untrusted' },
        run: async () => ask(await nobody(), await sign('nobody', await requestOf(honest))),
      },
      'an expired birth certificate': {
        expected: { status: 403, code: 'idevid-invalid' },
        run: async () => ask(await mortal('expired', -2 * year, -year), lab.file(honest, 'request.vcj')),
      },
      'a birth certificate that is not valid yet': {
        expected: { status: 403, code: 'idevid-invalid' },
        run: async () => ask(await mortal('early', year, 2 * year), lab.file(honest, 'request.vcj')),
      },
      'a request signed by another device': {
        expected: { status: 401, code: 'signer-not-tls-client' },
        run: async () => ask(honest, await sign(other, await requestOf(honest))),
      },
      "another device's request, on a connection of one's own": {
        expected: { status: 401, code: 'signer-not-tls-client' },
        run: () => ask(other, lab.file(honest, 'request.vcj')),
      },
      'a request about another device': {
        expected: { status: 403, code: 'serial-mismatch' },
        run: async () => ask(honest, await sign(honest, await requestOf(other))),
      },
      'a request made for this registrar, brought to another one': {
        expected: { status: 401, code: 'proximity-mismatch' },
        async run() {
          await elsewhere.trust('lab-acme', lab.factory.manufacturer)
          return post(elsewhere.url + requestPath, honest, cmsType, `@${lab.file(honest, 'request.vcj')}`)
        },
      },
    }))

  describe('who send what nobody should have to read', () =>
    itRefuses({
      'a damaged signature': {
        expected: { status: 403, code: 'signature-invalid' },
        run: async () =>
          ask(honest, await alter(honest, der => Buffer.concat([der.subarray(0, -1), Buffer.of(der.at(-1)! ^ 1)]))),
      },
      'a signed message of another content type': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () =>
          ask(honest, await sign(honest, await requestOf(honest), { type: '1.2.840.113549.1.9.16.1.4' })),
      },
      'a signed message without its content': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () => ask(honest, await sign(honest, await requestOf(honest), { detached: true })),
      },
      'content that is no JSON': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () => ask(honest, await sign(honest, Buffer.from('{"ietf-voucher-request:voucher":'))),
      },
      'a truncated request': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () => ask(honest, await alter(honest, der => der.subarray(0, -20))),
      },
      'a request with something behind it': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () => ask(honest, await alter(honest, der => Buffer.concat([der, Buffer.of(0)]))),
      },
      'a length in more octets than it needs': {
        expected: { status: 400, code: 'request-malformed' },
        async run() {
          assert.equal((await lab.read(honest, 'request.vcj')).subarray(0, 2).toString('hex'), '3082')
          const longer = (der: Buffer) => Buffer.concat([Buffer.from('308300', 'hex'), der.subarray(2)])
          return ask(honest, await alter(honest, longer))
        },
      },
      'nothing at all': {
        expected: { status: 400, code: 'request-malformed' },
        run: () => post(requestPath, honest, cmsType, ''),
      },
      'random octets': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () =>
          ask(honest, await alter(honest, der => Buffer.concat([der.subarray(0, 4), randomBytes(3000)]))),
      },
      'a request longer than any honest one': {
        expected: { status: 413, code: 'request-too-large' },
        run: async () => ask(honest, await alter(honest, () => Buffer.alloc(1_000_000, 0x30))),
      },
      'the same, with a length that is not told beforehand': {
        expected: { status: 413, code: 'request-too-large' },
        async run() {
          const body = await alter(honest, () => Buffer.alloc(1_000_000, 0x30))
          return post(requestPath, honest, cmsType, `@${body}`, '-H', 'Transfer-Encoding: chunked')
        },
      },
      'a wrong content type': {
        expected: { status: 415, code: 'media-type-unknown' },
        run: () => ask(honest, lab.file(honest, 'request.vcj'), 'application/x-www-form-urlencoded'),
      },
      'a request in base64': {
        expected: { status: 400, code: 'request-malformed' },
        run: async () => ask(honest, await alter(honest, der => Buffer.from(der.toString('base64')))),
      },
      'telemetry that is no JSON': {
        expected: { status: 400, code: 'request-malformed' },
        run: () => post('/.well-known/brski/voucher_status', honest, 'application/json', '{"version":1,"status":'),
      },
    }))

  describe('who come out of turn', () =>
    itRefuses({
      'telemetry about a voucher that nobody has': {
        expected: { status: 403, code: 'enroll-before-voucher' },
        run: () => post('/.well-known/brski/voucher_status', last, 'application/json', '{"version":1,"status":true}'),
      },
      'enrolment before a voucher': {
        expected: { status: 403, code: 'enroll-before-voucher' },
        run: () => enrollAs(last),
      },
      'enrolment without a certificate': {
        expected: { status: 401, code: 'idevid-missing' },
        run: () => enrollAs(undefined),
      },
      'renewal with a birth certificate': {
        expected: { status: 401, code: 'credential-required' },
        run: () => enrollAs(last, '/.well-known/est/simplereenroll'),
      },
      'presence with a birth certificate': {
        expected: { status: 401, code: 'credential-required' },
        run: () => curl('/.well-known/mooring/presence', last),
      },
    }))

  it('change nothing for the honest device', async () => {
    await steps(honest, 'onboard')
    assert.equal((await lab.deviceOf(honest))?.rung, 'connected')
    assert.equal((await lab.site.store.verify()).integrity, 'pass')
  })

  it('the same request on another connection of the same device has the same voucher', async () => {
    const first = await lab.read(honest, 'voucher.vcj')
    await steps(honest, 'voucher')
    assert.deepEqual(await lab.read(honest, 'voucher.vcj'), first)
  })

  describe('who have a voucher, and want what nobody should sign', () =>
    itRefuses({
      'the birth key': {
        expected: { status: 400, code: 'csr-reuses-birth-key' },
        run: async () => enroll(honest, await csr(honest, ['-key', lab.file(honest, 'idevid.key')])),
      },
      'an RSA key of 1024 bits': {
        expected: { status: 400, code: 'csr-invalid' },
        run: async () =>
          enroll(honest, await csr(honest, ['-newkey', 'rsa:1024', '-nodes', '-keyout', lab.file(honest, 'weak.key')])),
      },
      'a curve that no device needs': {
        expected: { status: 400, code: 'csr-invalid' },
        async run() {
          const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1', '-nodes']
          return enroll(honest, await csr(honest, [...key, '-keyout', lab.file(honest, 'odd.key')]))
        },
      },
      'a signature of no key': {
        expected: { status: 400, code: 'csr-invalid' },
        async run() {
          const change = (der: Buffer) => Buffer.concat([der.subarray(0, -3), randomBytes(3)])
          return enroll(honest, await csr(honest, [...newKey, '-keyout', lab.file(honest, 'new.key')], change))
        },
      },
      'no base64': {
        expected: { status: 400, code: 'csr-invalid' },
        run: async () => enroll(honest, await lab.write(honest, 'altered.b64', '%%%')),
      },
      'a request bound to another connection': {
        expected: { status: 403, code: 'tls-binding-mismatch' },
        async run() {
          const lines = ['[req]', 'prompt=no', 'distinguished_name=dn', 'attributes=at', '[dn]', 'CN=x', '[at]']
          const challenge = `challengePassword=${randomBytes(32).toString('base64')}`
          const config = await lab.write(honest, 'bound.cnf', [...lines, challenge, ''].join('\n'))
          const keyOut = ['-keyout', lab.file(honest, 'bound.key')]
          return enroll(honest, await csr(honest, [...newKey, ...keyOut, '-config', config]))
        },
      },
    }))

  it('an expired network credential opens nothing', async () => {
    const file = (name: string) => lab.file(honest, name)
    const as = ['--cert', file('ldevid.crt'), '--key', file('ldevid.key')]
    assert.equal((await curl('/.well-known/mooring/presence', undefined, ...as)).status, 200)
    later.ms = 2 * year
    const answer = await curl('/.well-known/mooring/presence', undefined, ...as)
    later.ms = 0
    assert.deepEqual(answer, { status: 403, code: 'credential-not-in-force' })
  })
})
