import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decodePemBlock } from '../../src/codec/pem.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid as usage } from '../../src/codec/x509/extension.ts'
import { formatName } from '../../src/codec/x509/name.ts'
import { verifyCsr } from '../../src/crypto/csr.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { importPrivateKey } from '../../src/crypto/key.ts'
import { PathError, validatePath } from '../../src/crypto/path.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { judge } from './oracle.ts'

const folder = new URL('../vector/brski/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, folder), 'utf8')
const certificate = (path: string): Certificate =>
  decodeCertificate(decodePemBlock('CERTIFICATE', read(`${path}.cert.pem`)))
const anchors = (...list: Certificate[]) => list.map((each, i) => ({ name: `anchor ${i}`, certificate: each }))

/** test/vector/brski/README.md says which file is what, and the clock to use. */
describe('RFC 8995 appendix C', () => {
  const at = new Date('2021-04-13T21:43:30Z')
  const of = (name: string) => certificate(`rfc8995-appendix-c/certs/${name}`)
  const manufacturer = of('manufacturer-idevid-ca')
  const printed = of('pledge-idevid-printed')
  const registrarCa = of('registrar-ca')
  const registrar = of('registrar')

  test('the IDevID that the pledge sends chains to the manufacturer CA of C.1.1', () => {
    judge({ chain: [of('pledge-idevid-embedded-in-pvr')], anchors: anchors(manufacturer), at }, 'ok')
    judge({ chain: [of('pledge-idevid-repository')], anchors: anchors(manufacturer), at: new Date('2022-01-01') }, 'ok')
    judge({ chain: [of('masa-voucher-signer')], anchors: anchors(manufacturer), at }, 'ok')
  })
  test('the IDevID printed in C.1.5 does not: same name, another key, and not even of the same kind', () => {
    const later = new Date('2021-04-27')
    assert.equal(formatName(printed.issuer), formatName(manufacturer.subject))
    assert.throws(
      () => validatePath({ chain: [printed], anchors: anchors(manufacturer), at: later }),
      (error: unknown) =>
        error instanceof PathError && error.code === 'bad-signature' && error.subject.includes('00-D0-E5-F2-00-02'),
    )
    judge({ chain: [printed], anchors: anchors(manufacturer), at: later }, 'bad-signature')
    judge({ chain: [printed], anchors: anchors(manufacturer), at, ignoreLeafLifetime: true }, 'bad-signature')
  })
  test('a manufacturer CA of the same name from the voucher draft is another one', () => {
    const twin = certificate('rfc8366bis/certs/manufacturer-rsa-ca')
    assert.equal(formatName(twin.subject), formatName(manufacturer.subject))
    const chain = [of('pledge-idevid-embedded-in-pvr')]
    judge({ chain, anchors: anchors(twin), at }, 'bad-signature')
    judge({ chain, anchors: anchors(twin, manufacturer), at }, 'ok')
    assert.equal(validatePath({ chain, anchors: anchors(twin, manufacturer), at }).anchor.name, 'anchor 1')
  })
  test('the registrar chains to its CA, is an RA, and is no TLS server by its extensions', () => {
    const request = { chain: [registrar, registrarCa], anchors: anchors(registrarCa), at }
    judge(request, 'ok')
    judge({ ...request, purpose: [usage.cmcRA] }, 'ok', 'no openssl')
    judge({ ...request, purpose: [usage.serverAuth] }, 'extended-key-usage')
    judge({ ...request, at: new Date('2022-02-25') }, 'expired')
    judge({ ...request, chain: [registrar], anchors: anchors(registrar) }, 'ok')
  })
  test('each printed key belongs to its certificate', async () => {
    const pairs = [
      ['manufacturer-idevid-ca', manufacturer],
      ['masa-voucher-signer', of('masa-voucher-signer')],
      ['registrar-ca', registrarCa],
      ['registrar', registrar],
      ['pledge-idevid', printed],
    ] as const
    for (const [name, holder] of pairs) {
      const signer = keySigner(importPrivateKey(read(`rfc8995-appendix-c/keys/${name}.key.pem`)))
      assert.deepEqual(signer.spkiDer, Buffer.from(holder.spkiDer), name)
    }
  })
})

describe('RFC 7030 appendix A', () => {
  test('requests signed with SHA-1: refused by name, good where a test asks for it', () => {
    for (const name of ['a3-simpleenroll-request', 'a4-serverkeygen-request']) {
      const der = readFileSync(new URL(`rfc7030-appendix-a/${name}.p10.der`, folder))
      assert.throws(
        () => verifyCsr(der),
        (error: unknown) => error instanceof CryptoError && error.code === 'weak-algorithm',
      )
      assert.equal(verifyCsr(der, { allowSha1: true }).publicKey.asymmetricKeyDetails?.modulusLength, 2048)
    }
  })
})
