import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../../src/codec/der/codec.ts'
import {
  type Extension,
  type ExtensionKind,
  Extensions,
  extensionKinds,
  extensionValue,
  extnValue,
  findExtension,
  makeExtension,
  readKnownExtensions,
} from '../../../src/codec/x509/extension.ts'
import {
  acpNodeName,
  type GeneralName,
  hardwareModuleName,
  otherName,
  otherNames,
} from '../../../src/codec/x509/general-name.ts'
import { decodeName, encodeName } from '../../../src/codec/x509/name.ts'
import { refused, total } from '../refused.ts'
import { publishedBytes } from './make.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Written as `expected`, and read back to the same bytes. */
function written<T>(kind: ExtensionKind<T>, value: T, expected: string): T {
  const extension = makeExtension(kind, value)
  assert.equal(hex(extension.value), expected)
  const read = extensionValue([extension], kind)!
  assert.equal(hex(encode(kind.codec, read)), expected)
  return read
}

const directory = (commonName: string) => decodeName(encodeName({ commonName }))

test('basicConstraints and keyUsage', () => {
  const { basicConstraints, keyUsage } = extensionKinds
  assert.deepEqual(written(basicConstraints, { cA: false }, '3000'), { cA: false })
  assert.deepEqual(written(basicConstraints, { cA: true }, '30030101ff'), { cA: true })
  const limited = { cA: true, pathLenConstraint: 0 }
  assert.deepEqual(written(basicConstraints, limited, '30060101ff020100'), limited)
  written(keyUsage, ['digitalSignature'], '03020780')
  written(keyUsage, ['cRLSign', 'keyCertSign'], '03020106')
  assert.deepEqual(written(keyUsage, ['decipherOnly', 'keyAgreement'], '0303070880'), ['keyAgreement', 'decipherOnly'])
  assert.ok(makeExtension(keyUsage, []).critical && makeExtension(basicConstraints, { cA: false }).critical)
  assert.ok(!makeExtension(keyUsage, [], false).critical)
})

test('names of every kind', () => {
  const names: GeneralName[] = [
    { type: 'rfc822Name', value: 'a@b.example' },
    { type: 'dNSName', value: 'a.example' },
    { type: 'uniformResourceIdentifier', value: 'https://a.example/' },
    { type: 'iPAddress', value: Buffer.from([192, 0, 2, 1]) },
    { type: 'registeredID', value: '1.2.3' },
    { type: 'directoryName', value: directory('x') },
    otherName(acpNodeName, 'rfcSELF+fd739fc23c3440112233445500000000+@acp.example.com'),
    { type: 'x400Address', value: Buffer.from('a300', 'hex') },
    { type: 'ediPartyName', value: Buffer.from('a50481026162', 'hex') },
  ]
  for (const name of names) {
    const [read] = decode(
      extensionKinds.subjectAltName.codec,
      makeExtension(extensionKinds.subjectAltName, [name]).value,
    )
    assert.equal(read?.type, name.type)
    assert.equal(
      hex(encode(extensionKinds.subjectAltName.codec, [read])),
      hex(encode(extensionKinds.subjectAltName.codec, [name])),
    )
  }
  written(extensionKinds.subjectAltName, names.slice(0, 2), '3018810b6140622e6578616d706c658209612e6578616d706c65')
  written(
    extensionKinds.subjectAltName,
    [{ type: 'directoryName', value: directory('x') }],
    '3010a40e300c310a300806035504030c0178',
  )
})

test('hardwareModuleName and AcpNodeName', () => {
  const module = { hwType: '1.3.6.1.4.1.6175.10.1', hwSerialNum: Buffer.from('01020304', 'hex') }
  const name = otherName(hardwareModuleName, module)
  const names = written(
    extensionKinds.subjectAltName,
    [name, { type: 'dNSName', value: 'x' }],
    '3024a01f06082b06010505070804a013301106092b06010401b01f0a01040401020304820178',
  )
  const [read] = otherNames(names, hardwareModuleName)
  assert.equal(read?.hwType, module.hwType)
  assert.equal(hex(read.hwSerialNum), '01020304')
  assert.deepEqual(otherNames(names, acpNodeName), [])
  refused('bad-tag', () =>
    otherNames([otherName({ ...hardwareModuleName, codec: acpNodeName.codec }, 'x')], hardwareModuleName),
  )
  // RFC 9908 5.1
  const csrattrs = publishedBytes('rfc9908-csrattrs/section-5-1-acp-node-name-san.der')
  const extensions = decode(Extensions, csrattrs.subarray(17))
  assert.deepEqual(otherNames(extensionValue(extensions, extensionKinds.subjectAltName)!, acpNodeName), [
    'rfc8994+fd739fc23c3440112233445500000000+@acp.example.com',
  ])
})

test('key identifiers, and the extnValue as a whole', () => {
  const id = Buffer.from('0102', 'hex')
  written(extensionKinds.subjectKeyIdentifier, id, '04020102')
  written(extensionKinds.authorityKeyIdentifier, { keyIdentifier: id }, '300480020102')
  const full = {
    keyIdentifier: id,
    authorityCertIssuer: [{ type: 'directoryName' as const, value: directory('x') }],
    authorityCertSerialNumber: Buffer.from('80', 'hex'),
  }
  written(extensionKinds.authorityKeyIdentifier, full, '301a80020102a110a40e300c310a300806035504030c017882020080')
  const extension = makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: id })
  assert.equal(hex(extnValue(extension)), '0406300480020102')
})

test('nameConstraints, cRLDistributionPoints, authorityInfoAccess, certificatePolicies', () => {
  const dns = (value: string) => ({ base: { type: 'dNSName' as const, value }, minimum: 0 })
  const { nameConstraints, cRLDistributionPoints, authorityInfoAccess, certificatePolicies } = extensionKinds
  written(
    nameConstraints,
    { permittedSubtrees: [dns('a')], excludedSubtrees: [dns('b')] },
    '300ea0053003820161a1053003820162',
  )
  assert.ok(makeExtension(nameConstraints, {}).critical)
  // RFC 5280 4.2.1.10: minimum is 0 by default, so it is never encoded as 0.
  refused('not-minimal', () => decode(nameConstraints.codec, Buffer.from('300aa0083006820161800100', 'hex')))
  const url = { type: 'uniformResourceIdentifier' as const, value: 'http://a/' }
  const fullName = { type: 'fullName' as const, value: [url] }
  written(cRLDistributionPoints, [{ distributionPoint: fullName }], '3011300fa00da00b8609687474703a2f2f612f')
  written(
    cRLDistributionPoints,
    [{ reasons: ['keyCompromise'], cRLIssuer: [url] }],
    '3013301181020640a20b8609687474703a2f2f612f',
  )
  written(
    authorityInfoAccess,
    [{ accessMethod: '1.3.6.1.5.5.7.48.2', accessLocation: url }],
    '3017301506082b060105050730028609687474703a2f2f612f',
  )
  const qualified = {
    policyIdentifier: '1.2.3',
    policyQualifiers: [{ policyQualifierId: '1.3.6.1.5.5.7.2.1', qualifier: Buffer.from('160161', 'hex') }],
  }
  written(
    certificatePolicies,
    [{ policyIdentifier: '2.5.29.32.0' }, qualified],
    '301f30060604551d2000301506022a03300f300d06082b06010505070201160161',
  )
})

test('MASA URL and MUD URL', () => {
  written(extensionKinds.masaUrl, 'masa.example', '160c6d6173612e6578616d706c65')
  written(extensionKinds.mudUrl, 'https://m/x.json', '161068747470733a2f2f6d2f782e6a736f6e')
  assert.equal(extensionKinds.masaUrl.id, '1.3.6.1.5.5.7.1.32')
  assert.equal(extensionKinds.mudUrl.id, '1.3.6.1.5.5.7.1.25')
})

test('known extensions by name, unknown ones left alone, none twice', () => {
  const list: Extension[] = [
    makeExtension(extensionKinds.keyUsage, ['keyAgreement']),
    { id: '1.2.3', critical: true, value: Buffer.from('ff') },
    makeExtension(extensionKinds.masaUrl, 'm'),
  ]
  assert.deepEqual(readKnownExtensions(list), { keyUsage: ['keyAgreement'], masaUrl: 'm' })
  assert.deepEqual(readKnownExtensions([]), {})
  refused('duplicate', () => readKnownExtensions([...list, list[1]!]))
  refused('duplicate', () => readKnownExtensions([...list, makeExtension(extensionKinds.keyUsage, [])]))
  assert.equal(findExtension(list, { id: '1.2.4' }), undefined)
  assert.equal(extensionValue(list, extensionKinds.mudUrl), undefined)
})

test('any bytes whatever in an extension: a value that writes the same bytes, or a CodecError', () => {
  const head = fc.constantFrom(
    '',
    '30',
    '3003',
    '3000',
    '0302',
    '03',
    '04',
    '16',
    '30028',
    '3005a003',
    '3004a0028100',
    '3006820161810101',
  )
  const tail = fc.uint8Array({ maxLength: 20 }).map(hex)
  for (const { codec } of Object.values(extensionKinds) as ExtensionKind<unknown>[]) {
    fc.assert(
      fc.property(head, tail, (a, b) => {
        const der = Buffer.from(a + b, 'hex')
        if (total(() => decode(codec, der), der.length)) assert.equal(hex(encode(codec, decode(codec, der))), hex(der))
      }),
      { numRuns: 500 },
    )
  }
})
