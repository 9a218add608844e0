import { pbkdf2, pbkdf2Sync } from 'node:crypto'
import { promisify } from 'node:util'
import { CodecError } from '../../codec/error.ts'
import { decodePemBlock, encodePem } from '../../codec/pem.ts'
import { Secret } from '../../crypto/secret.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import {
  decodeEnvelopedData,
  openEnvelopedData,
  type PasswordDerivation,
  passwordDerivation,
  sealEnvelopedData,
} from './enveloped-data.ts'
import { type DppKeyPair, exportDppKey, importDppKey } from './key.ts'
import { type ConfiguratorKeys, decodeKeyPackage, encodeKeyPackage } from './key-package.ts'
import { hkdfExpand } from './key-schedule.ts'

/*
 * A Configurator's keys on their way: to a second Configurator by Easy Connect ("netRole":"configurator"), to a file under a
 * passphrase, and as the hexadecimal texts that hostap takes. All but the last have one form, DPPEnvelopedData.
 */

/** Random octets for one envelope. */
export interface EnvelopeRandom {
  /** 64 octets. */
  readonly salt: Uint8Array
  /** 64 octets; as many are used as the hash of the C-sign key's curve has. */
  readonly contentKey: Uint8Array
}

/** Over Easy Connect the password is a key itself, which no number of iterations makes better. */
const iterationsOfBackup = 1000
/** A passphrase comes from a person. About 0.2 s. */
const iterationsOfFile = 600_000
/** An EC private key with its public key on P-521 has 223 bytes. */
const maxHostapKey = 2048
const maxIterations = { backup: 100_000, file: 10_000_000 } as const

/** The authentication that carries a backup: its curve, which may be another than that of the keys, and its bk. */
export interface BackupExchange {
  readonly curve: DppCurve
  readonly bk: Uint8Array
}

/** Attribute "DPP Enveloped Data" (101A). */
export function sealBackup(
  keys: readonly ConfiguratorKeys[],
  exchange: BackupExchange,
  random: EnvelopeRandom,
): Buffer {
  const derivation = derivationFor(keys, random, iterationsOfBackup)
  return seal(keys, derivation, random, derive(backupPassword(exchange), derivation))
}

/** Throws CodecError, or CryptoError `bad-signature` when it was sealed in another exchange. */
export function openBackup(der: Uint8Array, exchange: BackupExchange): readonly ConfiguratorKeys[] {
  const data = decodeEnvelopedData(der, maxIterations.backup)
  return unpack(openEnvelopedData(data, derive(backupPassword(exchange), data.derivation)))
}

const fileLabel = 'DPP CONFIGURATOR BACKUP'

/** A file with everything that makes this Configurator, PEM. */
export async function exportConfigurator(
  keys: readonly ConfiguratorKeys[],
  passphrase: Secret,
  random: EnvelopeRandom,
): Promise<string> {
  const derivation = derivationFor(keys, random, iterationsOfFile)
  return encodePem(fileLabel, seal(keys, derivation, random, await deriveAside(passphrase, derivation)))
}

/** Throws CodecError, or CryptoError `bad-signature` for another passphrase or an altered file. */
export async function importConfigurator(text: string, passphrase: Secret): Promise<readonly ConfiguratorKeys[]> {
  const data = decodeEnvelopedData(decodePemBlock(fileLabel, text), maxIterations.file)
  return unpack(openEnvelopedData(data, await deriveAside(passphrase, data.derivation)))
}

/** hostap's `key=` and `ppkey=` of DPP_CONFIGURATOR_ADD: an EC private key (SEC 1, DER) in hexadecimal. Not encrypted. */
export function exportHostapKey(key: DppKeyPair): Secret {
  using der = exportDppKey(key)
  return new Secret(der.reveal().toString('hex'))
}

/** Throws CodecError `bad-encoding`, CryptoError `malformed-key` or `unsupported-key`. */
export function importHostapKey(text: Secret): DppKeyPair {
  const hex = text.revealText().trim()
  if (hex.length > maxHostapKey || !/^(?:[0-9a-fA-F]{2})+$/.test(hex)) {
    throw new CodecError('bad-encoding', 'not an EC private key in hexadecimal')
  }
  const der = Buffer.from(hex, 'hex')
  try {
    return importDppKey(der)
  } finally {
    der.fill(0)
  }
}

function derivationFor(
  keys: readonly ConfiguratorKeys[],
  { salt }: EnvelopeRandom,
  iterations: number,
): PasswordDerivation {
  const [first] = keys
  if (first === undefined) throw new CodecError('bad-value', 'a backup without keys')
  return passwordDerivation(curveProfile(first.csign.curve).hash, salt, iterations)
}

function seal(
  keys: readonly ConfiguratorKeys[],
  derivation: PasswordDerivation,
  { contentKey }: EnvelopeRandom,
  keyEncryptionKey: Uint8Array,
): Buffer {
  const plain = encodeKeyPackage(keys)
  const own = contentKey.subarray(0, derivation.keySize)
  try {
    return sealEnvelopedData(plain, derivation, { keyEncryptionKey, contentKey: own })
  } finally {
    plain.fill(0)
    keyEncryptionKey.fill(0)
  }
}

function unpack(plain: Buffer): readonly ConfiguratorKeys[] {
  try {
    return decodeKeyPackage(plain)
  } finally {
    plain.fill(0)
  }
}

function backupPassword({ curve, bk }: BackupExchange): Buffer {
  return hkdfExpand(curve, bk, 'Enveloped Data Password')
}

function derive(password: Buffer, { salt, iterations, keySize, hash }: PasswordDerivation): Buffer {
  try {
    return pbkdf2Sync(password, salt, iterations, keySize, hash)
  } finally {
    password.fill(0)
  }
}

const pbkdf2Aside = promisify(pbkdf2)

/** In a thread of its own: this takes a while, and others are served meanwhile. */
function deriveAside(passphrase: Secret, { salt, iterations, keySize, hash }: PasswordDerivation): Promise<Buffer> {
  return pbkdf2Aside(passphrase.reveal(), salt, iterations, keySize, hash)
}
