import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { NO_EXPIRY } from '../../../src/codec/der/time.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extensionKinds, findExtension } from '../../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherNames } from '../../../src/codec/x509/general-name.ts'
import { encodeName, formatName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { validatePath } from '../../../src/crypto/path.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { declarationReader } from '../../../src/domain/declaration-jws.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { UnitRecord } from '../../../src/domain/manufacture.ts'
import type { Store } from '../../../src/domain/port.ts'
import { keyStoreUnits } from '../../../src/role/factory/key-store-port.ts'
import { type BatchOrder, makeUnits, workBatch } from '../../../src/role/factory/line.ts'
import { needs } from '../../peer.ts'
import { Crash, type Factory, now, openFactory, PowerCut, withFactory } from './factory.ts'

function unitsOf(store: Store): Promise<readonly UnitRecord[]> {
  return store.read(tables => tables.unit.find({}, { limit: 1000 }))
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}

/** What must hold of a finished batch, however often it was cut off on the way. */
async function assertExactlyOnce({ store, bench, manufacturer }: Factory, { batch, count }: BatchOrder): Promise<void> {
  const units = await unitsOf(store)
  assert.deepEqual(
    units.map(({ serial }) => serial),
    Array.from({ length: count }, (_, i) => `${batch}-${String(i + 1).padStart(6, '0')}`),
  )
  const numbers = new Set<string>()
  for (const unit of units) {
    const certificate = decodeCertificate(fromBase64(unit.idevid))
    numbers.add(certificate.serialHex)
    assert.ok(bench.key(unit.serial).spkiDer.equals(certificate.spkiDer))
    assert.deepEqual([...(bench.installed.get(unit.serial) ?? [])], [unit.idevid], 'one certificate ever came to it')
    const credentials = await store.read(tables => tables.credential.find({ device: unit.serial }))
    assert.deepEqual(
      credentials.map(({ status }) => status),
      ['issued'],
    )
    assert.equal(credentials[0]?.certificate, unit.idevid)
    const events = await store.history(`unit/${unit.serial}`)
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['unit-planned', 'unit-certified', 'unit-made'],
    )
    assert.equal(unit.version, 3)
    validatePath({
      chain: [certificate, ...unit.chain.map(text => decodeCertificate(fromBase64(text)))],
      anchors: manufacturer.deviceAnchors,
      at: new Date(now),
    })
  }
  assert.equal(numbers.size, count)
  const record = await store.read(tables => tables.batch.get(batch))
  assert.equal(record?.made, count)
  assert.equal(record?.finishedAt, now)
  assert.deepEqual(
    (await store.history(`batch/${batch}`)).map(({ kind }) => kind),
    ['batch-started', 'batch-finished'],
  )
  assert.equal((await store.verify()).integrity, 'pass')
}

describe('a batch', () => {
  test('units with a key, a birth certificate and a declaration of their own', () =>
    withFactory(async factory => {
      const order = factory.order({ count: 70 })
      const made: number[] = []
      const result = await makeUnits(order, ({ batch }) => made.push(batch.made))
      assert.deepEqual(made, [64, 70])
      assert.deepEqual(result.refused, [])
      await assertExactlyOnce(factory, order)
      const { manufacturer, bench, store } = factory
      assert.deepEqual(bench.anchors, [manufacturer.masaRoot.der])
      const open = declarationReader({ anchors: manufacturer.masaAnchors, at: new Date(now) })
      for (const unit of await unitsOf(store)) {
        const { serial, owner, version } = open(Buffer.from(unit.declaration))
        assert.deepEqual({ serial, owner, version }, { serial: unit.serial, owner: manufacturer.party, version: 1 })
        assert.deepEqual(unit.domains, manufacturer.party.domains)
        assert.equal(unit.owner, 'Acme')
      }
    }))

  test('the birth certificate says what RFC 8995 and IEEE 802.1AR want', () =>
    withFactory(async factory => {
      await makeUnits(
        factory.order({
          count: 1,
          model: { name: 'Sensor', mudUrl: 'https://mud.acme.example/s', hardwareType: '1.3.6.1.4.1.99999.1' },
        }),
      )
      const [unit] = await unitsOf(factory.store)
      const certificate = decodeCertificate(fromBase64(unit!.idevid))
      assert.equal(formatName(certificate.subject), 'serialNumber=B1-000001,CN=Sensor,O=Acme')
      assert.deepEqual(certificate.validity.notAfter, NO_EXPIRY)
      assert.equal(certificate.masaUrl, 'masa.acme.example')
      assert.equal(certificate.mudUrl, 'https://mud.acme.example/s')
      for (const kind of [extensionKinds.masaUrl, extensionKinds.mudUrl]) {
        assert.equal(findExtension(certificate.extensions, kind)?.critical, false)
      }
      assert.deepEqual(certificate.keyUsage, ['digitalSignature'])
      assert.equal(certificate.extendedKeyUsage, undefined)
      assert.equal(certificate.basicConstraints?.cA, false)
      assert.deepEqual(
        certificate.authorityKeyIdentifier?.keyIdentifier,
        factory.manufacturer.idevid.certificate.subjectKeyIdentifier,
      )
      assert.equal(certificate.subjectKeyIdentifier?.length, 20)
      assert.deepEqual(otherNames(certificate.subjectAltName!, hardwareModuleName), [
        { hwType: '1.3.6.1.4.1.99999.1', hwSerialNum: Buffer.from('B1-000001') },
      ])
      assert.equal(createHash('sha256').update(certificate.spkiDer).digest('hex'), unit!.keyHash)
    }))

  test('openssl verifies the chain and shows the extensions', needs('openssl'), () =>
    withFactory(async factory => {
      await makeUnits(factory.order({ count: 1 }))
      const [unit] = await unitsOf(factory.store)
      const folder = mkdtempSync(join(tmpdir(), 'mooring-'))
      const file = (name: string, der: Uint8Array) => {
        const path = join(folder, name)
        writeFileSync(path, encodePem('CERTIFICATE', der))
        return path
      }
      const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' })
      try {
        const leaf = file('leaf.pem', fromBase64(unit!.idevid))
        const above = file('above.pem', fromBase64(unit!.chain[0]!))
        const root = file('root.pem', factory.manufacturer.deviceRoot.der)
        for (const purpose of ['any', 'sslclient']) {
          const verdict = openssl(
            'verify',
            '-x509_strict',
            '-attime',
            `${now / 1000}`,
            '-purpose',
            purpose,
            '-CAfile',
            root,
            '-untrusted',
            above,
            leaf,
          )
          assert.match(verdict, /: OK/)
        }
        const dump = openssl('asn1parse', '-in', leaf)
        assert.match(dump, /OBJECT\s+:1\.3\.6\.1\.5\.5\.7\.1\.32/)
        assert.match(dump, /OBJECT\s+:1\.3\.6\.1\.5\.5\.7\.1\.25/)
        assert.match(dump, /GENERALIZEDTIME\s+:99991231235959Z/)
        assert.match(
          openssl('x509', '-in', leaf, '-noout', '-subject'),
          /O = Acme, CN = Sensor, serialNumber = B1-000001/,
        )
        const extension = /1\.3\.6\.1\.5\.5\.7\.1\.32\s+(\d+):.*\[HEX DUMP\]:1611([0-9A-F]+)/.exec(
          dump.replaceAll('\n', ' '),
        )
        assert.equal(Buffer.from(extension?.[2] ?? '', 'hex').toString(), 'masa.acme.example')
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
  )

  test('on P-384', () =>
    withFactory(
      async factory => {
        await makeUnits(factory.order({ count: 1 }))
        await assertExactlyOnce(factory, factory.order({ count: 1 }))
      },
      { curve: 'P-384' },
    ))
})

test('keys that are made in a key store stay there, and are made once', () =>
  withFactory(async factory => {
    const keys = memoryKeyStore()
    const handed = new Map<string, Uint8Array>()
    const install = async (serial: string, idevid: Uint8Array) => void handed.set(serial, idevid)
    const failing = keyStoreUnits({ keys, install: async () => Promise.reject(new Crash()) })
    await assert.rejects(makeUnits(factory.order({ port: failing, keyOrigin: 'pkcs11' })), Crash)
    const { batch } = await makeUnits(factory.order({ port: keyStoreUnits({ keys, install }), keyOrigin: 'pkcs11' }))
    assert.equal(batch.made, 3)
    assert.deepEqual(await keys.list(), ['B1-000001', 'B1-000002', 'B1-000003'])
    for (const [serial, idevid] of handed) {
      const signer = await keys.open(serial)
      assert.ok(signer?.spkiDer.equals(decodeCertificate(idevid).spkiDer))
    }
    assert.deepEqual(
      (await unitsOf(factory.store)).map(({ keyOrigin }) => keyOrigin),
      ['pkcs11', 'pkcs11', 'pkcs11'],
    )
  }))

describe('a line that is cut off', () => {
  test('at any step, any number of times: exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(24), fc.boolean()), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (cuts, concurrency) => {
          const factory = await openFactory()
          try {
            const order = factory.order({ count: 5, concurrency })
            for (const [steps, after] of cuts) {
              const cut = new PowerCut(steps, after)
              const store = cut.store(factory.store)
              await makeUnits({ ...order, store, port: cut.port(factory.bench) }).catch(error => {
                assert.ok(error instanceof Crash, String(error))
              })
            }
            await makeUnits(order)
            await assertExactlyOnce(factory, order)
          } finally {
            await factory.opened.close()
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  test('two lines on one batch do not make a unit twice', () =>
    withFactory(async factory => {
      const order = factory.order({ count: 12, concurrency: 4 })
      await Promise.all([makeUnits(order), makeUnits(order)])
      await assertExactlyOnce(factory, order)
    }))

  test('stops between groups when told, and when nobody asks for more', () =>
    withFactory(async factory => {
      const stop = new AbortController()
      const order = factory.order({ count: 6, concurrency: 2, signal: stop.signal })
      await assert.rejects(
        makeUnits(order, () => stop.abort()),
        { name: 'AbortError' },
      )
      assert.equal((await unitsOf(factory.store)).length, 2)
      for await (const { batch } of workBatch({ ...factory.order({ count: 6, concurrency: 2 }) })) {
        if (batch.made === 4) break
      }
      assert.equal((await unitsOf(factory.store)).length, 4)
      const { asked } = factory.bench
      await makeUnits(factory.order({ count: 6 }))
      assert.equal(factory.bench.asked, asked + 2, 'finished units are not asked again')
      await assertExactlyOnce(factory, order)
    }))

  test('a unit that was wiped before its certificate was signed gets one for its new key', () =>
    withFactory(async factory => {
      const cut = new PowerCut(2, true)
      const order = factory.order({ count: 1 })
      // Batch begun, CSR heard, plan on record.
      await assert.rejects(
        makeUnits({ ...order, store: cut.store(factory.store), port: cut.port(factory.bench) }),
        Crash,
      )
      const planned = await factory.store.read(tables => tables.credential.find({}))
      assert.deepEqual(
        planned.map(({ status }) => status),
        ['planned'],
      )
      factory.bench.keys.clear()
      await makeUnits(order)
      const credentials = await factory.store.read(tables => tables.credential.find({ device: 'B1-000001' }))
      assert.deepEqual(credentials.map(({ status }) => status).sort(), ['issued', 'superseded'])
      const [unit] = await unitsOf(factory.store)
      assert.deepEqual([...factory.bench.installed.get('B1-000001')!], [unit?.idevid])
      assert.equal(unit?.version, 4)
      assert.equal((await factory.store.verify()).integrity, 'pass')
    }))
})

test('a plan for a CA that was replaced is made anew', () =>
  withFactory(async factory => {
    const { manufacturer, store, bench } = factory
    const cut = new PowerCut(2, true)
    const order = factory.order({ count: 1 })
    await assert.rejects(makeUnits({ ...order, store: cut.store(store), port: cut.port(bench) }), Crash)
    const spare = await openFactory({ name: 'Acme two' })
    const { certificate, signer, chain } = spare.manufacturer.idevid
    const idevid = { certificate, signer, chain, name: 'idevid-2' }
    await makeUnits({ ...order, manufacturer: { ...manufacturer, idevid } })
    const [unit] = await unitsOf(store)
    const path = [unit!.idevid, ...unit!.chain].map(text => decodeCertificate(fromBase64(text)))
    validatePath({ chain: path, anchors: spare.manufacturer.deviceAnchors, at: new Date(now) })
    await spare.opened.close()
  }))

describe('what the line refuses', () => {
  const refusals = async (order: BatchOrder) =>
    (await makeUnits(order)).refused.map(({ serial, error }) => [serial, error.code, error.detail['rule']])

  test('a key that another unit has, in one batch and across batches', () =>
    withFactory(async factory => {
      const { bench } = factory
      await makeUnits(factory.order({ count: 1 }))
      bench.keys.set('B2-000002', bench.key('B1-000001'))
      bench.keys.set('B2-000003', bench.key('B2-000001'))
      const order = factory.order({ batch: 'B2', count: 4 })
      const { batch, refused } = await makeUnits(order)
      assert.deepEqual(
        refused.map(({ error }) => [error.code, error.detail]),
        [
          ['unit-key-reused', { serial: 'B2-000002', other: 'B1-000001' }],
          ['unit-key-reused', { serial: 'B2-000003', other: 'B2-000001' }],
        ],
      )
      assert.equal(batch.made, 2)
      assert.equal(batch.finishedAt, undefined)
      bench.keys.delete('B2-000002')
      bench.keys.delete('B2-000003')
      assert.equal((await makeUnits(order)).batch.finishedAt, now)
      assert.equal(bench.installed.get('B2-000002')?.size, 1)
    }))

  test("a request with somebody else's key", () =>
    withFactory(async factory => {
      const { bench } = factory
      const thief = keySigner(generateKey('P-256'))
      const subject = encodeName({ serialNumber: 'B1-000001' })
      // The public key of the victim, signed by the thief: no proof of possession.
      const forged = { ...thief, spkiDer: bench.key('victim').spkiDer, sign: (data: Uint8Array) => thief.sign(data) }
      const csr = () => createCsr({ subject }, forged)
      const order = factory.order({ count: 1, port: { csr, install: async () => assert.fail('nothing to install') } })
      assert.deepEqual(await refusals(order), [['B1-000001', 'csr-invalid', 'bad-signature']])
      assert.equal((await unitsOf(factory.store)).length, 0)
      assert.equal(await factory.store.read(tables => tables.credential.count()), 0)
    }))

  for (const [name, csr, rule] of [
    [
      'the request of another unit',
      () => createCsr({ subject: encodeName({ serialNumber: 'B1-000007' }) }, keySigner(generateKey('P-256'))),
      'serial-differs',
    ],
    [
      'an Ed25519 key',
      () =>
        createCsr({ subject: encodeName({ commonName: 'x' }) }, keySigner(generateKeyPairSync('ed25519').privateKey)),
      'key-type',
    ],
    [
      'a request without its first byte',
      () => createCsr({ subject: encodeName({}) }, keySigner(generateKey('P-256'))).then(der => der.subarray(1)),
      'malformed-request',
    ],
    ['no request at all', async () => Buffer.alloc(0), 'malformed-request'],
  ] as const) {
    test(name, () =>
      withFactory(async factory => {
        const port = { csr, install: async () => assert.fail('nothing to install') }
        assert.deepEqual(await refusals(factory.order({ count: 1, port })), [['B1-000001', 'csr-invalid', rule]])
      }),
    )
  }

  test('one unit whose port refuses; the others are made', () =>
    withFactory(async factory => {
      const { bench } = factory
      const port = {
        csr: async (serial: string) => {
          if (serial === 'B1-000002') throw new OnboardingError('file-unreadable', { file: serial })
          return bench.csr(serial)
        },
        install: bench.install.bind(bench),
      }
      const { batch, refused } = await makeUnits(factory.order({ port }))
      assert.deepEqual(
        refused.map(({ serial, error }) => [serial, error.code]),
        [['B1-000002', 'file-unreadable']],
      )
      assert.equal(batch.made, 2)
    }))

  test('other terms under a known name', () =>
    withFactory(async factory => {
      await makeUnits(factory.order({ count: 1 }))
      for (const [field, terms] of [
        ['count', { count: 2 }],
        ['model', { model: { name: 'Other', mudUrl: 'https://mud.acme.example/sensor.json' } }],
        ['mudUrl', { model: { name: 'Sensor' } }],
        ['keyOrigin', { keyOrigin: 'device' }],
        ['serialPrefix', { serialPrefix: 'X' }],
      ] as const) {
        await assert.rejects(makeUnits(factory.order({ count: 1, ...terms })), (error: unknown) => {
          assert.ok(error instanceof OnboardingError)
          assert.deepEqual([error.code, error.detail['field']], ['batch-differs', field])
          return true
        })
      }
    }))

  test('serial numbers of another batch', () =>
    withFactory(async factory => {
      await makeUnits(factory.order({ count: 1 }))
      await assert.rejects(makeUnits(factory.order({ batch: 'B2', serialPrefix: 'B1' })), {
        code: 'serial-prefix-taken',
      })
    }))

  for (const [field, terms] of [
    ['batch', { batch: '' }],
    ['batch', { batch: 'a b' }],
    ['batch', { batch: 'ü' }],
    ['count', { count: 0 }],
    ['count', { count: 1.5 }],
    ['count', { count: 1_000_001 }],
    ['serialPrefix', { serialPrefix: 'PID:x SN:' }],
    ['model', { model: { name: '' } }],
    ['model', { model: { name: 'a\nb' } }],
    ['mudUrl', { model: { name: 'a', mudUrl: 'http://mud.example/' } }],
    ['mudUrl', { model: { name: 'a', mudUrl: 'no url' } }],
    ['hardwareType', { model: { name: 'a', hardwareType: '1.x' } }],
  ] as const) {
    test(`${field} ${JSON.stringify(terms)}`, () =>
      withFactory(async factory => {
        await assert.rejects(makeUnits(factory.order(terms)), (error: unknown) => {
          assert.ok(error instanceof OnboardingError)
          assert.deepEqual([error.code, error.detail['field']], ['input-invalid', field])
          return true
        })
      }))
  }
})
