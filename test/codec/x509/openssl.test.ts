import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  crlExtensionKinds,
  decodeCertificateList,
  encodeCertificateList,
  encodeTbsCertList,
} from '../../../src/codec/crl.ts'
import { decodePem, decodePemBlock, encodePem } from '../../../src/codec/pem.ts'
import {
  decodeCertificationRequest,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
} from '../../../src/codec/pkcs10.ts'
import { ecdsaWithSHA256, signatureAlgorithm } from '../../../src/codec/x509/algorithm.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherName, otherNames } from '../../../src/codec/x509/general-name.ts'
import { encodeName, formatName, sameName } from '../../../src/codec/x509/name.ts'
import { needs } from '../../peer.ts'
import { makeCertificate, party } from './make.ts'

const folder = mkdtempSync(join(tmpdir(), 'mooring-openssl-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

function openssl(args: readonly string[], input: string | Buffer = ''): Buffer {
  return execFileSync('openssl', args, { input, cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] })
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const keyId = (spki: Buffer) => createHash('sha1').update(spki.subarray(-65)).digest()

/** Asserts that every line occurs in `text`, in this order. */
function contains(text: string, ...lines: readonly string[]): void {
  let from = 0
  for (const line of lines) {
    const at = text.indexOf(line, from)
    assert.ok(at >= 0, `${line} is not in\n${text}`)
    from = at + line.length
  }
}

const ca = party('CA, "the" first')
const device = party('Device')
const caDer = makeCertificate(ca, ca, {
  extensions: [
    makeExtension(extensionKinds.basicConstraints, { cA: true, pathLenConstraint: 0 }),
    makeExtension(extensionKinds.keyUsage, ['keyCertSign', 'cRLSign']),
    makeExtension(extensionKinds.subjectKeyIdentifier, keyId(ca.spkiDer)),
  ],
})

test('openssl reads our certificate as we meant it and verifies the chain', needs('openssl'), () => {
  const url = { type: 'uniformResourceIdentifier' as const, value: 'http://ca.example/crl' }
  const der = makeCertificate(ca, device, {
    subject: encodeName({ countryName: 'CH', organizationName: 'Zürich + Co', serialNumber: 'JADA-1' }),
    extensions: [
      makeExtension(extensionKinds.basicConstraints, { cA: false }),
      makeExtension(extensionKinds.keyUsage, ['digitalSignature', 'keyAgreement']),
      makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.clientAuth, extendedKeyUsageOid.cmcRA]),
      makeExtension(extensionKinds.subjectKeyIdentifier, keyId(device.spkiDer)),
      makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: keyId(ca.spkiDer) }),
      makeExtension(extensionKinds.subjectAltName, [
        { type: 'dNSName', value: 'jada-1.example' },
        { type: 'iPAddress', value: Buffer.from([192, 0, 2, 1]) },
        { type: 'iPAddress', value: Buffer.from('20010db8000000000000000000000001', 'hex') },
        { type: 'rfc822Name', value: 'a@b.example' },
        otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.99999.7', hwSerialNum: Buffer.from('S1') }),
      ]),
      makeExtension(extensionKinds.cRLDistributionPoints, [{ distributionPoint: { type: 'fullName', value: [url] } }]),
      makeExtension(extensionKinds.authorityInfoAccess, [{ accessMethod: '1.3.6.1.5.5.7.48.2', accessLocation: url }]),
      makeExtension(extensionKinds.certificatePolicies, [{ policyIdentifier: '2.5.29.32.0' }]),
      makeExtension(extensionKinds.masaUrl, 'masa.example'),
      makeExtension(extensionKinds.mudUrl, 'https://mud.example/jada'),
    ],
  })
  const text = openssl(
    ['x509', '-inform', 'DER', '-noout', '-text', '-nameopt', 'RFC2253,-esc_msb,utf8'],
    der,
  ).toString()
  contains(
    text,
    'Version: 3 (0x2)',
    'Serial Number: 4886718345 (0x123456789)',
    'Issuer: CN=CA\\, \\"the\\" first,O=Example',
    'Not Before: Jan  1 00:00:00 2026 GMT',
    'Not After : Dec 31 23:59:59 9999 GMT',
    'Subject: serialNumber=JADA-1,O=Zürich \\+ Co,C=CH',
    'X509v3 Basic Constraints: critical',
    'CA:FALSE',
    'X509v3 Key Usage: critical',
    'Digital Signature, Key Agreement',
    'TLS Web Client Authentication, CMC Registration Authority',
    'DNS:jada-1.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a@b.example, othername:',
    'URI:http://ca.example/crl',
    'CA Issuers - URI:http://ca.example/crl',
    'Policy: X509v3 Any Policy',
    'masa.example',
    'https://mud.example/jada',
  )
  assert.equal(hex(openssl(['x509', '-inform', 'DER', '-outform', 'DER'], der)), hex(der))
  openssl(['asn1parse', '-inform', 'DER'], der)
  const chain = [
    '-CAfile',
    file('ca.pem', encodePem('CERTIFICATE', caDer)),
    file('ee.pem', encodePem('CERTIFICATE', der)),
  ]
  contains(openssl(['verify', '-x509_strict', ...chain]).toString(), 'ee.pem: OK')
})

test('openssl verifies our request and reads what it asks for', needs('openssl'), () => {
  const info = encodeCertificationRequestInfo({
    subject: device.name,
    spkiDer: device.spkiDer,
    extensions: [makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: 'x.example' }])],
    challengePassword: 'c2VjcmV0',
    attributes: [{ type: '1.2.840.113549.1.9.2', values: [Buffer.from('0c0141', 'hex')] }],
  })
  const der = encodeCertificationRequest(info, ecdsaWithSHA256.identifier, sign('sha256', info, device.privateKey))
  const text = openssl(['req', '-inform', 'DER', '-noout', '-text', '-verify'], der).toString()
  contains(text, 'Subject: O = Example, CN = Device', 'challengePassword', 'c2VjcmV0', 'DNS:x.example')
  assert.equal(hex(openssl(['req', '-inform', 'DER', '-outform', 'DER'], der)), hex(der))
})

test('openssl verifies our CRL and refuses the certificate in it', needs('openssl'), () => {
  const at = (seconds: number) => new Date(Math.floor(Date.now() / 1000 + seconds) * 1000)
  const list = (serials: string[]) => {
    const tbs = encodeTbsCertList({
      signature: ecdsaWithSHA256.identifier,
      issuer: ca.name,
      thisUpdate: at(-60),
      nextUpdate: at(3600),
      revoked: serials.map(serial => ({
        serialNumber: Buffer.from(serial, 'hex'),
        revocationDate: at(-60),
        reason: 'keyCompromise' as const,
      })),
      extensions: [
        makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: keyId(ca.spkiDer) }),
        makeExtension(crlExtensionKinds.cRLNumber, Buffer.from([200])),
      ],
    })
    return encodeCertificateList(tbs, ecdsaWithSHA256.identifier, sign('sha256', tbs, ca.privateKey))
  }
  const caFile = file('crl-ca.pem', encodePem('CERTIFICATE', caDer))
  const der = list(['0123456789', '80'])
  const text = openssl(['crl', '-inform', 'DER', '-noout', '-text', '-CAfile', caFile], der).toString()
  contains(
    text,
    'Version 2',
    'X509v3 CRL Number',
    '200',
    'Serial Number: 0123456789',
    'Key Compromise',
    'Serial Number: 80',
  )
  assert.equal(hex(openssl(['crl', '-inform', 'DER', '-outform', 'DER'], der)), hex(der))
  const leaf = file('revocable.pem', encodePem('CERTIFICATE', makeCertificate(ca, device)))
  const check = (crl: Buffer) => {
    const crlFile = file('list.pem', encodePem('X509 CRL', crl))
    return openssl(['verify', '-crl_check', '-CAfile', caFile, '-CRLfile', crlFile, leaf]).toString()
  }
  contains(check(list([])), 'revocable.pem: OK')
  assert.throws(() => check(der), /certificate revoked/)
})

/** What `openssl x509` says about a certificate: its serial number, names and dates. */
function agree(ours: Certificate, der: Buffer): void {
  const names = 'RFC2253,-esc_msb,utf8,sname'
  const args = ['x509', '-inform', 'DER', '-noout', '-serial', '-subject', '-issuer', '-dates', '-nameopt', names]
  const lines = openssl(args, der).toString().trim().split('\n')
  const said = new Map(
    lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  )
  assert.equal(said.get('serial')?.toLowerCase(), ours.serialHex)
  assert.equal(said.get('subject'), formatName(ours.subject))
  assert.equal(said.get('issuer'), formatName(ours.issuer))
  assert.equal(Date.parse(said.get('notBefore')!), ours.validity.notBefore.getTime())
  assert.equal(Date.parse(said.get('notAfter')!), ours.validity.notAfter.getTime())
}

const CONFIG = `
[req]
distinguished_name = dn
string_mask = utf8only
utf8 = yes
prompt = no
[dn]
C = CH
ST = Zürich
O = Ex, Ample + Söhne
OU = <unit> \\"a\\"; \\#1
CN = \\#leaf
[v3]
basicConstraints = critical,CA:TRUE,pathlen:3
keyUsage = critical,keyCertSign,cRLSign,digitalSignature,decipherOnly,keyAgreement
extendedKeyUsage = serverAuth,clientAuth,1.3.6.1.5.5.7.3.28
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid,issuer:always
subjectAltName = @san
nameConstraints = permitted;DNS:.example,excluded;IP:10.0.0.0/255.0.0.0
crlDistributionPoints = URI:http://a.example/1.crl,URI:http://a.example/2.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example
certificatePolicies = 1.2.3.4,@policy
1.3.6.1.5.5.7.1.32 = ASN1:IA5:masa.example
1.3.6.1.5.5.7.1.25 = ASN1:IA5:https://mud.example/x
1.2.3.4.5 = critical,ASN1:UTF8:ours
[policy]
policyIdentifier = 1.3.5.8
CPS.1 = http://cps.example
[san]
DNS.1 = a.example
DNS.2 = *.b.example
IP.1 = 192.0.2.7
IP.2 = 2001:db8::7
email.1 = x@y.example
URI.1 = urn:dev:1
RID.1 = 1.2.3.4
dirName.1 = inner
otherName.1 = 1.3.6.1.5.5.7.8.4;SEQUENCE:hw
[inner]
CN = inner
[hw]
type = OID:1.3.6.1.4.1.99999.7
serial = FORMAT:HEX,OCTETSTRING:DEADBEEF
`

const KEYS: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['ecdsa-with-SHA256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha256']],
  ['ecdsa-with-SHA384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384']],
  ['ecdsa-with-SHA512', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521', '-sha512']],
  ['sha256WithRSAEncryption', ['-newkey', 'rsa:2048', '-sha256']],
  ['Ed25519', ['-newkey', 'ed25519']],
]

for (const [algorithm, newKey] of KEYS) {
  test(`a certificate made by openssl with ${algorithm}`, needs('openssl'), () => {
    const config = file('req.cnf', CONFIG)
    const args = [
      'req',
      '-x509',
      '-config',
      config,
      '-extensions',
      'v3',
      '-nodes',
      '-keyout',
      'key.pem',
      '-days',
      '36500',
    ]
    const der = openssl([...args, ...newKey, '-outform', 'DER'])
    const ours = decodeCertificate(der)
    agree(ours, der)
    assert.equal(signatureAlgorithm(ours.signatureAlgorithm).name, algorithm)
    assert.deepEqual(ours.basicConstraints, { cA: true, pathLenConstraint: 3 })
    assert.deepEqual(ours.keyUsage, ['digitalSignature', 'keyAgreement', 'keyCertSign', 'cRLSign', 'decipherOnly'])
    assert.deepEqual(ours.extendedKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.28'])
    const authority = ours.authorityKeyIdentifier?.authorityCertIssuer?.[0]
    assert.ok(authority?.type === 'directoryName' && sameName(authority.value, ours.issuer))
    assert.equal(hex(ours.authorityKeyIdentifier!.authorityCertSerialNumber!), ours.serialHex)
    assert.equal(hex(createHash('sha1').update(ours.subjectPublicKey).digest()), hex(ours.subjectKeyIdentifier!))
    const kinds = ours.subjectAltName!.map(({ type }) => type)
    assert.deepEqual(kinds.slice(0, 4), ['dNSName', 'dNSName', 'iPAddress', 'iPAddress'])
    assert.deepEqual(kinds.slice(4), [
      'rfc822Name',
      'uniformResourceIdentifier',
      'registeredID',
      'directoryName',
      'otherName',
    ])
    const [hardware] = otherNames(ours.subjectAltName!, hardwareModuleName)
    assert.deepEqual([hardware?.hwType, hardware && hex(hardware.hwSerialNum)], ['1.3.6.1.4.1.99999.7', 'deadbeef'])
    assert.deepEqual(ours.nameConstraints?.permittedSubtrees?.[0]?.base, { type: 'dNSName', value: '.example' })
    const excluded = ours.nameConstraints?.excludedSubtrees?.[0]?.base
    assert.ok(excluded?.type === 'iPAddress' && hex(excluded.value) === '0a000000ff000000')
    assert.equal(ours.cRLDistributionPoints?.length, 2)
    assert.equal(ours.authorityInfoAccess?.[0]?.accessMethod, '1.3.6.1.5.5.7.48.1')
    assert.deepEqual(
      ours.certificatePolicies?.map(policy => policy.policyIdentifier),
      ['1.2.3.4', '1.3.5.8'],
    )
    assert.deepEqual([ours.masaUrl, ours.mudUrl], ['masa.example', 'https://mud.example/x'])
    assert.equal(ours.extensions.at(-1)?.id, '1.2.3.4.5')
    assert.equal(ours.extensions.at(-1)?.critical, true)
  })
}

test('a request made by openssl', needs('openssl'), () => {
  const config = file(
    'csr.cnf',
    `${CONFIG.replace('[dn]', 'attributes = attributes\nreq_extensions = v3r\n[attributes]\nchallengePassword = dGxzLXVuaXF1ZQ==\nunstructuredName = Device\n[dn]')}\n[v3r]\nsubjectAltName = @san\nkeyUsage = critical,digitalSignature\n`,
  )
  const args = ['req', '-new', '-config', config, '-nodes', '-keyout', 'key.pem', '-outform', 'DER']
  for (const [algorithm, newKey] of KEYS) {
    const ours = decodeCertificationRequest(openssl([...args, ...newKey]))
    assert.equal(signatureAlgorithm(ours.signatureAlgorithm).name, algorithm)
    assert.equal(ours.challengePassword, 'dGxzLXVuaXF1ZQ==')
    assert.equal(ours.attributes.length, 3)
    assert.deepEqual(ours.requested.keyUsage, ['digitalSignature'])
    assert.equal(ours.requested.subjectAltName?.length, 9)
  }
})

test('a CRL made by openssl', needs('openssl'), () => {
  const config = file(
    'ca.cnf',
    '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=e\nunique_subject=no\n[e]\nauthorityKeyIdentifier=keyid\nissuingDistributionPoint=critical,onlyuser:TRUE\n',
  )
  file('crlnumber', '0FFF\n')
  file(
    'index.txt',
    [
      'R\t270101000000Z\t260601120000Z,keyCompromise\t8001\tunknown\t/CN=a',
      'R\t270101000000Z\t260602120000Z\t02\tunknown\t/CN=b',
      'V\t270101000000Z\t\t03\tunknown\t/CN=c',
      'R\t270101000000Z\t260603120000Z,holdInstruction,holdInstructionReject\t04\tunknown\t/CN=d\n',
    ].join('\n'),
  )
  const req = [
    'req',
    '-x509',
    '-config',
    file('r.cnf', CONFIG),
    '-extensions',
    'v3',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'c.pem',
  ]
  openssl([...req, ...KEYS[0]![1]])
  openssl(['ca', '-config', config, '-gencrl', '-keyfile', 'ca.key', '-cert', 'c.pem', '-out', 'out.pem'])
  const der = decodePemBlock('X509 CRL', readFileSync(join(folder, 'out.pem'), 'utf8'))
  const issuer = decodeCertificate(decodePem(readFileSync(join(folder, 'c.pem'), 'utf8'))[0]!.bytes)
  const ours = decodeCertificateList(der)
  assert.equal(formatName(ours.issuer), formatName(issuer.subject))
  assert.equal(hex(ours.cRLNumber!), '0fff')
  assert.equal(hex(ours.authorityKeyIdentifier!.keyIdentifier!), hex(issuer.subjectKeyIdentifier!))
  assert.equal(ours.issuingDistributionPoint?.critical, true)
  assert.deepEqual(
    [...ours.revoked.values()].map(entry => [entry.serialHex, entry.reason, entry.revocationDate.toISOString()]),
    [
      ['02', 'unspecified', '2026-06-02T12:00:00.000Z'],
      ['04', 'certificateHold', '2026-06-03T12:00:00.000Z'],
      ['8001', 'keyCompromise', '2026-06-01T12:00:00.000Z'],
    ],
  )
  assert.equal(ours.nextUpdate!.getTime() - ours.thisUpdate.getTime(), 7 * 86_400_000)
})
