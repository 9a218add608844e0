import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import type { Certificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { validatePath } from '../../../src/crypto/path.ts'
import { documentSigning } from '../../../src/domain/declaration-jws.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { type Manufacturer, setUpManufacturer } from '../../../src/role/factory/manufacturer-setup.ts'
import { masaLocation } from '../../../src/role/factory/masa-location.ts'
import { needs } from '../../peer.ts'
import { openTestStore } from '../../store.ts'
import { Crash, countingRandom, now, PowerCut, withFactory } from './factory.ts'

const names = ['device-root-1', 'idevid-1', 'manifest-1', 'masa-1', 'masa-root-1', 'tls-1', 'voucher-1']
const at = new Date(now)

function certificatesOf({ deviceRoot, masaRoot, idevid, voucher, manifest, tls }: Manufacturer): string[] {
  const all = [deviceRoot, masaRoot, ...[idevid, voucher, manifest, tls].flatMap(({ chain }) => chain)]
  return all.map(({ der }) => Buffer.from(der).toString('base64'))
}

function refusedWith(code: string): (error: unknown) => boolean {
  return error => error instanceof OnboardingError && error.code === code
}

describe('the certificates of a manufacturer', () => {
  test('each office chains to its own root and not to the other', () =>
    withFactory(async ({ manufacturer: { idevid, voucher, manifest, tls, deviceAnchors, masaAnchors } }) => {
      for (const [office, own, other] of [
        [idevid, deviceAnchors, masaAnchors],
        [voucher, masaAnchors, deviceAnchors],
        [manifest, masaAnchors, deviceAnchors],
        [tls, masaAnchors, deviceAnchors],
      ] as const) {
        assert.equal(validatePath({ chain: office.chain, anchors: own, at }).leaf, office.certificate)
        assert.throws(() => validatePath({ chain: office.chain, anchors: other, at }), { code: 'untrusted' })
        assert.ok(office.signer.spkiDer.equals(office.certificate.spkiDer))
      }
    }))

  test('purposes: only the manifest signer signs documents, only the TLS certificate serves', () =>
    withFactory(async ({ manufacturer: { idevid, voucher, manifest, tls } }) => {
      assert.deepEqual(manifest.certificate.extendedKeyUsage, [documentSigning])
      assert.deepEqual(tls.certificate.extendedKeyUsage, [extendedKeyUsageOid.serverAuth])
      assert.equal(voucher.certificate.extendedKeyUsage, undefined)
      assert.deepEqual(idevid.certificate.basicConstraints, { cA: true, pathLenConstraint: 0 })
      for (const { certificate } of [voucher, manifest, tls]) {
        assert.equal(certificate.basicConstraints?.cA, false)
        assert.deepEqual(certificate.keyUsage, ['digitalSignature'])
      }
    }))

  test('the TLS certificate names the MASA, further hosts and addresses', () =>
    withFactory(
      async ({ manufacturer }) => {
        assert.deepEqual(manufacturer.tls.certificate.subjectAltName, [
          { type: 'dNSName', value: 'masa.acme.example' },
          { type: 'dNSName', value: 'localhost' },
          { type: 'iPAddress', value: Buffer.from([127, 0, 0, 1]) },
        ])
        assert.equal(manufacturer.masa.extension, 'masa.acme.example:9443')
      },
      { masaUrl: 'https://MASA.acme.example:9443/', hosts: ['localhost', '127.0.0.1'] },
    ))

  test('openssl accepts every chain', needs('openssl'), () =>
    withFactory(async ({ manufacturer }) => {
      const folder = mkdtempSync(join(tmpdir(), 'mooring-'))
      const file = (name: string, certificates: readonly Certificate[]) => {
        const path = join(folder, name)
        writeFileSync(path, certificates.map(({ der }) => encodePem('CERTIFICATE', der)).join(''))
        return path
      }
      try {
        const { deviceRoot, masaRoot, idevid, voucher, manifest, tls } = manufacturer
        const verify = (root: Certificate, chain: readonly Certificate[], ...options: string[]) => {
          const above = chain.length > 1 ? ['-untrusted', file('chain.pem', chain.slice(1))] : []
          const leaf = file('leaf.pem', chain.slice(0, 1))
          const roots = file('root.pem', [root])
          execFileSync('openssl', [
            'verify',
            '-x509_strict',
            '-attime',
            String(now / 1000),
            '-CAfile',
            roots,
            ...above,
            ...options,
            leaf,
          ])
        }
        verify(deviceRoot, idevid.chain)
        verify(masaRoot, voucher.chain, '-purpose', 'any')
        verify(masaRoot, manifest.chain, '-purpose', 'any')
        verify(masaRoot, tls.chain, '-purpose', 'sslserver', '-verify_hostname', 'masa.acme.example')
        assert.throws(() => verify(deviceRoot, voucher.chain, '-purpose', 'any'))
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
  )
})

describe('setting up again', () => {
  test('finds what is there, also with both roots offline', () =>
    withFactory(async ({ manufacturer, store, keys, clock, random }) => {
      await keys.remove('device-root-1')
      await keys.remove('masa-root-1')
      const again = await setUpManufacturer({ name: 'Acme', store, keys, clock, random, masaUrl: 'masa.acme.example' })
      assert.deepEqual(certificatesOf(again), certificatesOf(manufacturer))
      assert.deepEqual(
        await keys.list(),
        names.filter(name => !name.includes('root')),
      )
    }))

  test('signers are renewed without the roots when they near their end', () =>
    withFactory(async ({ manufacturer, store, keys, random }) => {
      await keys.remove('device-root-1')
      await keys.remove('masa-root-1')
      const clock = () => now + 4 * 365 * 86_400_000
      const later = await setUpManufacturer({ name: 'Acme', store, keys, clock, random, masaUrl: 'masa.acme.example' })
      assert.deepEqual(
        [later.idevid.name, later.voucher.name, later.manifest.name, later.tls.name],
        ['idevid-1', 'voucher-2', 'manifest-2', 'tls-2'],
      )
      assert.notDeepEqual(later.voucher.signer.spkiDer, manufacturer.voucher.signer.spkiDer)
      validatePath({ chain: later.voucher.chain, anchors: manufacturer.masaAnchors, at: new Date(clock()) })
    }))

  test('a MASA that moved gets another TLS certificate and nothing else', () =>
    withFactory(async ({ store, keys, clock, random }) => {
      const options = { name: 'Acme', store, keys, clock, random }
      const moved = await setUpManufacturer({ ...options, masaUrl: 'new.acme.example' })
      assert.equal(moved.tls.name, 'tls-2')
      assert.equal(moved.voucher.name, 'voucher-1')
      const back = await setUpManufacturer({ ...options, masaUrl: 'masa.acme.example' })
      assert.equal(back.tls.name, 'tls-1')
    }))

  test('a key that is gone, or replaced, is told by its label', () =>
    withFactory(async ({ store, keys, clock, random }) => {
      const options = { name: 'Acme', store, keys, clock, random, masaUrl: 'masa.acme.example' }
      await keys.remove('idevid-1')
      await assert.rejects(setUpManufacturer(options), refusedWith('issuer-key-missing'))
      await keys.generate('idevid-1', 'P-256')
      await assert.rejects(setUpManufacturer(options), refusedWith('issuer-key-missing'))
    }))

  test('cut off after any step, it completes and changes nothing that was on record', async () => {
    for (const after of [false, true]) {
      for (let steps = 0; ; steps++) {
        const opened = await openTestStore({ clock: () => now })
        const { store } = opened
        const keys = memoryKeyStore()
        const options = {
          name: 'Acme',
          clock: () => now,
          random: countingRandom('crash'),
          masaUrl: 'masa.acme.example',
        }
        const cut = new PowerCut(steps, after)
        const died = await setUpManufacturer({ ...options, store: cut.store(store), keys: cut.keys(keys) }).then(
          () => false,
          error => {
            assert.ok(error instanceof Crash)
            return true
          },
        )
        const before = await store.read(tables => tables.issuer.find({}))
        const manufacturer = await setUpManufacturer({ ...options, store, keys })
        const issuers = await store.read(tables => tables.issuer.find({}))
        assert.deepEqual(
          issuers.map(({ name }) => name),
          names,
        )
        for (const record of before)
          assert.deepEqual(
            issuers.find(({ name }) => name === record.name),
            record,
          )
        for (const name of names) assert.equal((await store.history(`issuer/${name}`)).length, 1)
        assert.deepEqual(await keys.list(), names)
        validatePath({ chain: manufacturer.tls.chain, anchors: manufacturer.masaAnchors, at })
        await opened.close()
        if (!died) {
          assert.equal(steps, 2 * names.length)
          break
        }
      }
    }
  })
})

describe('where the MASA is', () => {
  test('a host or an https URL', () => {
    assert.equal(masaLocation('masa.example').baseUrl, 'https://masa.example/.well-known/brski')
    assert.equal(masaLocation('https://masa.example:443/.well-known/brski/').extension, 'masa.example')
    assert.equal(masaLocation('https://masa.example/x/').extension, 'https://masa.example/x')
    assert.deepEqual(masaLocation('[::1]:9443'), {
      extension: '[::1]:9443',
      host: { type: 'iPAddress', value: Buffer.from('00000000000000000000000000000001', 'hex') },
      baseUrl: 'https://[::1]:9443/.well-known/brski',
    })
  })

  for (const url of [
    '',
    'http://masa.example',
    'https://u:p@masa.example',
    'https://masa.example/?q',
    'a b',
    'ftp://m/',
    'https://',
  ]) {
    test(`refuses ${JSON.stringify(url)}`, () => {
      assert.throws(() => masaLocation(url), refusedWith('input-invalid'))
    })
  }
})
