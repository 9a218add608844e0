import { isIPv4 } from 'node:net'
import { before, describe, test } from 'node:test'
import { type Extension, extensionKinds, type GeneralSubtree, makeExtension } from '../../src/codec/x509/extension.ts'
import type { GeneralName } from '../../src/codec/x509/general-name.ts'
import { decodeName, encodeName, type NameFields } from '../../src/codec/x509/name.ts'
import type { PathRequest } from '../../src/crypto/path.ts'
import { type Difference, judge } from './oracle.ts'
import { certify, type Entity, now } from './pki.ts'

const dns = (value: string): GeneralName => ({ type: 'dNSName', value })
const mail = (value: string): GeneralName => ({ type: 'rfc822Name', value })
const uri = (value: string): GeneralName => ({ type: 'uniformResourceIdentifier', value })
const directory = (fields: NameFields): GeneralName => ({
  type: 'directoryName',
  value: decodeName(encodeName(fields)),
})
const oid: GeneralName = { type: 'registeredID', value: '1.2.3' }

function bytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map(group => group.padStart(4, '0')))
  const [left, right] = [groups(head), groups(tail)]
  const zeros = new Array<string>(8 - left.length - right.length).fill('0000')
  return Buffer.from([...left, ...zeros, ...right].join(''), 'hex')
}
/** An address, or for a constraint `address/mask`. */
const ip = (text: string): GeneralName => ({ type: 'iPAddress', value: Buffer.concat(text.split('/').map(bytes)) })

const subtrees = (names: readonly GeneralName[]): GeneralSubtree[] => names.map(base => ({ base, minimum: 0 }))
interface Rules {
  readonly permit?: readonly GeneralName[]
  readonly exclude?: readonly GeneralName[]
}
const constraints = ({ permit, exclude }: Rules, critical = true): Extension =>
  makeExtension(
    extensionKinds.nameConstraints,
    { ...(permit && { permittedSubtrees: subtrees(permit) }), ...(exclude && { excludedSubtrees: subtrees(exclude) }) },
    critical,
  )

let root: Entity
before(async () => {
  root = await certify({ subject: 'Root', ca: true })
})

/** A leaf with these names under a CA with these constraints. */
async function named(
  rules: Rules | Extension,
  names: readonly GeneralName[],
  subject: NameFields = { commonName: 'a leaf' },
) {
  const extension = 'id' in rules ? rules : constraints(rules)
  const ca = await certify({ subject: 'CA', issuer: root, ca: true, extensions: [extension] })
  const altName = names.length > 0 ? [makeExtension(extensionKinds.subjectAltName, names)] : []
  const leaf = await certify({ subject, issuer: ca, extensions: altName })
  const anchors = [{ name: 'root', certificate: root.certificate }]
  return { chain: [leaf.certificate, ca.certificate], anchors, at: now } satisfies PathRequest
}

type Case = readonly [rules: Rules, name: GeneralName, expected: 'ok' | 'name-constraint', differs?: Difference]
const permitting = (base: GeneralName) => ({ permit: [base] })
const excluding = (base: GeneralName) => ({ exclude: [base] })

const cases: Record<string, readonly Case[]> = {
  dNSName: [
    [permitting(dns('example.com')), dns('example.com'), 'ok'],
    [permitting(dns('example.com')), dns('a.b.EXAMPLE.com'), 'ok'],
    [permitting(dns('example.com')), dns('badexample.com'), 'name-constraint'],
    [permitting(dns('example.com')), dns('example.com.evil.org'), 'name-constraint'],
    [permitting(dns('.example.com')), dns('a.example.com'), 'ok'],
    [permitting(dns('.example.com')), dns('example.com'), 'name-constraint'],
    [permitting(dns('')), dns('any.example'), 'ok'],
    [excluding(dns('')), dns('any.example'), 'name-constraint'],
    [excluding(dns('secret.example.com')), dns('x.secret.example.com'), 'name-constraint'],
    [excluding(dns('secret.example.com')), dns('SECRET.example.com'), 'name-constraint'],
    [excluding(dns('secret.example.com')), dns('secret.example.com.'), 'name-constraint', 'openssl accepts'],
    [excluding(dns('secret.example.com')), dns('*.example.com'), 'name-constraint', 'openssl accepts'],
    [excluding(dns('secret.example.com')), dns('open.example.com'), 'ok'],
    [{ permit: [dns('example.com')], exclude: [dns('a.example.com')] }, dns('a.example.com'), 'name-constraint'],
    [{ permit: [dns('example.com'), dns('example.org')] }, dns('b.example.org'), 'ok'],
    [permitting(mail('example.com')), dns('other.org'), 'ok'],
  ],
  iPAddress: [
    [permitting(ip('192.0.2.0/255.255.255.0')), ip('192.0.2.77'), 'ok'],
    [permitting(ip('192.0.2.0/255.255.255.0')), ip('192.0.3.1'), 'name-constraint'],
    [permitting(ip('192.0.2.0/255.255.255.0')), ip('2001:db8::1'), 'name-constraint'],
    [permitting(ip('2001:db8::/ffff:ffff::')), ip('2001:db8:1::1'), 'ok'],
    [permitting(ip('2001:db8::/ffff:ffff::')), ip('2001:db9::1'), 'name-constraint'],
    [excluding(ip('192.0.2.0/255.255.255.0')), ip('192.0.2.77'), 'name-constraint'],
    [excluding(ip('192.0.2.0/255.255.255.0')), ip('2001:db8::1'), 'ok'],
    [excluding(ip('0.0.0.0/0.0.0.0')), ip('8.8.8.8'), 'name-constraint'],
    [permitting(ip('192.0.2.0/255.255.255.0')), { type: 'iPAddress', value: Buffer.alloc(5) }, 'name-constraint'],
    [excluding(ip('192.0.2.0/255.255.255.0')), { type: 'iPAddress', value: Buffer.alloc(5) }, 'name-constraint'],
  ],
  rfc822Name: [
    [permitting(mail('example.com')), mail('joe@EXAMPLE.com'), 'ok'],
    [permitting(mail('example.com')), mail('joe@a.example.com'), 'name-constraint'],
    [permitting(mail('.example.com')), mail('joe@a.example.com'), 'ok'],
    [permitting(mail('.example.com')), mail('joe@example.com'), 'name-constraint'],
    [permitting(mail('joe@example.com')), mail('joe@Example.com'), 'ok'],
    [permitting(mail('joe@example.com')), mail('Joe@example.com'), 'name-constraint'],
    [permitting(mail('example.com')), mail('no-at-sign'), 'name-constraint'],
    [excluding(mail('example.com')), mail('no-at-sign'), 'name-constraint'],
    [excluding(mail('example.com')), mail('joe@example.com'), 'name-constraint'],
    [excluding(mail('example.com')), mail('joe@example.org'), 'ok'],
  ],
  uniformResourceIdentifier: [
    [permitting(uri('host.example.com')), uri('https://host.example.com/path'), 'ok'],
    [permitting(uri('host.example.com')), uri('https://user@HOST.example.com:8443/?q'), 'ok', 'openssl refuses'],
    [permitting(uri('host.example.com')), uri('https://a.host.example.com/'), 'name-constraint'],
    [permitting(uri('.example.com')), uri('coaps://a.b.example.com'), 'ok'],
    [permitting(uri('.example.com')), uri('https://example.com/'), 'name-constraint'],
    [permitting(uri('.example.com')), uri('https://evil.org/.example.com'), 'name-constraint'],
    [permitting(uri('.example.com')), uri('https://a.example.com@evil.org/'), 'name-constraint'],
    [permitting(uri('.example.com')), uri('urn:example:a'), 'name-constraint'],
    [excluding(uri('.example.com')), uri('urn:example:a'), 'name-constraint'],
    [excluding(uri('.example.com')), uri('https://192.0.2.1/'), 'name-constraint', 'openssl accepts'],
    [excluding(uri('.example.com')), uri('https://a.example.com/'), 'name-constraint'],
    [excluding(uri('.example.com')), uri('https://a.example.org/'), 'ok'],
  ],
  directoryName: [
    [
      permitting(directory({ organizationName: 'Example' })),
      directory({ organizationName: 'EXAMPLE', commonName: 'x' }),
      'ok',
    ],
    [
      permitting(directory({ organizationName: 'Example' })),
      directory({ organizationName: 'Other' }),
      'name-constraint',
    ],
    [
      permitting(directory({ organizationName: 'Example' })),
      directory({ organizationName: 'Example 2' }),
      'name-constraint',
    ],
    [
      excluding(directory({ organizationName: 'Example' })),
      directory({ commonName: 'x', organizationName: 'Example' }),
      'ok',
    ],
    [
      excluding(directory({ organizationName: 'Example' })),
      directory({ organizationName: 'Example' }),
      'name-constraint',
    ],
  ],
}

for (const [form, list] of Object.entries(cases)) {
  describe(form, () => {
    for (const [rules, name, expected, differs] of list) {
      const show = (value: unknown) =>
        JSON.stringify(value, (key, each) => (key === 'der' ? undefined : each)).slice(0, 150)
      test(`${expected}: ${show(name.value)} under ${show(rules)}`, async () => {
        // The subject too must be permitted where directory names are the subject of the test.
        const subject = form === 'directoryName' ? { organizationName: 'Example', commonName: 'leaf' } : undefined
        const excluded = form === 'directoryName' && rules.exclude !== undefined
        judge(await named(rules, [name], excluded ? { commonName: 'leaf' } : subject), expected, differs)
      })
    }
  })
}

describe('what the constraints apply to', () => {
  const example = { organizationName: 'Example' }
  test('the subject', async () => {
    judge(await named(permitting(directory(example)), [], { ...example, commonName: 'x' }), 'ok')
    judge(await named(permitting(directory(example)), [], { commonName: 'x', ...example }), 'name-constraint')
    judge(await named(excluding(directory(example)), [], { ...example, commonName: 'x' }), 'name-constraint')
    judge(await named(excluding(directory({})), [], { commonName: 'x' }), 'name-constraint')
  })
  test('an emailAddress in the subject', async () => {
    const subject = { commonName: 'a leaf', emailAddress: 'joe@example.org' }
    judge(await named(permitting(mail('example.com')), [], subject), 'name-constraint')
    judge(await named(permitting(mail('example.org')), [], subject), 'ok')
  })
  test('every name, not only one', async () => {
    judge(await named(permitting(dns('example.com')), [dns('a.example.com'), dns('b.org')]), 'name-constraint')
    judge(await named(excluding(dns('b.org')), [dns('a.example.com'), dns('b.org')]), 'name-constraint')
  })
  test('no names of the form', async () => judge(await named(permitting(dns('example.com')), []), 'ok'))
  test('not a commonName: nobody here takes it for a host name', async () => {
    judge(await named(permitting(dns('example.com')), [], { commonName: 'evil.org' }), 'ok', 'openssl refuses')
  })
})

describe('several CAs', () => {
  async function below(first: Rules, second: Rules, names: readonly GeneralName[], secondSubject = 'Lower') {
    const upper = await certify({ subject: 'Upper', issuer: root, ca: true, extensions: [constraints(first)] })
    const lower = await certify({ subject: secondSubject, issuer: upper, ca: true, extensions: [constraints(second)] })
    const leaf = await certify({
      subject: 'a leaf',
      issuer: lower,
      extensions: [makeExtension(extensionKinds.subjectAltName, names)],
    })
    const chain = [leaf, lower, upper].map(({ certificate }) => certificate)
    return { chain, anchors: [{ name: 'root', certificate: root.certificate }], at: now }
  }
  test('what each of them permits', async () => {
    const [com, deep] = [permitting(dns('example.com')), permitting(dns('a.example.com'))]
    judge(await below(com, deep, [dns('x.a.example.com')]), 'ok')
    judge(await below(com, deep, [dns('x.example.com')]), 'name-constraint')
    judge(await below(deep, com, [dns('x.example.com')]), 'name-constraint')
    judge(await below(com, permitting(dns('example.org')), [dns('x.example.org')]), 'name-constraint')
  })
  test('what any of them excludes', async () => {
    const rules = [excluding(dns('a.example.com')), excluding(dns('b.example.com'))] as const
    judge(await below(...rules, [dns('c.example.com')]), 'ok')
    judge(await below(...rules, [dns('a.example.com')]), 'name-constraint')
    judge(await below(...rules, [dns('b.example.com')]), 'name-constraint')
  })
  test('a CA must itself be permitted, unless it is self-issued', async () => {
    const upperOnly = permitting(directory({ organizationName: 'Devices' }))
    judge(await below(upperOnly, {}, [dns('x')]), 'name-constraint')
    const upper = await certify({ subject: 'Upper', issuer: root, ca: true, extensions: [constraints(upperOnly)] })
    const renewed = await certify({ subject: 'Upper', issuer: upper, ca: true })
    const leaf = await certify({ subject: { organizationName: 'Devices', commonName: 'x' }, issuer: renewed })
    const chain = [leaf, renewed, upper].map(({ certificate }) => certificate)
    judge({ chain, anchors: [{ name: 'root', certificate: root.certificate }], at: now }, 'ok')
  })
  test('in the anchor', async () => {
    const top = await certify({ subject: 'Top', ca: true, extensions: [constraints(permitting(dns('example.com')))] })
    for (const [name, expected] of [
      ['a.example.com', 'ok'],
      ['a.example.org', 'name-constraint'],
    ] as const) {
      const leaf = await certify({
        subject: 'x',
        issuer: top,
        extensions: [makeExtension(extensionKinds.subjectAltName, [dns(name)])],
      })
      judge({ chain: [leaf.certificate], anchors: [{ name: 'top', certificate: top.certificate }], at: now }, expected)
    }
  })
})

describe('constraints that cannot be applied', () => {
  test('a form that is not supported', async () => {
    judge(await named(permitting(oid), [oid]), 'name-constraint')
    judge(await named(permitting(oid), []), 'name-constraint', 'openssl accepts')
    judge(await named(constraints(permitting(oid), false), []), 'ok')
    judge(await named(constraints(permitting(oid), false), [oid]), 'name-constraint')
    judge(await named(constraints(excluding(oid), false), [oid]), 'name-constraint')
  })
  test('a malformed range of addresses', async () => {
    judge(
      await named(permitting({ type: 'iPAddress', value: Buffer.alloc(7) }), []),
      'name-constraint',
      'openssl accepts',
    )
  })
  test('minimum and maximum', async () => {
    for (const odd of [{ minimum: 1 }, { minimum: 0, maximum: 3 }]) {
      const value = { permittedSubtrees: [{ base: dns('example.com'), ...odd }] }
      const extension = makeExtension(extensionKinds.nameConstraints, value)
      judge(await named(extension, [dns('example.com')]), 'name-constraint')
    }
  })
  test('more names and constraints than anybody has', async () => {
    const hosts = (count: number, domain: string) => Array.from({ length: count }, (_, i) => dns(`h${i}.${domain}`))
    judge(await named({ exclude: hosts(200, 'example.com') }, hosts(200, 'example.org')), 'ok')
    const many = await named({ exclude: hosts(400, 'example.com') }, hosts(400, 'example.org'))
    judge(many, 'name-constraint', 'openssl accepts')
  })
})
