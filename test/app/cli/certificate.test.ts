import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { decodePemBlock, encodePem } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { prepareCrl, signCrl } from '../../../src/crypto/crl.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { certify, type Entity, eku } from '../../crypto/pki.ts'
import { Shell } from './process.ts'

let directory: string
let shell: Shell
let site: Awaited<ReturnType<Shell['start']>>
let people: Entity
let reach: readonly string[]

const file = (name: string) => join(directory, name)

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-certificate-'))
  shell = new Shell(directory)
  people = await certify({ subject: 'Harbour people', ca: true })
  const key = generateKey('P-256')
  const email = makeExtension(extensionKinds.subjectAltName, [{ type: 'rfc822Name', value: 'ann@harbour.example' }])
  const extensions = [eku(extendedKeyUsageOid.clientAuth), email]
  const ann = await certify({ subject: 'Ann', issuer: people, signer: keySigner(key), extensions })
  await writeFile(file('people.pem'), encodePem('CERTIFICATE', people.certificate.der))
  await writeFile(file('ann.pem'), encodePem('CERTIFICATE', ann.certificate.der))
  await writeFile(file('ann.key'), key.export({ type: 'pkcs8', format: 'pem' }))
  const ports = ['--port', '0', '--api-port', '0', '--listen', '127.0.0.1', '--quiet']
  site = await shell.start(['up', '--data', file('site'), ...ports, '--api-listen', '0.0.0.0', '--host', 'localhost'])
  const { ca } = JSON.parse(await readFile(join(directory, 'site/access.json'), 'utf8')) as { ca: string }
  await writeFile(file('ca.pem'), ca)
  reach = ['--url', String(site.ready['url']), '--ca', file('ca.pem'), '--data', file('nothing-here'), '--json']
})

after(async () => {
  await site.stop()
  await shell.end()
  await rm(directory, { recursive: true })
})

const local = (...args: readonly string[]) => shell.run([...args, '--data', file('site'), '--json'])
const byAnn = async (...args: readonly string[]) => {
  const { code, json } = await shell.process([...args, ...reach, '--cert', file('ann.pem'), '--key', file('ann.key')])
  const failure = json()['error'] as { code: string } | undefined
  return { code, failure: failure?.code, json: json() }
}

describe('a person with a client certificate', () => {
  test('uses the command line without any token, as what the site says', async () => {
    assert.equal((await local('caller', 'trust', 'people', '--anchor', file('people.pem'))).code, 0)
    assert.deepEqual((await byAnn('device', 'list')).failure, 'caller-unknown')
    const admitted = await local(
      ...['caller', 'admit', 'email:ann@harbour.example', '--authority', 'people'],
      ...['--party', 'ann', '--role', 'device-manager'],
    )
    assert.equal(admitted.code, 0, admitted.stdout)
    assert.deepEqual((await byAnn('device', 'list')).json['items'], [])
    assert.deepEqual((await byAnn('token', 'create', 'x', '--role', 'auditor')).failure, 'not-permitted')
    assert.equal(((await local('caller', 'list')).json()['items'] as { party: string }[])[0]?.party, 'ann')
  })

  test('is refused once the authority has revoked the certificate', async () => {
    const now = Date.now()
    const { certificate } = people
    const ann = decodeCertificate(decodePemBlock('CERTIFICATE', await readFile(file('ann.pem'), 'utf8')))
    const crl = prepareCrl({
      issuer: { certificate, signer: people.signer },
      number: 1n,
      thisUpdate: new Date(now - 1000),
      nextUpdate: new Date(now + 3_600_000),
      revoked: [{ serialNumber: ann.serialNumber, revocationDate: new Date(now - 2000) }],
    })
    await writeFile(file('people.crl'), encodePem('X509 CRL', await signCrl(crl, people.signer)))
    assert.equal((await local('caller', 'crl', 'people', file('people.crl'))).code, 0)
    assert.deepEqual((await byAnn('device', 'list')).failure, 'caller-revoked')
    assert.equal((await local('caller', 'distrust', 'people')).code, 0)
    assert.deepEqual((await byAnn('device', 'list')).failure, 'caller-untrusted')
    assert.equal(((await local('caller', 'authorities')).json()['items'] as unknown[]).length, 1)
  })

  test('needs both files, TLS, and no token beside them', async () => {
    const refused = async (...args: readonly string[]) => {
      const { code, json } = await shell.run(['device', 'list', '--json', ...args])
      return [code, (json()['error'] as { code: string }).code]
    }
    const both = ['--cert', file('ann.pem'), '--key', file('ann.key')]
    assert.deepEqual(await refused('--cert', file('ann.pem')), [1, 'input-invalid'])
    assert.deepEqual(await refused(...both, '--url', 'http://localhost:1'), [1, 'input-invalid'])
    assert.deepEqual(await refused(...both, '--url', 'https://localhost:1', '--token', 'mrg_x'), [1, 'input-invalid'])
    assert.deepEqual(await refused(...both, '--url', 'https://localhost:1'), [4, 'service-unreachable'])
    assert.deepEqual(await refused('--cert', file('gone'), '--key', file('ann.key')), [1, 'file-unreadable'])
  })
})
