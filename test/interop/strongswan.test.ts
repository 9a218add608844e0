import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { decodePemBlock, encodePem } from '../../src/codec/pem.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { formatName, sameName } from '../../src/codec/x509/name.ts'
import { needs } from '../peer.ts'
import { attackerOf, newKey, openssl } from './attacker.ts'
import { type Lab, openLab, run } from './lab.ts'

/** An EST client that knows nothing of BRSKI: it renews with `--cert`, and enrols without one or with a password. */
describe('strongSwan as EST client', needs('pki', 'openssl', 'curl', 'bash'), () => {
  let lab: Lab
  let serial: string
  const { curl, steps } = attackerOf(() => lab)
  const file = (name: string) => lab.file(serial, name)
  const certificate = async (name: string) =>
    decodeCertificate(decodePemBlock('CERTIFICATE', String(await lab.read(serial, name))))

  async function pki(operation: string, ...args: string[]): Promise<{ code: number; out: string; error: string }> {
    return run('pki', [operation, '--url', lab.url, '--cacert', file('root.crt'), '--outform', 'pem', ...args])
  }

  before(async () => {
    lab = await openLab()
    ;[serial] = (await lab.make('B1', 1)) as [string]
    await lab.write(serial, 'root.crt', encodePem('CERTIFICATE', lab.site.authority.root.der))
  })
  after(() => lab.close())

  it('gets the CA certificates', async () => {
    const { code, error } = await pki('--estca', '--caout', file('ca.crt'))
    assert.equal(code, 0, error)
    const { root, issuing } = lab.site.authority
    assert.deepEqual((await certificate('ca.crt')).der, root.der)
    assert.deepEqual((await certificate('ca-1.crt')).der, issuing.certificate.der)
  })

  it('does not enrol without a voucher', async () => {
    await openssl('req', '-new', ...newKey, '-subj', '/CN=x', '-keyout', file('est.key'), '-out', file('est.csr'))
    await openssl('req', '-in', file('est.csr'), '-outform', 'DER', '-out', file('est.csr.der'))
    const nobody = await pki('--est', '--in', file('est.csr.der'))
    assert.equal(nobody.code, 1)
    assert.match(nobody.error, /HTTP 401/)
    const unvouched = await pki(
      '--est',
      '--in',
      file('est.csr.der'),
      '--cert',
      file('idevid.crt'),
      '--key',
      file('idevid.key'),
    )
    assert.match(unvouched.error, /HTTP 401/)
  })

  it('renews a network credential, with its own way of writing the name, and the new one opens the door', async () => {
    await steps(serial, 'onboard')
    const old = await certificate('ldevid.crt')
    const name = formatName(old.subject).split(',').reverse().join(', ').replace('2.5.4.5', 'serialNumber')
    await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('new.key'))
    const made = await run('pki', [
      '--req',
      '--in',
      file('new.key'),
      '--type',
      'ecdsa',
      '--dn',
      name,
      '--outform',
      'pem',
    ])
    assert.equal(made.code, 0, made.error)
    await writeFile(file('new.csr'), made.out)
    await openssl('req', '-in', file('new.csr'), '-outform', 'DER', '-out', file('new.csr.der'))

    const identity = ['--cert', file('ldevid.crt'), '--key', file('ldevid.key')]
    const renewed = await pki('--est', '--in', file('new.csr.der'), ...identity)
    assert.equal(renewed.code, 0, renewed.error)
    await lab.write(serial, 'new.crt', renewed.out)
    const next = await certificate('new.crt')
    assert.notDeepEqual(next.spkiDer, old.spkiDer)
    assert.ok(sameName(next.subject, old.subject))
    const shown = await curl(
      '/.well-known/mooring/presence',
      undefined,
      '--cert',
      file('new.crt'),
      '--key',
      file('new.key'),
    )
    assert.equal(shown.status, 200)
    const superseded = await curl('/.well-known/mooring/presence', undefined, ...identity)
    assert.deepEqual(superseded, { status: 403, code: 'credential-not-in-force' })
  })

  it('is refused a renewal under another name', async () => {
    await openssl('req', '-new', ...newKey, '-subj', '/CN=other', '-keyout', file('o.key'), '-out', file('o.csr'))
    await openssl('req', '-in', file('o.csr'), '-outform', 'DER', '-out', file('o.csr.der'))
    const refused = await pki('--est', '--in', file('o.csr.der'), '--cert', file('new.crt'), '--key', file('new.key'))
    assert.match(refused.error, /HTTP 400/)
  })
})
