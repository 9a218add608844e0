import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createMasaClient } from '../../src/adapter/http/masa-client.ts'
import { journey, type VirtualDevice } from '../../src/app/playbook/device.ts'
import { type Lab, openLab } from '../../src/app/playbook/lab.ts'
import type { Network } from '../../src/app/playbook/party.ts'
import { decodePem, encodePem } from '../../src/codec/pem.ts'
import type { Certificate } from '../../src/codec/x509/certificate.ts'
import { formatName } from '../../src/codec/x509/name.ts'
import type { MasaAnswer, MasaClient, MasaRequest } from '../../src/domain/port.ts'
import { openVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import { needs } from '../peer.ts'
import { partyStores, silentLog } from '../store.ts'
import { openssl } from './attacker.ts'
import { run } from './lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'mooring-openssl-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0

function file(content: string | Uint8Array): string {
  const name = join(directory, String(++files))
  writeFileSync(name, content)
  return name
}
const pem = (...certificates: readonly Pick<Certificate, 'der'>[]) =>
  file(certificates.map(({ der }) => encodePem('CERTIFICATE', der)).join(''))

/** Everything that went between a registrar and the MASAs. */
function recording(asked: { request: MasaRequest; answer: MasaAnswer }[]): MasaClient {
  const client = createMasaClient()
  return {
    async requestVoucher(request) {
      const answer = await client.requestVoucher(request)
      asked.push({ request, answer })
      return answer
    },
    requestAuditLog: request => client.requestAuditLog(request),
  }
}

/** What openssl makes of a CMS message: the content, and the names that it prints of it. */
async function cms(
  message: Uint8Array,
  root: Certificate,
  ...more: string[]
): Promise<{ content: string; shown: string }> {
  const input = file(message)
  const content = await openssl('cms', '-verify', '-inform', 'DER', '-in', input, '-CAfile', pem(root), ...more)
  const shown = await openssl('cms', '-cmsout', '-print', '-inform', 'DER', '-in', input)
  return { content, shown }
}

describe('openssl agrees with what we make', needs('openssl'), () => {
  let lab: Lab
  let network: Network
  const asked: { request: MasaRequest; answer: MasaAnswer }[] = []
  const devices: VirtualDevice[] = []

  before(async () => {
    lab = await openLab({ data: join(directory, 'lab'), log: silentLog, ...partyStores() })
    network = await lab.openNetwork({ name: 'quay', network: 'quay', owner: 'quay', masa: () => recording(asked) })
    for (const maker of lab.makers) {
      const device = await lab.buy(maker, network)
      const { connectedTo } = await journey(device, [network.origin])
      assert.equal(connectedTo, network.origin)
      devices.push(device)
    }
  })
  after(() => lab.close())

  const answerOf = (device: VirtualDevice, path: string) => {
    const found = device.exchanges.find(({ request, reply }) => request.path.endsWith(path) && reply.status === 200)
    assert.ok(found, path)
    return found
  }
  const fromBase64 = (body: Uint8Array = new Uint8Array()) =>
    Buffer.from(Buffer.from(body).toString('latin1'), 'base64')

  async function ldevid(device: VirtualDevice): Promise<string> {
    const answer = file(fromBase64(answerOf(device, '/simpleenroll').reply.body))
    return file(await openssl('pkcs7', '-inform', 'DER', '-in', answer, '-print_certs'))
  }

  it('on birth certificates and their chain', async () => {
    for (const { pledge, maker } of devices) {
      const { idevid, chain } = pledge.birth
      const roots = ['-CAfile', pem(maker.site.manufacturer.deviceRoot), '-untrusted', pem(...chain)]
      assert.match(await openssl('verify', '-x509_strict', '-purpose', 'sslclient', ...roots, pem(idevid)), /OK/)
      const text = await openssl('x509', '-in', pem(idevid), '-noout', '-text')
      assert.match(text, /Not After : Dec 31 23:59:59 9999 GMT/)
      assert.match(text, new RegExp(`serialNumber = ${pledge.birth.serialNumber}`))
    }
  })

  it('on network certificates and their chain', async () => {
    const { root, issuing } = network.site.authority
    const roots = ['-CAfile', pem(root), '-untrusted', pem(issuing.certificate)]
    for (const device of devices) {
      const certificate = await ldevid(device)
      assert.match(await openssl('verify', '-x509_strict', '-purpose', 'sslclient', ...roots, certificate), /OK/)
    }
  })

  it('on the certificates of servers, and the addresses in them', async () => {
    const { root, registrar } = network.site.authority
    const strict = ['-x509_strict', '-purpose', 'sslserver', '-verify_ip', '127.0.0.1']
    const [registrarRoots, masa] = [['-CAfile', pem(root), '-untrusted', pem(...registrar.chain)], lab.makers[0].site]
    assert.match(await openssl('verify', ...strict, ...registrarRoots, pem(registrar.certificate)), /OK/)
    const { tls, masaRoot } = masa.manufacturer
    const masaRoots = ['-CAfile', pem(masaRoot), '-untrusted', pem(...tls.chain.slice(1))]
    assert.match(await openssl('verify', ...strict, ...masaRoots, pem(tls.certificate)), /OK/)
  })

  it('on the CSR of the pledge', async () => {
    for (const device of devices) {
      const csr = file(fromBase64(answerOf(device, '/simpleenroll').request.body))
      const { code, out, error } = await run('openssl', [
        'req',
        '-inform',
        'DER',
        '-in',
        csr,
        '-verify',
        '-noout',
        '-text',
      ])
      assert.equal(code, 0, error)
      assert.match(out + error, /verify OK/)
    }
  })

  it('on the request of the pledge, the request of the registrar and the voucher', async () => {
    for (const [index, device] of devices.entries()) {
      const exchange = answerOf(device, '/requestvoucher')
      const { manufacturer } = device.maker.site
      const { request, answer } = asked[index]!
      assert.deepEqual(Buffer.from(exchange.reply.body), Buffer.from(answer.body), 'passed on unchanged')
      const messages = [
        ['request', await cms(exchange.request.body!, manufacturer.deviceRoot), exchange.request.body!],
        // Its signer is no mail client: cmcRA, serverAuth, clientAuth.
        ['request', await cms(request.body, network.site.authority.root, '-purpose', 'any'), request.body],
        ['voucher', await cms(answer.body, manufacturer.masaRoot), answer.body],
      ] as const
      for (const [kind, { content, shown }, bytes] of messages) {
        assert.match(shown, /eContentType: undefined \(1\.2\.840\.113549\.1\.9\.16\.1\.40\)/)
        assert.match(shown, /d\.signedData:\s+version: 3/)
        const body = (JSON.parse(content) as Record<string, Record<string, string>>)[
          kind === 'request' ? 'ietf-voucher-request:voucher' : 'ietf-voucher:voucher'
        ]
        assert.equal(body?.['serial-number'], device.serial)
        assert.equal(openVoucherArtifact(bytes, { kind }).value['serial-number'], device.serial)
      }
    }
  })

  it('on the answers of EST', async () => {
    const [device] = devices
    const { root, issuing } = network.site.authority
    const answer = file(fromBase64(answerOf(device!, '/cacerts').reply.body))
    const printed = await openssl('pkcs7', '-inform', 'DER', '-in', answer, '-print_certs')
    const certificates = decodePem(printed.replace(/^(subject|issuer)=.*$/gm, '')).map(({ bytes }) => bytes)
    assert.deepEqual(
      certificates,
      [root, issuing.certificate].map(({ der }) => Buffer.from(der)),
    )
    assert.match(printed, /subject=O = quay, CN = quay root/, formatName(root.subject))
    const attributes = device!.exchanges.find(({ request }) => request.path.endsWith('/csrattrs'))
    const parsed = await openssl('asn1parse', '-inform', 'DER', '-in', file(fromBase64(attributes?.reply.body)))
    assert.match(parsed, /prime256v1/)
  })

  it('on the CRL, before and after a revocation', async () => {
    const { revocation, authority, store } = network.site
    const { root, issuing } = authority
    const [kept, ended] = [await ldevid(devices[0]!), await ldevid(devices[1]!)]
    const check = async (certificate: string, crl: Buffer) => {
      const list = file(await openssl('crl', '-inform', 'DER', '-in', file(crl)))
      const trust = ['-CAfile', pem(root), '-untrusted', pem(issuing.certificate)]
      return run('openssl', ['verify', '-x509_strict', '-crl_check', ...trust, '-CRLfile', list, certificate])
    }
    const first = await revocation.crl()
    for (const certificate of [kept, ended]) assert.equal((await check(certificate, first)).code, 0)

    const serialHex = devices[1]!.pledge.status().credential?.serialHex ?? ''
    const [record] = await store.read(tables => tables.credential.find({ serialHex }))
    await revocation.revoke(record!.id, 'keyCompromise', 'test')
    const second = await revocation.crl()
    const { code, error } = await run('openssl', [
      ...['crl', '-inform', 'DER', '-in', file(second), '-CAfile', pem(issuing.certificate), '-noout'],
    ])
    assert.equal(code, 0)
    assert.match(error, /verify OK/)
    assert.equal((await check(kept, second)).code, 0)
    const revoked = await check(ended, second)
    assert.notEqual(revoked.code, 0)
    assert.match(revoked.error, /certificate revoked/)
    const text = await openssl('crl', '-inform', 'DER', '-in', file(second), '-noout', '-text')
    assert.match(text, /Key Compromise/)
    assert.match(text, new RegExp(`Serial Number: ${serialHex.toUpperCase()}`))
  })
})
