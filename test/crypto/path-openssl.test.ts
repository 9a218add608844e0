import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { decodePemBlock } from '../../src/codec/pem.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid as usage } from '../../src/codec/x509/extension.ts'
import type { PathErrorCode, PathRequest } from '../../src/crypto/path.ts'
import { needs } from '../peer.ts'
import { judge } from './oracle.ts'

/** Certificates that OpenSSL made, so that what we read is not only what we write. */
describe('chains made by openssl', needs('openssl'), () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-openssl-'))
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  const place = (name: string) => join(directory, name)
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })

  /** `issuer` absent: self-signed. `extensions` in OpenSSL's own language; none makes a version 1 certificate. */
  function make(
    name: string,
    extensions: readonly string[],
    issuer?: string,
    key = 'P-256',
    subject = name,
  ): Certificate {
    const algorithm =
      key === 'RSA' ? ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] : ['EC', '-pkeyopt', `ec_paramgen_curve:${key}`]
    run('genpkey', '-algorithm', ...algorithm, '-out', place(`${name}.key`))
    run(
      'req',
      '-new',
      '-key',
      place(`${name}.key`),
      '-subj',
      `/O=Made by openssl/CN=${subject}`,
      '-out',
      place(`${name}.csr`),
    )
    const signer =
      issuer === undefined
        ? ['-key', place(`${name}.key`)]
        : ['-CA', place(`${issuer}.pem`), '-CAkey', place(`${issuer}.key`)]
    const options = ['-req', '-in', place(`${name}.csr`), '-days', '3650', '-out', place(`${name}.pem`), ...signer]
    if (extensions.length > 0) {
      writeFileSync(place(`${name}.ext`), extensions.join('\n'))
      options.push('-extfile', place(`${name}.ext`))
    }
    run('x509', ...options)
    return decodeCertificate(decodePemBlock('CERTIFICATE', readFileSync(place(`${name}.pem`), 'utf8')))
  }

  const ca = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign', 'subjectKeyIdentifier=hash']
  const device = [
    'basicConstraints=CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid',
  ]
  const request = (...chain: Certificate[]): PathRequest => ({
    chain: chain.slice(0, -1),
    anchors: [{ name: 'root', certificate: chain.at(-1)! }],
    at: new Date(Date.now() + 60_000),
  })

  for (const key of ['P-256', 'P-384', 'P-521', 'RSA']) {
    test(`${key}: root, CA with a path length, TLS server`, () => {
      const root = make('root', ca, undefined, key)
      const middle = make(
        'middle',
        ['basicConstraints=critical,CA:TRUE,pathlen:0', ...ca.slice(1), 'authorityKeyIdentifier=keyid,issuer'],
        'root',
        key,
      )
      const leaf = make(
        'leaf',
        [...device, 'extendedKeyUsage=serverAuth', 'subjectAltName=DNS:a.example.com,IP:192.0.2.1'],
        'middle',
      )
      judge({ ...request(leaf, middle, root), purpose: [usage.serverAuth] }, 'ok')
      judge({ ...request(leaf, middle, root), purpose: [usage.clientAuth] }, 'extended-key-usage')
      judge({ ...request(leaf, middle, root), at: new Date(Date.now() - 86_400_000) }, 'not-yet-valid')
      judge({ ...request(leaf, middle, root), at: new Date(Date.now() + 20 * 365 * 86_400_000) }, 'expired')
      const lower = make('lower', ca, 'middle')
      judge(request(make('below', device, 'lower'), lower, middle, root), 'path-length')
    })
  }

  const limits: readonly (readonly [constraint: string, names: string, expected: 'ok' | PathErrorCode])[] = [
    ['permitted;DNS:example.com', 'DNS:a.example.com', 'ok'],
    ['permitted;DNS:example.com', 'DNS:a.example.org', 'name-constraint'],
    ['excluded;DNS:example.com', 'DNS:a.example.com', 'name-constraint'],
    ['permitted;IP:192.0.2.0/255.255.255.0', 'IP:192.0.2.9', 'ok'],
    ['permitted;IP:192.0.2.0/255.255.255.0', 'IP:192.0.3.9', 'name-constraint'],
    ['permitted;IP:2001:db8:0:0:0:0:0:0/ffff:ffff:0:0:0:0:0:0', 'IP:2001:db8:0:0:0:0:0:9', 'ok'],
    ['permitted;email:example.com', 'email:a@example.com', 'ok'],
    ['permitted;email:.example.com', 'email:a@example.com', 'name-constraint'],
    ['permitted;URI:.example.com', 'URI:https://a.example.com/x', 'ok'],
    ['excluded;URI:.example.com', 'URI:https://a.example.com/x', 'name-constraint'],
    ['permitted;DNS:example.com,excluded;DNS:b.example.com', 'DNS:b.example.com', 'name-constraint'],
  ]
  test('name constraints', () => {
    const root = make('root', ca)
    for (const [constraint, names, expected] of limits) {
      const middle = make('middle', [...ca, `nameConstraints=critical,${constraint}`], 'root')
      judge(request(make('leaf', [...device, `subjectAltName=${names}`], 'middle'), middle, root), expected)
    }
  })

  test('a version 1 root is a CA, a version 1 intermediate is none', () => {
    const old = make('root', [])
    assert.equal(old.version, 1)
    const middle = make('middle', ca, 'root')
    judge(request(make('leaf', device, 'middle'), middle, old), 'ok')
    const oldMiddle = make('middle', [], 'root')
    judge(request(make('leaf', ['keyUsage=critical,digitalSignature'], 'middle'), oldMiddle, old), 'not-a-ca')
  })

  test('an extension that only its maker knows', () => {
    const root = make('root', ca)
    const strange = (critical: string) =>
      make('leaf', [...device, `1.3.6.1.4.1.99999.1=${critical}ASN1:UTF8String:x`], 'root')
    judge(request(strange('critical,'), root), 'unknown-critical-extension')
    judge(request(strange(''), root), 'ok')
  })

  test('a CRL from openssl ca', () => {
    const root = make('root', ca)
    const leaf = make('leaf', device, 'root')
    const other = make('other', device, 'root')
    writeFileSync(place('index'), '')
    writeFileSync(place('crlnumber'), '01\n')
    const config = `[ca]\ndefault_ca=x\n[x]\ndatabase=${place('index')}\ncrlnumber=${place('crlnumber')}\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n`
    writeFileSync(place('ca.cnf'), config)
    const authority = ['-config', place('ca.cnf'), '-cert', place('root.pem'), '-keyfile', place('root.key')]
    run('ca', ...authority, '-revoke', place('leaf.pem'), '-crl_reason', 'keyCompromise')
    run('ca', ...authority, '-gencrl', '-out', place('root.crl'))
    const list = decodeCertificateList(decodePemBlock('X509 CRL', readFileSync(place('root.crl'), 'utf8')))
    judge({ ...request(leaf, root), crls: [list] }, 'revoked')
    judge({ ...request(other, root), crls: [list] }, 'ok')
    judge({ ...request(other, root), crls: [list], at: new Date(Date.now() + 8 * 86_400_000) }, 'crl-stale')
  })
})
