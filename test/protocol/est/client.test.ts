import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { encodeBase64 } from '../../../src/codec/base64.ts'
import { encodeCertsOnly } from '../../../src/codec/cms.ts'
import { encodeCsrAttrs } from '../../../src/codec/csrattrs.ts'
import { encode } from '../../../src/codec/der/codec.ts'
import { oid } from '../../../src/codec/der/oid.ts'
import { keyOid } from '../../../src/codec/x509/algorithm.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { decodeName, encodeName, formatName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { type Issuer, issueCertificate } from '../../../src/crypto/issue.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../../src/crypto/signer.ts'
import { begin, type EstProfile, type Input, resume, type State, step } from '../../../src/protocol/est/client.ts'
import type { HttpReply } from '../../../src/protocol/http.ts'
import { authority, day, domain, endEntity, registrarUsage, start } from '../../role/device/world.ts'

const home = await domain('Harbour')
const other = await domain('Elsewhere')
const device = keySigner(generateKey('P-256'))
const csr = await createCsr({ subject: encodeName({ commonName: 'x' }) }, device)

const profile: EstProfile = {
  operation: 'simpleenroll',
  defaults: {
    subject: encodeName({ serialNumber: 'S-1' }),
    serialNumber: 'S-1',
    curve: 'P-256',
    curves: ['P-256', 'P-384'],
  },
  clockTrusted: true,
  serverChain: [home.registrar.certificate, home.issuing.certificate],
}

const certsOnly = { 'content-type': 'application/pkcs7-mime; smime-type=certs-only' }

function reply(status: number, headers: Record<string, string> = {}, body = ''): HttpReply {
  return { status, headers, body: Buffer.from(body) }
}

function certificates(...list: readonly Certificate[]): HttpReply {
  return reply(200, certsOnly, encodeBase64(encodeCertsOnly({ certificates: list.map(({ der }) => der) })))
}

const cacerts = certificates(home.root.certificate, home.issuing.certificate)

function replied(state: State, answer: HttpReply, at = start) {
  return step(state, { type: 'replied', reply: answer, at })
}

function attributes(der: Uint8Array): HttpReply {
  return reply(200, { 'content-type': 'application/csrattrs' }, encodeBase64(der))
}

/** The machine with its request on the wire. */
function submitted(given = profile): State {
  const anchored = replied(begin(given).state, cacerts).state
  const planned = replied(anchored, reply(204)).state
  const prepared = step(planned, { type: 'csr-made', csr, spki: device.spkiDer, at: start }).state
  assert.equal(prepared.type, 'prepared')
  return step(prepared, { type: 'persisted', at: start }).state
}

interface Wanted {
  readonly issuer?: Issuer
  readonly signer?: Signer
  readonly ca?: boolean
  readonly usage?: readonly string[]
  readonly keyUsage?: readonly 'keyAgreement'[]
  readonly notBefore?: number
  readonly notAfter?: number
}

async function credential(wanted: Wanted = {}): Promise<Certificate> {
  const { issuer = home.issuing, signer = device, ca = false, usage = [extendedKeyUsageOid.clientAuth] } = wanted
  const { notBefore = start - 60_000, notAfter = start + 90 * day, keyUsage = ['digitalSignature'] } = wanted
  const der = await issueCertificate({
    subject: encodeName({ commonName: 'device' }),
    spkiDer: signer.spkiDer,
    issuer,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    extensions: [
      makeExtension(extensionKinds.basicConstraints, { cA: ca }),
      makeExtension(extensionKinds.keyUsage, ca ? ['keyCertSign'] : [...keyUsage]),
      ...(ca ? [] : [makeExtension(extensionKinds.extendedKeyUsage, [...usage])]),
    ],
  })
  return decodeCertificate(der)
}

function rejection(state: State) {
  assert.equal(state.type, 'rejected')
  const { code, detail, transient } = state as Extract<State, { type: 'rejected' }>
  return { code, rule: detail['rule'] ?? detail['status'], transient }
}

suite('EST client', () => {
  test('asks, keeps its request before sending it, and takes its certificate', async () => {
    const first = begin(profile)
    assert.deepEqual(first.effects, [
      { type: 'send', request: { method: 'GET', path: '/.well-known/est/cacerts', headers: {} } },
    ])
    const second = replied(first.state, cacerts)
    assert.deepEqual(second.effects, [
      { type: 'send', request: { method: 'GET', path: '/.well-known/est/csrattrs', headers: {} } },
    ])
    const third = replied(second.state, reply(204))
    assert.deepEqual(third.effects, [
      { type: 'make-csr', plan: { curve: 'P-256', subject: profile.defaults.subject, extensions: [] } },
    ])
    const fourth = step(third.state, { type: 'csr-made', csr, spki: device.spkiDer, at: start })
    assert.equal(fourth.effects[0]?.type, 'persist')
    const fifth = step(fourth.state, { type: 'persisted', at: start })
    const [sent] = fifth.effects
    assert.ok(sent?.type === 'send')
    assert.equal(sent.request.path, '/.well-known/est/simpleenroll')
    assert.equal(sent.request.headers['content-type'], 'application/pkcs10')
    // One line, and nothing but base64.
    assert.equal(Buffer.from(sent.request.body!).toString('latin1'), csr.toString('base64'))
    const certificate = await credential()
    const last = replied(fifth.state, certificates(certificate)).state
    assert.ok(last.type === 'enrolled')
    assert.deepEqual(last.certificate.der, certificate.der)
    assert.deepEqual(
      last.chain.map(({ der }) => der),
      [home.issuing.certificate.der],
    )
  })

  test('puts the label of its profile into every path', () => {
    const { effects } = begin({ ...profile, label: 'meters' })
    assert.ok(effects[0]?.type === 'send')
    assert.equal(effects[0].request.path, '/.well-known/est/meters/cacerts')
  })

  test('sends the same request again after 202, and after a power loss', () => {
    const state = submitted()
    const waiting = replied(state, reply(202, { 'retry-after': '120' })).state
    assert.ok(waiting.type === 'waiting')
    assert.equal(waiting.waitMs, 120_000)
    const again = resume(profile, waiting.enrolment)
    assert.ok(again.effects[0]?.type === 'send')
    assert.equal(Buffer.from(again.effects[0].request.body!).toString('latin1'), csr.toString('base64'))
  })

  test('does not sleep for longer than an hour, and takes a date as well as seconds', () => {
    const wait = (header: string) => {
      const { state } = replied(submitted(), reply(202, { 'retry-after': header }))
      return state.type === 'waiting' ? state.waitMs : state.type
    }
    assert.equal(wait('9999999'), 3_600_000)
    assert.equal(wait(new Date(start + 5000).toUTCString()), 5000)
    assert.equal(wait(new Date(start - 5000).toUTCString()), 0)
    for (const nonsense of ['', '-1', '1.5', 'tomorrow', '99999999999']) assert.equal(wait(nonsense), 60_000)
  })

  test('may ask again after an outage, not after a refusal', () => {
    for (const status of [500, 503, 429, 408]) {
      assert.deepEqual(rejection(replied(submitted(), reply(status)).state), {
        code: 'registrar-refused',
        rule: status,
        transient: true,
      })
    }
    for (const status of [400, 401, 403, 404]) {
      assert.deepEqual(rejection(replied(submitted(), reply(status)).state), {
        code: 'registrar-refused',
        rule: status,
        transient: false,
      })
    }
    assert.equal(
      rejection(replied(submitted(), reply(302, { location: '/elsewhere' })).state).code,
      'registrar-answer-invalid',
    )
  })
})

suite('CA certificates', () => {
  const refusalOf = (answer: HttpReply, given = profile) => rejection(replied(begin(given).state, answer).state)

  test('of a domain that the registrar is no part of are refused', () => {
    assert.deepEqual(refusalOf(certificates(other.root.certificate, other.issuing.certificate)), {
      code: 'domain-certificates-invalid',
      rule: 'untrusted',
      transient: false,
    })
  })

  test('that are no CAs are refused', () => {
    const { registrar } = home
    assert.equal(refusalOf(certificates(home.root.certificate, registrar.certificate)).rule, 'not-a-ca')
  })

  test('may be a single issuing CA without its root', () => {
    const { state } = replied(begin(profile).state, certificates(home.issuing.certificate))
    assert.ok(state.type === 'anchored')
    assert.deepEqual(state.domain.anchors[0]?.certificate.der, home.issuing.certificate.der)
  })

  test('of the same name with another key do not count as issuer', async () => {
    const impostor = await authority('Harbour root')
    assert.deepEqual(refusalOf(certificates(impostor.certificate)).code, 'domain-certificates-invalid')
  })

  test('in a wrong type, too large, too many or unreadable are refused', () => {
    assert.equal(refusalOf({ ...cacerts, headers: { 'content-type': 'text/html' } }).rule, 'media-type')
    assert.equal(refusalOf({ ...cacerts, headers: {} }).rule, 'media-type')
    assert.equal(refusalOf({ ...cacerts, body: Buffer.alloc(0x4_0001, 'A') }).rule, 'too-large')
    assert.equal(refusalOf(certificates(...Array.from({ length: 13 }, () => home.root.certificate))).rule, 'too-many')
    assert.equal(refusalOf(certificates()).rule, 'bad-value')
    assert.equal(refusalOf(reply(200, certsOnly, '<html>')).rule, 'bad-encoding')
    assert.equal(refusalOf(reply(200, certsOnly, encodeBase64(Buffer.from([0x30, 0x03, 0x02])))).rule, 'truncated')
  })

  test('outside their lifetime count for a device without a clock only', async () => {
    const validity = { notBefore: new Date(start - 20 * day), notAfter: new Date(start - 10 * day) }
    const lapsed = await endEntity('lapsed registrar', home.issuing, [registrarUsage], validity)
    const given = { ...profile, serverChain: [lapsed.certificate] }
    assert.equal(refusalOf(cacerts, given).rule, 'expired')
    assert.equal(replied(begin({ ...given, clockTrusted: false }).state, cacerts).state.type, 'anchored')
  })
})

suite('CSR attributes', () => {
  const anchored = replied(begin(profile).state, cacerts).state
  const planOf = (answer: HttpReply) => {
    const { effects } = replied(anchored, answer)
    const [effect] = effects
    assert.ok(effect?.type === 'make-csr')
    return effect.plan
  }
  const vector = (name: string) =>
    attributes(readFileSync(new URL(`../../vector/brski/rfc9908-csrattrs/${name}.der`, import.meta.url)))

  test('that are absent or empty leave the choice to the device', () => {
    for (const answer of [reply(204), reply(404), reply(200), attributes(encodeCsrAttrs({}))]) {
      assert.deepEqual(planOf(answer), { curve: 'P-256', subject: profile.defaults.subject, extensions: [] })
    }
  })

  test('of RFC 9908 section 5.1 are followed: the name that an ACP demands', () => {
    const plan = planOf(vector('section-5-1-acp-node-name-san'))
    assert.deepEqual(
      plan.extensions.map(({ id }) => id),
      [extensionKinds.subjectAltName.id],
    )
  })

  test('of RFC 9908 section 5.5 choose the curve', () => {
    assert.equal(planOf(vector('section-5-5-p384-serial-number')).curve, 'P-384')
  })

  test('that demand a key which the device cannot make end the enrolment', () => {
    for (const name of ['section-5-4-rsa-4096', 'section-5-6-p521-attributes']) {
      const refused = rejection(replied(anchored, vector(name)).state)
      assert.deepEqual(refused, { code: 'registrar-answer-invalid', rule: 'unsupported', transient: false })
    }
  })

  test('with a template get the names filled in that the device can say', () => {
    const template = encodeCsrAttrs({
      template: {
        version: 0,
        subject: [[{ type: '2.5.4.10', value: encode(oid, '1.2.3') }], [{ type: '2.5.4.5' }], [{ type: '2.5.4.7' }]],
        subjectPKInfo: {
          algorithm: { algorithm: keyOid.ecPublicKey, parameters: encode(oid, keyOid.secp384r1) },
        },
        attributes: [],
      },
    })
    const plan = planOf(attributes(template))
    assert.equal(plan.curve, 'P-384')
    assert.match(formatName(decodeName(plan.subject)), /^serialNumber=S-1,O=#/)
  })

  test('that cannot be read end the enrolment', () => {
    assert.equal(rejection(replied(anchored, attributes(Buffer.from('0500', 'hex'))).state).rule, 'bad-tag')
    assert.equal(
      rejection(replied(anchored, reply(200, { 'content-type': 'text/plain' }, 'x')).state).rule,
      'media-type',
    )
    assert.equal(rejection(replied(anchored, reply(503)).state).transient, true)
  })
})

suite('The issued certificate', () => {
  const outcome = async (wanted: Wanted, given = profile) => {
    const { state } = replied(submitted(given), certificates(await credential(wanted)))
    return state.type === 'enrolled' ? 'enrolled' : rejection(state).rule
  }

  test('is refused unless it is ours, of the domain, and fit for a device', async () => {
    assert.equal(await outcome({}), 'enrolled')
    assert.equal(await outcome({ signer: keySigner(generateKey('P-256')) }), 'another-key')
    assert.equal(await outcome({ issuer: other.issuing }), 'untrusted')
    assert.equal(await outcome({ issuer: await authority('Harbour issuing', other.root) }), 'bad-signature')
    assert.equal(await outcome({ ca: true }), 'is-a-ca')
    assert.equal(await outcome({ keyUsage: ['keyAgreement'] }), 'key-usage')
    assert.equal(await outcome({ usage: [extendedKeyUsageOid.serverAuth] }), 'extended-key-usage')
    assert.equal(await outcome({ notBefore: start - 2 * day, notAfter: start - day }), 'expired')
    assert.equal(await outcome({ notBefore: start + day }), 'not-yet-valid')
  })

  test('may begin within the difference of two clocks', async () => {
    assert.equal(await outcome({ notBefore: start + 240_000 }), 'enrolled')
    assert.equal(await outcome({ notBefore: start + 360_000 }), 'not-yet-valid')
  })

  test('has no lifetime for a device without a clock', async () => {
    const given = { ...profile, clockTrusted: false }
    assert.equal(await outcome({ notBefore: start + day }, given), 'enrolled')
    assert.equal(await outcome({ issuer: other.issuing }, given), 'untrusted')
  })

  test('comes alone', async () => {
    const answer = certificates(await credential(), await credential())
    assert.equal(rejection(replied(submitted(), answer).state).rule, 'two-certificates')
  })
})

test('inputs that nobody waits for change nothing, and none makes the machine throw', () => {
  const anything: fc.Arbitrary<Input> = fc.oneof(
    fc.record({
      type: fc.constant('replied' as const),
      at: fc.nat(),
      reply: fc.record({
        status: fc.oneof(fc.constantFrom(200, 202, 204, 404, 503), fc.nat(999)),
        headers: fc.oneof(
          fc.constantFrom<Record<string, string>>(certsOnly, { 'content-type': 'application/csrattrs' }),
          fc.dictionary(fc.constantFrom('content-type', 'retry-after', 'location'), fc.string()),
        ),
        body: fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.constant(cacerts.body),
          fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(encodeBase64(bytes))),
        ),
      }),
    }),
    fc.record({
      type: fc.constant('csr-made' as const),
      at: fc.nat(),
      csr: fc.uint8Array(),
      spki: fc.uint8Array(),
    }),
    fc.record({ type: fc.constant('persisted' as const), at: fc.nat() }),
  )
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 12 }), inputs => {
      let state: State = begin(profile).state
      for (const input of inputs) {
        const { state: after, effects } = step(state, input)
        assert.ok(effects.length <= 1)
        assert.notEqual(after.type, 'enrolled')
        state = after
      }
    }),
    { numRuns: 500 },
  )
})
