import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../src/crypto/signer.ts'
import type { EndpointReply, Peer } from '../../src/domain/port.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { idevidIssuer } from '../../src/protocol/brski/idevid.ts'
import type { VoucherRequest } from '../../src/protocol/brski/voucher.ts'
import { withdrawUnit } from '../../src/role/factory/sale.ts'
import { type Certified, certify, type Entity, eku } from '../crypto/pki.ts'
import { type Neighbourhood, openNeighbourhood, pledgeOf, testPeer } from '../role/onboarding/neighbourhood.ts'

const codeOf = (reply: EndpointReply | undefined) => String(reply?.body).split(':', 1)[0]
const type = brskiMediaType['voucher-cms+json']
const registrarUse = eku(extendedKeyUsageOid.cmcRA, extendedKeyUsageOid.serverAuth)

describe('a registrar that asks for a device of somebody else', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 3 })
  })
  after(() => home.close())

  const serial = 'B1-000001'

  async function ask(
    by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
    change: { readonly [K in keyof VoucherRequest]?: VoucherRequest[K] | undefined } = {},
    { path = brskiPath.requestVoucher, peer = testPeer([], new Uint8Array()) }: { path?: string; peer?: Peer } = {},
  ): Promise<EndpointReply | undefined> {
    const unit = home.unit(serial)
    const value = {
      'serial-number': serial,
      'created-on': new Date(home.now.value),
      nonce: randomBytes(16),
      'idevid-issuer': idevidIssuer(decodeCertificate(unit.chain[0] ?? new Uint8Array())),
      ...change,
    }
    const body = await signVoucherArtifact({
      format: 'voucher-cms+json',
      kind: 'request',
      value: Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as VoucherRequest,
      signer: by.signer,
      certificates: by.chain,
    })
    return home.masa.handle({ method: 'POST', path, headers: { 'content-type': type }, body, peer })
  }

  const by = (...chain: readonly [Entity, ...(Entity | Certificate)[]]) => ({
    signer: chain[0].signer,
    chain: chain.map(each => ('certificate' in each ? each.certificate : each)),
  })
  const owner = () => {
    const { certificate, chain, signer } = home.authority.registrar
    return { signer, chain: [certificate, ...chain] }
  }
  const strange = async (change: Partial<Certified> = {}) => {
    const ca = await certify({ subject: 'Stranger CA', ca: true, ...change })
    return { ca, registrar: await certify({ subject: 'Stranger registrar', issuer: ca, extensions: [registrarUse] }) }
  }

  it('is the owner when it signs with the owner’s registrar', async () => {
    const reply = await ask(owner())
    assert.equal(reply?.status, 200, String(reply?.body))
    const { value } = openVoucherArtifact(Buffer.from(reply?.body ?? ''), { kind: 'voucher' })
    assert.equal(value.assertion, 'logged', 'no request of the device, no proximity')
  })

  it('is nobody, whatever its certificates claim', async () => {
    const { root, issuing, registrar } = home.authority
    const stolen = (certificate: Certificate) => [
      makeExtension(extensionKinds.subjectKeyIdentifier, certificate.subjectKeyIdentifier ?? Buffer.alloc(20)),
    ]
    const sameKeyIdentifier = await strange({ extensions: stolen(root) })
    const sameName = await strange({ subject: Buffer.from(root.subject.der), extensions: stolen(root) })
    const { registrar: plain, ca } = await strange()
    const alone = await certify({
      subject: 'Alone',
      extensions: [registrarUse, ...stolen(registrar.certificate)],
      ca: false,
    })
    // Signed by a stranger, but in the name of the owner's issuing CA.
    const inName = await certify({
      subject: 'In the name of',
      issuer: { certificate: issuing.certificate, signer: keySigner(generateKey('P-256')) },
      extensions: [registrarUse],
    })
    const attempts: Record<string, Parameters<typeof ask>[0]> = {
      'a stranger': by(plain, ca),
      'with the key identifier of the owner': by(sameKeyIdentifier.registrar, sameKeyIdentifier.ca),
      'with the name and key identifier of the owner': by(sameName.registrar, sameName.ca),
      'and the owner’s own root beside': by(sameName.registrar, sameName.ca, root),
      'and the owner’s root first': by(sameName.registrar, root, sameName.ca),
      'with all of the owner’s chain in the bag': by(plain, ca, registrar.certificate, issuing.certificate, root),
      'with the owner’s chain and not its own': by(plain, registrar.certificate, issuing.certificate, root),
      'an end entity alone': by(alone),
      'an end entity alone with the owner’s root': by(alone, root),
      'in the name of the owner’s CA': by(inName, issuing.certificate, root),
      'in the name of the owner’s CA, which stays at home': by(inName),
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      const code = codeOf(await ask(attempt))
      assert.ok(code === 'owner-mismatch' || code === 'registrar-not-authorized', `${name}: ${code}`)
      const audit = codeOf(await ask(attempt, {}, { path: brskiPath.requestAuditLog }))
      assert.equal(audit, code === 'owner-mismatch' ? 'device-unknown-to-masa' : code, name)
    }
  })

  it('is no registrar without cmcRA: not a web server of the owner, not a device on its network, not a birth certificate', async () => {
    const { issuing, root } = home.authority
    const issuer = { certificate: issuing.certificate, signer: issuing.signer }
    const { serverAuth, clientAuth, anyExtendedKeyUsage } = extendedKeyUsageOid
    const web = await certify({ subject: 'web', issuer, extensions: [eku(serverAuth, clientAuth)] })
    const any = await certify({ subject: 'any', issuer, extensions: [eku(anyExtendedKeyUsage)] })
    const none = await certify({ subject: 'none', issuer })
    const encipher = await certify({
      subject: 'no signature',
      issuer,
      extensions: [registrarUse, makeExtension(extensionKinds.keyUsage, ['keyEncipherment'])],
    })
    // One that holds a network credential signs itself a registrar.
    const below = await certify({ subject: 'below', issuer: web, extensions: [registrarUse] })
    const expired = await certify({
      subject: 'expired',
      issuer,
      extensions: [registrarUse],
      notAfter: new Date(home.now.value - 1000),
    })
    const future = await certify({
      subject: 'future',
      issuer,
      extensions: [registrarUse],
      notBefore: new Date(home.now.value + 3_600_000),
    })
    const birth = home.unit(serial)
    const attempts: Record<string, Parameters<typeof ask>[0]> = {
      web: by(web, issuing.certificate, root),
      any: by(any, issuing.certificate, root),
      none: by(none, issuing.certificate, root),
      encipher: by(encipher, issuing.certificate, root),
      below: by(below, web, issuing.certificate, root),
      'below, and the device as top': by(below, web),
      expired: by(expired, issuing.certificate, root),
      future: by(future, issuing.certificate, root),
      birth: { signer: birth.signer, chain: birth.chain.map(decodeCertificate) },
    }
    for (const [name, attempt] of Object.entries(attempts)) {
      assert.equal(codeOf(await ask(attempt)), 'registrar-not-authorized', name)
    }
  })

  it('gets no proximity for a request of the device that was made elsewhere, and no voucher for a forged one', async () => {
    const unit = home.unit(serial)
    const pledge = pledgeOf(home, unit)
    const { registrar: stranger } = await strange()
    const elsewhere = await pledge.voucherRequest({ 'proximity-registrar-cert': stranger.certificate.der })
    const nonce = openVoucherArtifact(elsewhere, { kind: 'request' }).value.nonce
    const relayed = await ask(owner(), { 'prior-signed-voucher-request': elsewhere, nonce })
    assert.equal(relayed?.status, 200, String(relayed?.body))
    const { value } = openVoucherArtifact(Buffer.from(relayed?.body ?? ''), { kind: 'voucher' })
    assert.equal(value.assertion, 'logged')

    const other = home.unit('B1-000002')
    const clone = await certify({ subject: { serialNumber: serial } })
    const forged = {
      'of another device': await pledgeOf(home, other).voucherRequest(),
      'of another device, with this serial number': await pledgeOf(home, other).voucherRequest({
        'serial-number': serial,
      }),
      'of a clone': await pledgeOf(home, {
        serial,
        signer: clone.signer,
        chain: [clone.certificate.der],
      }).voucherRequest(),
      garbage: Buffer.from('30800000', 'hex'),
    }
    for (const [name, prior] of Object.entries(forged)) {
      const reply = await ask(owner(), { 'prior-signed-voucher-request': prior })
      assert.ok((reply?.status ?? 0) >= 400 && (reply?.status ?? 0) < 500, `${name}: ${reply?.status}`)
      const own = nonceOf(prior)
      const again = await ask(owner(), {
        'prior-signed-voucher-request': prior,
        ...(own === undefined ? {} : { nonce: own }),
      })
      assert.ok((again?.status ?? 0) >= 400, name)
    }
  })

  function nonceOf(prior: Uint8Array): Uint8Array | undefined {
    try {
      return openVoucherArtifact(prior, { kind: 'request' }).value.nonce
    } catch {
      return undefined
    }
  }

  it('gets a nonceless voucher for nobody who was not named', async () => {
    const { certificate } = home.authority.registrar
    const authenticated = testPeer([certificate.der], new Uint8Array())
    assert.equal(codeOf(await ask(owner(), { nonce: undefined }, { peer: authenticated })), 'nonceless-not-allowed')
    assert.equal(codeOf(await ask(owner(), { nonce: undefined })), 'nonceless-not-allowed')
  })

  it('learns of a withdrawn device no more than of any other', async () => {
    await withdrawUnit({ store: home.factory, clock: Date.now }, 'B1-000003', 'test')
    const { registrar, ca } = await strange()
    assert.equal(codeOf(await ask(by(registrar, ca), { 'serial-number': 'B1-000003' })), 'owner-mismatch')
    assert.equal(codeOf(await ask(owner(), { 'serial-number': 'B1-000003' })), 'device-withdrawn')
  })

  it('leaves nothing large behind in memory', async () => {
    const names = Array.from({ length: 9000 }, () => ({ type: 'dNSName', value: 'a' }) as const)
    const extensions = [makeExtension(extensionKinds.subjectAltName, names)]
    const { ca } = await strange()
    const visit = async (n: number) => {
      const fat = await certify({ subject: `fat ${n}`, extensions })
      const registrar = await certify({ subject: `r ${n}`, issuer: ca, extensions: [registrarUse] })
      assert.equal(codeOf(await ask(by(registrar, ca, fat))), 'owner-mismatch')
    }
    await visit(0)
    const before = heapUsed()
    for (let n = 1; n <= 150; n++) await visit(n)
    const grown = Math.round((heapUsed() - before) / 1e6)
    // It was 67 MB, and up to half a gigabyte.
    assert.ok(grown < 30, `${grown} MB`)
  })

  it('is answered within its limits, also when its certificates are a labyrinth', async t => {
    const many = 180
    const names = makeExtension(
      extensionKinds.subjectAltName,
      Array.from({ length: many }, (_, i) => ({ type: 'dNSName', value: `a${i}.b` }) as const),
    )
    const constraints = makeExtension(extensionKinds.nameConstraints, {
      permittedSubtrees: Array.from({ length: many }, (_, i) => ({
        base: { type: 'dNSName', value: i === many - 1 ? '' : `x${i}.y` } as const,
        minimum: 0,
      })),
    })
    // Each level is one name and key with three certificates: 27 paths, each of which fails at its very end.
    const levels: Entity[][] = []
    for (let level = 0; level < 3; level++) {
      const signer = keySigner(generateKey('P-256'))
      const [issuer] = levels.at(-1) ?? []
      const wanted = { subject: `Level ${level}`, signer, ca: true, extensions: [constraints, names] } as const
      const three = [1, 2, 3].map(() => certify(issuer === undefined ? wanted : { ...wanted, issuer }))
      levels.push(await Promise.all(three))
    }
    const leaf = await certify({
      subject: 'Registrar',
      issuer: levels.at(-1)![0]!,
      extensions: [eku(extendedKeyUsageOid.serverAuth), names],
    })
    // Each comparison of two DNS names is one of lower-case text.
    const { mock } = t.mock.method(String.prototype, 'toLowerCase')
    const reply = await ask(by(leaf, ...levels.flat().toReversed()))
    const comparisons = mock.callCount()
    mock.restore()
    assert.equal(codeOf(reply), 'registrar-not-authorized')
    // There were millions, and a second of CPU.
    assert.ok(comparisons < 200_000, `${comparisons} comparisons of names`)
    const honest = await ask(owner())
    assert.equal(honest?.status, 200)
    assert.equal((await home.factory.verify()).integrity, 'pass')
  })
})

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc()')
  return process.memoryUsage().heapUsed
}
