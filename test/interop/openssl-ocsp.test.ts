import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../../src/app/free-port.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { decodeOcspResponse, ocspStatus } from '../../src/codec/ocsp.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId, evolveDevice } from '../../src/domain/device.ts'
import { streamName } from '../../src/domain/event.ts'
import { createCredentialIssuer, openCsr } from '../../src/role/onboarding/network-credential.ts'
import { needs } from '../peer.ts'
import { silentLog } from '../store.ts'
import { run } from './lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'mooring-ocsp-'))
let files = 0

function file(content: string | Uint8Array): string {
  const name = join(directory, String(++files))
  writeFileSync(name, content)
  return name
}

describe('openssl as the one who asks whether a credential is good', needs('openssl'), () => {
  let site: Site
  let url: string
  let roots: string
  let serial = 0

  before(async () => {
    const port = await freePort('127.0.0.1')
    url = `http://127.0.0.1:${port}`
    site = await openSite({
      ...{ network: 'home', owner: 'me', data: join(directory, 'site'), host: '127.0.0.1', port: 0, log: silentLog },
      status: { host: '127.0.0.1', port, url },
    })
  })
  after(async () => {
    await site.close()
    rmSync(directory, { recursive: true })
  })

  /** A device of this site and its credential. */
  async function issued() {
    const number = `L-${++serial}`
    const device = deviceId('acme', number)
    await site.store.transaction(async tx => {
      const event = {
        kind: 'device-expected',
        body: { manufacturer: 'acme', serial: number, model: 'L', source: 'test', owner: '', declarationVersion: 0 },
      } as const
      await tx.append(streamName('device', device), 0, [event])
      await tx.device.put(evolveDevice(undefined, event))
    })
    const signer = keySigner(generateKey('P-256'))
    const csr = openCsr(await createCsr({ subject: encodeName({ commonName: number }) }, signer))
    const { issuing } = site.authority
    const issuer = createCredentialIssuer({ store: site.store, clock: Date.now, issuing })
    const plan = { kind: 'network', lifetimeDays: 365, network: 'home', statusUrl: url } as const
    const certificate = decodeCertificate(await issuer.issue({ device, csr, plan, authorize() {} }))
    const [record] = await site.store.read(tables => tables.credential.find({ serialHex: certificate.serialHex }))
    const leaf = file(encodePem('CERTIFICATE', certificate.der))
    return { id: record!.id, certificate, leaf, issuing: file(encodePem('CERTIFICATE', issuing.certificate.der)) }
  }

  function ask(
    { leaf, issuing, digest = [] }: { leaf: string; issuing: string; digest?: string[] },
    ...more: string[]
  ) {
    const { roots: all, generations } = site.authority
    const trusted = [...all, ...generations.map(({ certificate }) => certificate)]
    roots = file(trusted.map(({ der }) => encodePem('CERTIFICATE', der)).join(''))
    const about = leaf.startsWith('0x') ? ['-serial', leaf] : ['-cert', leaf]
    return run('openssl', ['ocsp', '-issuer', issuing, ...digest, ...about, '-CAfile', roots, ...more])
  }

  it('is told good, then revoked with the reason, with its nonce back and a response that it can verify', async () => {
    const credential = await issued()
    const good = await ask(credential, '-url', `${url}/ocsp`, '-nonce')
    assert.match(good.error, /Response verify OK/, good.error)
    assert.doesNotMatch(good.error, /WARNING/)
    assert.match(good.out, /: good\n/)
    await site.revocation.revoke(credential.id, 'keyCompromise', 'test')
    const revoked = await ask({ ...credential, digest: ['-sha256'] }, '-url', `${url}/ocsp`, '-nonce')
    assert.match(revoked.error, /Response verify OK/)
    assert.match(revoked.out, /: revoked\n/)
    assert.match(revoked.out, /Reason: keyCompromise/)
  })

  it('finds the places in the certificate, and the list of the issuer at the one of them', async () => {
    const { leaf, certificate, id } = await issued()
    const { out } = await run('openssl', ['x509', '-in', leaf, '-noout', '-text'])
    assert.match(out, new RegExp(`OCSP - URI:${url}/ocsp`))
    assert.match(out, new RegExp(`URI:${url}/crl/issuing-1.crl`))
    await site.revocation.revoke(id, 'cessationOfOperation', 'test')
    const answer = await fetch(`${url}/crl/issuing-1.crl`)
    const list = decodeCertificateList(Buffer.from(await answer.arrayBuffer()))
    assert.equal(list.revoked.get(certificate.serialHex)?.reason, 'cessationOfOperation')
  })

  it('is told by each issuing CA for its own, after a rollover; and nothing about strangers', async () => {
    const old = await issued()
    await site.siteAuthority.roll('root', 'test')
    const young = await issued()
    for (const each of [old, young]) {
      const { out, error } = await ask(each, '-url', `${url}/ocsp`)
      assert.match(error, /Response verify OK/, error)
      assert.match(out, /: good\n/)
    }
    // The certificate of one under the name of the other CA is unknown to it; no CA of ours at all is not ours to say.
    const mixed = await ask({ leaf: `0x${old.certificate.serialHex}`, issuing: young.issuing }, '-url', `${url}/ocsp`)
    assert.match(mixed.error, /Response verify OK/)
    assert.match(mixed.out, /: unknown\n/)
    const stranger = await ask(
      { leaf: old.leaf, issuing: file(encodePem('CERTIFICATE', young.certificate.der)) },
      '-url',
      `${url}/ocsp`,
    )
    assert.match(stranger.out + stranger.error, /unauthorized/)
  })

  it('asks by GET as well, and gets an error for what is no request', async () => {
    const credential = await issued()
    const request = file('')
    await ask(credential, '-reqout', request, '-no_nonce')
    const { readFileSync } = await import('node:fs')
    const der = readFileSync(request)
    const answer = await fetch(`${url}/ocsp/${encodeURIComponent(der.toString('base64'))}`)
    assert.equal(answer.headers.get('content-type'), 'application/ocsp-response')
    const read = decodeOcspResponse(Buffer.from(await answer.arrayBuffer()))
    assert.equal(read.data?.responses[0]?.certStatus.type, 'good')
    assert.equal(read.data?.responseExtensions, undefined)
    for (const body of [Buffer.alloc(0), Buffer.from('nonsense'), der.subarray(0, 20), Buffer.concat([der, der])]) {
      const refused = await fetch(`${url}/ocsp`, { method: 'POST', body })
      const { status } = decodeOcspResponse(Buffer.from(await refused.arrayBuffer()))
      assert.equal(status, ocspStatus.malformedRequest)
    }
    assert.equal((await fetch(`${url}/ocsp`)).status, 405)
    assert.equal((await fetch(`${url}/ocsp`, { method: 'POST', body: Buffer.alloc(0x4000) })).status, 413)
    assert.equal((await fetch(`${url}/.well-known/est/cacerts`)).status, 404, 'nothing else is behind that port')
  })

  it('does not believe an answer by somebody else of the same CA', async () => {
    const credential = await issued()
    const forge = async (request: IncomingMessage, reply: ServerResponse) => {
      const honest = await fetch(`${url}/ocsp`, { method: 'POST', body: await buffer(request) })
      const der = Buffer.from(await honest.arrayBuffer())
      // One bit of what is signed: good becomes something else.
      const at = der.indexOf(Buffer.from('8000', 'hex'))
      der[at] = 0x82
      reply.setHeader('content-type', 'application/ocsp-response').end(der)
    }
    const forged = createServer((request, reply) => void forge(request, reply))
    await new Promise<void>(resolve => forged.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = forged.address() as { port: number }
      const { out, error } = await ask(credential, '-url', `http://127.0.0.1:${port}/`)
      assert.match(out + error, /Response Verify Failure/i)
    } finally {
      forged.close()
    }
  })
})
