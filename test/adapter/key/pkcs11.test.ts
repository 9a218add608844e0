import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { verify } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { KeyStoreErrorCode } from '../../../src/adapter/key/error.ts'
import { KeyStoreError } from '../../../src/adapter/key/error.ts'
import { openPkcs11KeyStore } from '../../../src/adapter/key/pkcs11.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { caExtensions, issueCertificate } from '../../../src/crypto/issue.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { KeyStore } from '../../../src/crypto/signer.ts'
import { needs } from '../../peer.ts'

const modulePath = '/usr/lib/softhsm/libsofthsm2.so'
const tokenLabel = 'mooring test'
const pin = new Secret('1234-pin')
const message = Buffer.from('message')
/** An optional dependency: npm leaves it out where it cannot be built. */
const binding = await import('pkcs11js').catch((error: unknown) => {
  if (process.env['MOORING_REQUIRE_PEERS'] === '1') throw error
  return undefined
})
const refusal = (code: KeyStoreErrorCode, says?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof KeyStoreError, String(error))
  assert.equal(error.code, code)
  if (says !== undefined) assert.match(error.message, says)
  assert.ok(!error.message.includes('1234-pin'))
  return true
}

test('without the optional package', async () => {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'pkcs11js') throw new Error('not installed')
      return next(specifier, context)
    },
  })
  try {
    await assert.rejects(
      openPkcs11KeyStore({ modulePath, tokenLabel, pin }),
      refusal('module-missing', /npm install pkcs11js/),
    )
  } finally {
    hooks.deregister()
  }
})

test('a library that is not there', { skip: binding === undefined && 'needs pkcs11js' }, async () => {
  await assert.rejects(
    openPkcs11KeyStore({ modulePath: '/nowhere/libpkcs11.so', tokenLabel, pin }),
    refusal('module-missing', /check the path/),
  )
})

/** The same library in the same process: PKCS#11 counts both as one application, with one login. */
async function otherUser() {
  const { default: pkcs11 } = await import('pkcs11js')
  const other = new pkcs11.PKCS11()
  other.load(modulePath)
  const slot = other.C_GetSlotList(true).find(each => other.C_GetTokenInfo(each).label.trim() === tokenLabel)
  assert.ok(slot)
  return { pkcs11, other, slot }
}

describe('SoftHSM', binding === undefined ? { skip: 'needs pkcs11js' } : needs('softhsm2-util', modulePath), () => {
  let directory: string
  let store: KeyStore & Disposable

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-hsm-'))
    mkdirSync(join(directory, 'tokens'))
    const conf = join(directory, 'softhsm2.conf')
    writeFileSync(
      conf,
      `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    )
    process.env['SOFTHSM2_CONF'] = conf
    for (const label of [tokenLabel, 'twin', 'twin']) {
      execFileSync('softhsm2-util', [
        '--init-token',
        '--free',
        '--label',
        label,
        '--so-pin',
        'so-pin',
        '--pin',
        pin.revealText(),
      ])
    }
    store = await openPkcs11KeyStore({ modulePath, tokenLabel, pin, sessions: 2 })
  })
  after(() => {
    store?.[Symbol.dispose]()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  })

  for (const [curve, digest] of [
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
  ] as const) {
    test(`${curve}: made in the token, opened again, signs`, async () => {
      const label = `key-${curve}`
      const made = await store.generate(label, curve)
      const opened = await store.open(label)
      assert.ok(opened)
      assert.deepEqual(opened.spkiDer, made.spkiDer)
      for (const signer of [made, opened]) {
        // Many times: r or s is short or has a leading one bit now and then.
        for (let i = 0; i < 20; i++) assert.ok(verify(digest, message, signer.publicKey, await signer.sign(message)))
      }
    })
  }

  test('a root and a request signed in the token: openssl accepts both', needs('openssl'), async () => {
    const signer = await store.open('key-P-384')
    assert.ok(signer)
    const subject = encodeName({ commonName: 'Root in a token' })
    const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 86_400_000)]
    const issuer = { certificate: 'self', signer } as const
    const extensions = caExtensions()
    const der = await issueCertificate({ subject, spkiDer: signer.spkiDer, issuer, notBefore, notAfter, extensions })
    const root = decodeCertificate(der)
    const below = { subject: encodeName({ commonName: 'device' }), spkiDer: (await store.open('key-P-256'))!.spkiDer }
    const leaf = await issueCertificate({
      ...below,
      issuer: { certificate: root, signer },
      notBefore,
      notAfter,
      extensions: [],
    })
    const write = (name: string, pem: string) => {
      writeFileSync(join(directory, name), pem)
      return join(directory, name)
    }
    const trusted = write('root.pem', encodePem('CERTIFICATE', der))
    const verified = execFileSync('openssl', [
      'verify',
      '-check_ss_sig',
      '-CAfile',
      trusted,
      write('leaf.pem', encodePem('CERTIFICATE', leaf)),
    ])
    assert.match(verified.toString(), /leaf\.pem: OK/)
    const input = encodePem('CERTIFICATE REQUEST', await createCsr({ subject }, signer))
    assert.match(
      execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], { input, stdio: 'pipe' }).toString(),
      /Root in a token/,
    )
  })

  test('it says what it is, lists, refuses a taken label and removes', async () => {
    assert.equal(store.kind, 'pkcs11')
    assert.equal(store.hardwareBacked, true)
    assert.deepEqual(await store.list(), ['key-P-256', 'key-P-384', 'key-P-521'])
    await assert.rejects(store.generate('key-P-256', 'P-256'), refusal('label-taken'))
    await assert.rejects(store.generate('no/path', 'P-256'), refusal('bad-label'))
    await store.remove('key-P-384')
    await store.remove('key-P-384')
    assert.equal(await store.open('key-P-384'), undefined)
    assert.deepEqual(await store.list(), ['key-P-256', 'key-P-521'])
  })

  test('more signatures at once than sessions', async () => {
    const signer = await store.open('key-P-256')
    assert.ok(signer)
    const messages = Array.from({ length: 40 }, (_, i) => Buffer.from(`message ${i}`))
    const signatures = await Promise.all(messages.map(each => signer.sign(each)))
    for (const [i, each] of messages.entries()) assert.ok(verify('sha256', each, signer.publicKey, signatures[i]!))
  })

  test('the session ends or the token logs out under us: the next signature opens it again', async () => {
    const signer = await store.open('key-P-256')
    assert.ok(signer)
    const { pkcs11, other, slot } = await otherUser()
    other.C_CloseAllSessions(slot)
    assert.ok(verify('sha256', message, signer.publicKey, await signer.sign(message)))
    const session = other.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
    other.C_Logout(session)
    assert.ok(verify('sha256', message, signer.publicKey, await signer.sign(message)))
    other.C_Logout(session)
    // Logged out, the token would say that it has no such key.
    assert.deepEqual((await store.open('key-P-256'))?.spkiDer, signer.spkiDer)
    other.C_CloseAllSessions(slot)
    const signatures = await Promise.all([1, 2, 3, 4].map(() => signer.sign(message)))
    for (const signature of signatures) assert.ok(verify('sha256', message, signer.publicKey, signature))
    other.C_CloseAllSessions(slot)
    await store.remove('key-P-521')
    assert.deepEqual(await store.list(), ['key-P-256'])
  })

  test('a key that was replaced by another one of the same name does not sign for it', async () => {
    const before = await store.generate('swapped', 'P-256')
    await store.remove('swapped')
    await assert.rejects(before.sign(message), refusal('token-failed', /not in the token any more/))
    await store.generate('swapped', 'P-256')
    await assert.rejects(before.sign(message), KeyStoreError)
    await store.remove('swapped')
  })

  test('a key that can be read out is refused', async () => {
    const { pkcs11, other, slot } = await otherUser()
    const session = other.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    other.C_GenerateKeyPair(
      session,
      { mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN },
      [
        { type: pkcs11.CKA_TOKEN, value: true },
        { type: pkcs11.CKA_ID, value: Buffer.from('loose') },
        { type: pkcs11.CKA_EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') },
      ],
      [
        { type: pkcs11.CKA_TOKEN, value: true },
        { type: pkcs11.CKA_LABEL, value: 'loose' },
        { type: pkcs11.CKA_ID, value: Buffer.from('loose') },
        { type: pkcs11.CKA_PRIVATE, value: true },
        { type: pkcs11.CKA_EXTRACTABLE, value: true },
        { type: pkcs11.CKA_SIGN, value: true },
      ],
    )
    other.C_CloseSession(session)
    await assert.rejects(store.open('loose'), refusal('key-extractable', /generate a new one inside it/))
    await store.remove('loose')
  })

  test('a refused PIN is never tried again, so that the token is not locked', async () => {
    store[Symbol.dispose]()
    const wrong = new Secret('0000')
    await assert.rejects(openPkcs11KeyStore({ modulePath, tokenLabel, pin: wrong }), refusal('wrong-pin', /correct it/))

    const again = await openPkcs11KeyStore({ modulePath, tokenLabel, pin })
    const { pkcs11, other, slot } = await otherUser()
    const changePin = (from: string, to: string) => {
      other.C_CloseAllSessions(slot)
      const session = other.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
      other.C_Login(session, pkcs11.CKU_USER, from)
      other.C_SetPIN(session, from, to)
      other.C_CloseAllSessions(slot)
    }
    changePin(pin.revealText(), 'another')
    await assert.rejects(again.open('key-P-256'), refusal('wrong-pin'))
    changePin('another', pin.revealText())
    await assert.rejects(again.open('key-P-256'), refusal('wrong-pin'))
    assert.ok(await store.open('key-P-256'))
  })

  test('no token of that name, and two of that name', async () => {
    await assert.rejects(
      openPkcs11KeyStore({ modulePath, tokenLabel: 'absent', pin }),
      refusal('token-missing', /no token/),
    )
    await assert.rejects(
      openPkcs11KeyStore({ modulePath, tokenLabel: 'twin', pin }),
      refusal('token-missing', /2 tokens/),
    )
  })
})
