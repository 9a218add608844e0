import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeBase64 } from '../../src/codec/base64.ts'
import { cmsOid } from '../../src/codec/cms.ts'
import { CodecError } from '../../src/codec/error.ts'
import { decodeCertificationRequest, encodeCertificationRequest } from '../../src/codec/pkcs10.ts'
import type { AlgorithmIdentifier } from '../../src/codec/x509/algorithm.ts'
import { type Certificate, decodeCertificate, encodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherName } from '../../src/codec/x509/general-name.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { signCms } from '../../src/crypto/cms.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { algorithmIdentifier, keySigner, type Signer } from '../../src/crypto/signer.ts'
import { errorCatalogue, isErrorCode } from '../../src/domain/error.ts'
import type { Endpoint, EndpointReply, EndpointRequest } from '../../src/domain/port.ts'
import { type ArtifactFormat, openVoucherArtifact, signVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { idevidIssuer } from '../../src/protocol/brski/idevid.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { certify, eku } from '../crypto/pki.ts'
import {
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../role/onboarding/neighbourhood.ts'
import { makeDevice, openMaker, trustMaker } from './maker.ts'
import { alterations, edited, edits, runs } from './mutation.ts'

const registrarCodes = new Set<number>([200, 202, 204, 400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 502, 503])

/** Answers, and answers a peer: with a status of the protocol, a known code, and nothing about the inside. */
function checkReply(reply: EndpointReply | undefined, statuses = registrarCodes): void {
  assert.ok(reply !== undefined)
  assert.ok(statuses.has(reply.status), `${reply.status} ${String(reply.body)}`)
  if (reply.status < 400 || reply.status === 405) return
  if (reply.status === 404 && reply.body === undefined) return
  const text = String(reply.body)
  const code = text.split(':', 1)[0] ?? ''
  assert.ok(isErrorCode(code) && code !== 'internal', text)
  assert.equal(reply.status, errorCatalogue[code].status)
  assert.ok(text.length < 3000, `${text.length} characters`)
  assert.doesNotMatch(text, /[\p{Cc}\p{Cf}]|node:|\.ts\b|\/src\/| {4}at /u)
}

describe('endpoints under mutated messages', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 3 })
    for (const serial of ['B1-000001', 'B1-000002']) await expectUnit(home, serial)
  })
  after(async () => {
    const verdict = await home.site.verify()
    assert.deepEqual([verdict.integrity, verdict.firstBad], ['pass', undefined])
    assert.equal((await home.factory.verify()).integrity, 'pass')
    await home.close()
  })

  /** A minute passes with each request, so that no limit stands before what is tried. */
  const send = (request: EndpointRequest) => {
    home.now.value += 1000
    return home.send(request)
  }
  const property = <T>(arbitrary: fc.Arbitrary<T>, work: (value: T) => Promise<void>) =>
    fc.assert(fc.asyncProperty(arbitrary, work), { numRuns: runs, endOnFailure: true })
  const registrar = () => home.authority.registrar.certificate.der

  const formats: readonly ArtifactFormat[] = ['voucher-cms+json', 'voucher-jws+json', 'voucher+cose']

  async function pledgeRequest(format: ArtifactFormat): Promise<Buffer> {
    const unit = home.unit('B1-000001')
    return signVoucherArtifact({
      format,
      kind: 'request',
      value: {
        'serial-number': unit.serial,
        assertion: 'proximity',
        'created-on': new Date(home.now.value),
        nonce: randomBytes(16),
        'proximity-registrar-cert': registrar(),
      },
      signer: unit.signer,
      certificates: unit.chain.map(decodeCertificate),
    })
  }

  for (const format of formats) {
    it(`voucher requests of pledges, ${format}`, async () => {
      const original = await pledgeRequest(format)
      const peer = testPeer(home.unit('B1-000001').chain, registrar())
      await property(edits, async changes => {
        const headers = { 'content-type': `application/${format}` }
        const body = edited(original, changes)
        checkReply(await send({ method: 'POST', path: brskiPath.requestVoucher, headers, body, peer }))
      })
    })

    it(`voucher requests of registrars, ${format}`, async () => {
      const unit = home.unit('B1-000001')
      const prior = await pledgeRequest(format)
      const { certificate, chain, signer } = home.authority.registrar
      const original = await signVoucherArtifact({
        format,
        kind: 'request',
        value: {
          'serial-number': unit.serial,
          'created-on': new Date(home.now.value),
          nonce: openVoucherArtifact(prior, { kind: 'request' }).value.nonce ?? randomBytes(16),
          'idevid-issuer': idevidIssuer(decodeCertificate(unit.chain[0] ?? new Uint8Array())),
          'prior-signed-voucher-request': prior,
        },
        signer,
        certificates: [certificate, ...chain],
      })
      const paths = fc.constantFrom(brskiPath.requestVoucher, brskiPath.requestAuditLog)
      await property(fc.tuple(edits, paths), async ([changes, path]) => {
        const headers = { 'content-type': `application/${format}` }
        const peer = testPeer([certificate.der], new Uint8Array())
        const request = { method: 'POST', path, headers, body: edited(original, changes), peer }
        checkReply(await home.masa.handle(request))
      })
    })

    it(`answers of a MASA, ${format}`, async () => {
      const pledge = pledgeOf(home, home.unit('B1-000002'))
      const honest = home.masaClient.answer
      await property(edits, async changes => {
        home.masaClient.answer = async request => {
          const answer = await honest(request)
          return { ...answer, body: edited(answer.body, changes) }
        }
        home.now.value += 1000
        checkReply(await pledge.post(await pledge.voucherRequest()))
      })
      home.masaClient.answer = honest
    })
  }

  it('signed JSON of any content, from a device and from a registrar', async () => {
    const unit = home.unit('B1-000001')
    const peer = testPeer(unit.chain, registrar())
    const names = [
      'serial-number',
      'assertion',
      'created-on',
      'nonce',
      'proximity-registrar-cert',
      'prior-signed-voucher-request',
      'idevid-issuer',
      'expires-on',
      'pinned-domain-cert',
      'domain-cert-revocation-checks',
      'agent-sign-cert',
      'proximity-registrar-pubk',
      'proximity-registrar-pubk-sha256',
      'extensions',
      'constructor',
      'toString',
      '__proto__',
    ]
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'proximity',
        unit.serial,
        encodeBase64(registrar()),
        encodeBase64(unit.chain[0] ?? Buffer.alloc(1)),
      ),
      fc.constantFrom('2026-11-20T00:00:00Z', '9999-12-31T23:59:60Z', '2016-12-31T23:59:60Z', '0000-01-01T00:00:00Z'),
      fc.uint8Array({ minLength: 8, maxLength: 33 }).map(encodeBase64),
      fc.constantFrom(1e308, -0, 5e-324, 2 ** 53, 2 ** 64),
    )
    const members = fc.dictionary(fc.constantFrom(...names), leaf, { maxKeys: 10 })
    const roots = fc.constantFrom('ietf-voucher-request:voucher', 'ietf-voucher:voucher', 'x')
    const base = {
      'serial-number': unit.serial,
      assertion: 'proximity',
      nonce: encodeBase64(randomBytes(16)),
      'proximity-registrar-cert': encodeBase64(registrar()),
    }
    await property(fc.tuple(members, roots, fc.boolean()), async ([changes, root, asRegistrar]) => {
      const content = Buffer.from(JSON.stringify({ [root]: { ...base, ...changes } }))
      const office = home.authority.registrar
      const signer = asRegistrar ? office.signer : unit.signer
      const certificates = asRegistrar ? [office.certificate, ...office.chain] : unit.chain.map(decodeCertificate)
      const body = await signCms({ content, contentType: cmsOid.animaJsonVoucher, signer, certificates })
      const headers = { 'content-type': 'application/voucher-cms+json' }
      const request = { method: 'POST', path: brskiPath.requestVoucher, headers, body, peer }
      checkReply(await (asRegistrar ? home.masa.handle(request) : send(request)))
    })
  })

  it('certificates of TLS clients', async () => {
    const unit = home.unit('B1-000001')
    const ldevid = await credential()
    const original = await pledgeRequest('voucher-cms+json')
    const chain = fc.tuple(fc.constantFrom('birth', 'network'), edits, fc.integer({ min: 0, max: 1 }))
    const paths = fc.constantFrom(
      brskiPath.requestVoucher,
      brskiPath.enrollStatus,
      presencePath,
      '/.well-known/est/simplereenroll',
    )
    await property(fc.tuple(chain, paths), async ([[which, changes, index], path]) => {
      const certificates = (which === 'birth' ? unit.chain : [ldevid, home.authority.issuing.certificate.der]).map(
        (der, i) => (i === index ? edited(der, changes) : der),
      )
      const peer = testPeer(certificates, registrar())
      const method = path === presencePath ? 'GET' : 'POST'
      const types: Record<string, string> = {
        [brskiPath.requestVoucher]: 'application/voucher-cms+json',
        [brskiPath.enrollStatus]: 'application/json',
      }
      const headers = { 'content-type': types[path] ?? 'application/pkcs10' }
      const body = path === brskiPath.enrollStatus ? Buffer.from('{"version":1,"status":true}') : original
      checkReply(await send({ method, path, headers, body, peer }))
    })
  })

  async function credential(): Promise<Uint8Array> {
    const pledge = pledgeOf(home, home.unit('B1-000002'))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    assert.equal((await pledge.enroll(keySigner(generateKey('P-256')))).status, 200)
    const [record] = await home.site.read(tables => tables.credential.find({ status: 'issued' }))
    return Buffer.from(record?.certificate ?? '', 'base64')
  }

  it('certification requests', async () => {
    const pledge = pledgeOf(home, home.unit('B1-000002'))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    const der = await createCsr({ subject: encodeName({ commonName: 'x' }) }, keySigner(generateKey('P-256')))
    const outer = fc.boolean()
    await property(fc.tuple(edits, outer), async ([changes, armoured]) => {
      const body = armoured
        ? edited(Buffer.from(der.toString('base64')), changes)
        : edited(der, changes).toString('base64')
      home.now.value += 1000
      checkReply(await pledge.request('POST', '/.well-known/est/simpleenroll', 'application/pkcs10', body))
    })
  })

  it('certification requests, signed as they are', async () => {
    const pledge = pledgeOf(home, home.unit('B1-000002'))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    const key = keySigner(generateKey('P-256'))
    const extensions = [makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: 'a.example' }])]
    const fields = {
      subject: encodeName({ commonName: 'x', serialNumber: '1' }),
      challengePassword: encodeBase64(Buffer.from('binding')),
      extensions,
    }
    const { infoDer } = decodeCertificationRequest(await createCsr(fields, key))
    const accepted = new Set<number>()
    await property(alterations, async changes => {
      const info = edited(infoDer, changes)
      const csr = await signed(info, key, encodeCertificationRequest)
      if (csr === undefined) return
      home.now.value += 1000
      const reply = await pledge.request(
        'POST',
        '/.well-known/est/simpleenroll',
        'application/pkcs10',
        csr.toString('base64'),
      )
      accepted.add(reply.status)
      checkReply(reply)
    })
    assert.ok(accepted.has(200) && accepted.has(400), [...accepted].join())
  })

  it('certificates that a manufacturer or a domain signed as they are', async () => {
    const maker = await openMaker('globex')
    await trustMaker(home, maker)
    const unit = await makeDevice(maker, 'F-1', {
      extensions: [
        makeExtension(extensionKinds.masaUrl, 'masa.globex.example'),
        makeExtension(extensionKinds.mudUrl, 'https://globex.example/mud.json'),
        makeExtension(extensionKinds.subjectAltName, [
          otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.1', hwSerialNum: Buffer.from('F-1') }),
        ]),
      ],
    })
    const domain = await certify({ subject: 'domain', ca: true })
    const registrarEntity = await certify({
      subject: 'registrar',
      issuer: domain,
      extensions: [eku(extendedKeyUsageOid.cmcRA)],
    })
    await property(fc.tuple(alterations, fc.boolean()), async ([changes, asRegistrar]) => {
      const [entity, issuer] = asRegistrar ? [registrarEntity, domain] : [unit.entity, maker.root]
      const der = await signed(edited(entity.certificate.tbsDer, changes), issuer.signer, encodeCertificate)
      const certificate = der === undefined ? undefined : readable(der)
      if (der === undefined) return
      const chain = asRegistrar ? [der, domain.certificate.der] : [der]
      const pledge = pledgeOf(
        home,
        { ...unit, chain: [entity.certificate.der] },
        { peer: testPeer(chain, registrar()) },
      )
      home.now.value += 1000
      checkReply(await pledge.request('GET', presencePath, '', ''))
      checkReply(await pledge.status(brskiPath.voucherStatus, true))
      if (certificate === undefined) return
      const certificates = asRegistrar ? [certificate, domain.certificate] : [certificate]
      const value = {
        'serial-number': 'F-1',
        assertion: 'proximity',
        nonce: randomBytes(16),
        'proximity-registrar-cert': registrar(),
      } as const
      const request = {
        format: 'voucher-cms+json',
        kind: 'request',
        value,
        signer: entity.signer,
        certificates,
      } as const
      const body = await signVoucherArtifact(request).catch(() => Buffer.alloc(1))
      checkReply(await pledge.post(body))
      const headers = { 'content-type': 'application/voucher-cms+json' }
      checkReply(
        await home.masa.handle({ method: 'POST', path: brskiPath.requestVoucher, headers, body, peer: pledge.peer }),
      )
    })
  })

  it('telemetry', async () => {
    const pledge = pledgeOf(home, home.unit('B1-000002'))
    const value = fc.record(
      {
        version: fc.oneof(fc.constant(1), fc.anything()),
        status: fc.oneof(fc.boolean(), fc.anything()),
        reason: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
        'reason-context': fc.oneof(fc.constant({ a: 1 }), fc.jsonValue()),
        extra: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    const body = fc.oneof(
      value.map(text).map(json => Buffer.from(json)),
      fc.tuple(edits, value.map(text)).map(([changes, json]) => edited(Buffer.from(json), changes)),
    )
    await property(
      fc.tuple(fc.constantFrom(brskiPath.voucherStatus, brskiPath.enrollStatus), body),
      async ([path, bytes]) => {
        home.now.value += 1000
        checkReply(await pledge.request('POST', path, 'application/json', bytes))
      },
    )
  })

  it('paths, methods and headers', async () => {
    const peers = [[], home.unit('B1-000001').chain, home.unit('B1-000003').chain]
    const path = fc.oneof(
      fc.constantFrom(...Object.values(brskiPath), presencePath, '/crl/issuing-1.crl'),
      fc
        .constantFrom('cacerts', 'csrattrs', 'simpleenroll', 'simplereenroll', '', '..')
        .map(name => `/.well-known/est/${name}`),
      fc.string(),
    )
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND', '__proto__')
    const header = fc.oneof(
      fc.constantFrom(
        undefined,
        '',
        ';',
        'application/pkcs10',
        'application/json; charset=x',
        'application/voucher-cms+json;',
      ),
      fc.string({ unit: 'binary' }),
    )
    const body = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array()))
    await property(fc.tuple(path, method, header, header, body, fc.constantFrom(...peers)), async given => {
      const [where, how, type, accept, bytes, chain] = given
      const headers = {
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(accept === undefined ? {} : { accept }),
      }
      const request = { method: how, path: where, headers, body: bytes, peer: testPeer(chain, registrar()) }
      checkReply(await send(request))
      const reply = await (home.masa as Endpoint).handle(request)
      if (reply !== undefined) checkReply(reply)
    })
  })
})

function text(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'undefined'
  } catch {
    // Circular, or a bigint.
    return '{"version":1}'
  }
}

/** Undefined when the bytes are no longer one element. */
async function signed(
  tbs: Buffer,
  signer: Signer,
  encode: (tbs: Uint8Array, algorithm: AlgorithmIdentifier, signature: Uint8Array) => Buffer,
): Promise<Buffer | undefined> {
  const signature = await signer.sign(tbs)
  try {
    return encode(tbs, algorithmIdentifier[signer.algorithm], signature)
  } catch (error) {
    assert.ok(error instanceof CodecError)
    return undefined
  }
}

function readable(der: Uint8Array): Certificate | undefined {
  try {
    return decodeCertificate(der)
  } catch (error) {
    assert.ok(error instanceof CodecError)
    return undefined
  }
}
