import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import { openAesSiv } from '../../../src/crypto/aes-siv.ts'
import { CryptoError } from '../../../src/crypto/error.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { decodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import {
  exportConfigurator,
  exportHostapKey,
  importConfigurator,
  importHostapKey,
  openBackup,
  sealBackup,
} from '../../../src/protocol/dpp/backup.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { decodeEnvelopedData, passwordDerivation, sealEnvelopedData } from '../../../src/protocol/dpp/enveloped-data.ts'
import { type DppKeyPair, generateDppKey, importScalar } from '../../../src/protocol/dpp/key.ts'
import { type ConfiguratorKeys, decodeKeyPackage, encodeKeyPackage } from '../../../src/protocol/dpp/key-package.ts'
import { edited, edits, runs } from '../../attack/mutation.ts'
import { tagged } from './case.ts'
import { flipped } from './pkex-party.ts'

const hex = (text: string) => Buffer.from(text, 'hex')
const { configurator_backup: recorded } = JSON.parse(
  readFileSync(new URL('../../vector/dpp/transcript.json', import.meta.url), 'utf8'),
) as {
  configurator_backup: {
    inputs: { bk: string; ke: string; c_sign: string; pp: string }
    expected: Record<
      'pbkdf2_salt' | 'content_encryption_key' | 'enveloped_data' | 'key_package' | 'key_encryption_key',
      string
    >
    config_response_attributes: string
  }
}
const { inputs, expected } = recorded
const exchange = { curve: 'P-256', bk: hex(inputs.bk) } as const
const template = '{"wi-fi_tech":"infra","discovery":{"ssid":"test"},"cred":{"akm":"dpp"}}'
const keys: ConfiguratorKeys = {
  csign: importScalar('P-256', hex(inputs.c_sign)),
  ppKey: importScalar('P-256', hex(inputs.pp)),
  configurationTemplate: template,
}
const random = () => ({ salt: randomBytes(64), contentKey: randomBytes(64) })
const made = (curve: DppCurve): ConfiguratorKeys => ({
  csign: generateDppKey(curve),
  ppKey: generateDppKey(curve),
  configurationTemplate: '{"wi-fi_tech":"infra"}',
  connectorTemplate: '{"groups":[]}',
})
const scalars = (all: readonly ConfiguratorKeys[]) =>
  all.map(each => [scalar(each.csign), scalar(each.ppKey), each.configurationTemplate, each.connectorTemplate])
const scalar = ({ privateKey, curve }: DppKeyPair) =>
  curve + privateKey.export({ format: 'raw-private' }).toString('hex')

describe('a Configurator’s backup', () => {
  test('is sealed as it was recorded, octet by octet', () => {
    const random = { salt: hex(expected.pbkdf2_salt), contentKey: hex(expected.content_encryption_key) }
    assert.equal(encodeKeyPackage([keys]).toString('hex'), expected.key_package)
    assert.equal(sealBackup([keys], exchange, random).toString('hex'), expected.enveloped_data)
  })

  test('is opened from the Configuration Response that brought it [dpp: configurator_enrollee, configurator_enrollee_prime256v1]', () => {
    const list = decodeAttributes(hex(recorded.config_response_attributes))
    const status = hex('0010010000')
    const clear = decodeAttributes(openAesSiv(hex(inputs.ke), list.need('wrappedData'), status))
    assert.deepEqual(scalars(openBackup(clear.need('envelopedData'), exchange)), scalars([keys]))
  })

  const eachCurve: readonly { dpp?: string; curve: DppCurve }[] = [
    { curve: 'P-256' },
    { dpp: 'configurator_enrollee_secp384r1', curve: 'P-384' },
    { dpp: 'configurator_enrollee_secp521r1', curve: 'P-521' },
    { dpp: 'configurator_enrollee_brainpoolP256r1', curve: 'BP-256' },
    { dpp: 'configurator_enrollee_brainpoolP384r1', curve: 'BP-384' },
    { dpp: 'configurator_enrollee_brainpoolP512r1', curve: 'BP-512' },
  ]
  for (const { dpp, curve } of eachCurve) {
    test(tagged(`goes to another Configurator with keys on ${curve}, over any exchange`, dpp), () => {
      const all = [made(curve), made(curve)]
      for (const { curve: other, hashSize } of curves.filter(each => [curve, 'P-256', 'P-521'].includes(each.curve))) {
        const over = { curve: other, bk: randomBytes(hashSize) }
        assert.deepEqual(scalars(openBackup(sealBackup(all, over, random()), over)), scalars(all))
      }
    })
  }

  test('opens in its own exchange only, and whole only', () => {
    const sealed = sealBackup([keys], exchange, random())
    assert.throws(() => openBackup(sealed, { ...exchange, bk: randomBytes(32) }), { code: 'bad-signature' })
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed)
      altered[at]! ^= 1 << (at & 7)
      assert.throws(() => openBackup(altered, exchange), refused, `octet ${at}`)
    }
  })

  test('costs its reader no more than the reader is willing to spend', () => {
    const derivation = passwordDerivation('sha256', randomBytes(64), 0x7fff_ffff)
    const data = { keyEncryptionKey: randomBytes(32), contentKey: randomBytes(32) }
    const sealed = sealEnvelopedData(encodeKeyPackage([keys]), derivation, data)
    assert.throws(() => openBackup(sealed, exchange), { code: 'too-many' })
    const cheap = sealEnvelopedData(encodeKeyPackage([keys]), { ...derivation, iterations: 1 }, data)
    assert.throws(() => decodeEnvelopedData(cheap, 1000), { code: 'bad-value' })
  })

  test('has a bound on its size and on the number of its keys', () => {
    assert.throws(() => decodeKeyPackage(Buffer.alloc(0x1_0001)), { code: 'too-large' })
    assert.throws(() => decodeKeyPackage(encodeKeyPackage(new Array(17).fill(keys))), { code: 'too-many' })
    assert.throws(() => sealBackup([], exchange, random()), { code: 'bad-value' })
    assert.throws(() => decodeKeyPackage(hex('3000')), CodecError)
  })

  test('has both keys on one curve', () => {
    const mixed = encodeKeyPackage([{ ...keys, ppKey: generateDppKey('P-384') }])
    assert.throws(() => decodeKeyPackage(mixed), CodecError)
    const foreign = encodeKeyPackage([{ ...keys, ppKey: generateDppKey('BP-256') }])
    assert.throws(() => decodeKeyPackage(foreign), CodecError)
  })

  test('has private keys that are some', () => {
    const text = encodeKeyPackage([keys]).toString('hex')
    for (const bad of ['00'.repeat(32), 'ff'.repeat(32)]) {
      assert.throws(() => decodeKeyPackage(hex(text.replace(inputs.c_sign, bad))), { code: 'malformed-key' })
      assert.throws(() => decodeKeyPackage(hex(text.replace(inputs.pp, bad))), { code: 'malformed-key' })
    }
  })

  test('is refused or read, whatever it is', () => {
    const plain = encodeKeyPackage([keys])
    const sealed = sealBackup([keys], exchange, random())
    fc.assert(
      fc.property(edits, fc.boolean(), (changes, whole) => {
        try {
          if (whole) openBackup(edited(sealed, changes), exchange)
          else decodeKeyPackage(edited(plain, changes))
        } catch (error) {
          assert.ok(refused(error), String(error))
        }
      }),
      { numRuns: runs },
    )
  })
})

function refused(error: unknown): true {
  assert.ok(error instanceof CodecError || error instanceof CryptoError, String(error))
  return true
}

describe('a file with a Configurator’s keys', () => {
  const passphrase = new Secret('correct horse battery staple')

  test('is written and read under a passphrase', async () => {
    const all = [made('P-256'), made('P-384'), made('BP-512')]
    const file = await exportConfigurator(all, passphrase, random())
    assert.match(file, /^-----BEGIN DPP CONFIGURATOR BACKUP-----\n/)
    for (const { csign } of all)
      assert.ok(!file.includes(csign.privateKey.export({ format: 'raw-private' }).toString('base64')))
    assert.deepEqual(scalars(await importConfigurator(file, passphrase)), scalars(all))
  })

  test('says nothing under another passphrase, or altered', async () => {
    const file = await exportConfigurator([keys], passphrase, random())
    await assert.rejects(importConfigurator(file, new Secret('correct horse battery stapler')), {
      code: 'bad-signature',
    })
    const lines = file.split('\n')
    lines[9] = lines[9]!.startsWith('A') ? `B${lines[9]!.slice(1)}` : `A${lines[9]!.slice(1)}`
    await assert.rejects(importConfigurator(lines.join('\n'), passphrase), refused)
    await assert.rejects(importConfigurator('nothing', passphrase), CodecError)
  })
})

describe('hostap’s key= and ppkey=', () => {
  test('carry a key on each curve, there and back [dpp: invalid_configurator_key]', () => {
    for (const { curve } of curves) {
      const key = generateDppKey(curve)
      const text = exportHostapKey(key)
      assert.equal(String(text), '[secret]')
      assert.match(text.revealText(), /^30[0-9a-f]+$/)
      assert.equal(scalar(importHostapKey(text)), scalar(key))
    }
    for (const bad of ['', '30', 'zz', '3077', 'ab'.repeat(3000), '30770201']) {
      assert.throws(() => importHostapKey(new Secret(bad)), refused, bad.slice(0, 10))
    }
  })

  test('carry no key on another curve, and no key that is no EC key [dpp: keygen_configurator_error]', () => {
    const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
    const edwards = generateKeyPairSync('ed25519').privateKey
    for (const der of [
      koblitz.export({ type: 'sec1', format: 'der' }),
      koblitz.export({ type: 'pkcs8', format: 'der' }),
      edwards.export({ type: 'pkcs8', format: 'der' }),
    ]) {
      assert.throws(() => importHostapKey(new Secret(der.toString('hex'))), { code: 'unsupported-key' })
    }
  })

  test('carry a key without its public key, as hostap writes it', () => {
    const bare = `30310201010420${inputs.c_sign}a00a06082a8648ce3d030107`
    assert.equal(scalar(importHostapKey(new Secret(`${bare}\n`))), scalar(keys.csign))
    const altered = `30310201010420${flipped(hex(inputs.c_sign)).toString('hex')}a00a06082a8648ce3d030107`
    assert.notEqual(scalar(importHostapKey(new Secret(altered))), scalar(keys.csign))
  })
})
