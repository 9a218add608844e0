import { createPublicKey, type KeyObject } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { generateKey, importStoredKey } from '../../crypto/key.ts'
import type { Secret } from '../../crypto/secret.ts'
import { type KeyStore, keySigner } from '../../crypto/signer.ts'
import { checkLabel, isLabel, KeyStoreError, labelTaken } from './error.ts'
import { openMasterKey, type Passphrase } from './master-key.ts'
import {
  createPrivateFile,
  readPrivateFile,
  removeOldDrafts,
  removePrivateFile,
  requirePrivateDirectory,
} from './private-file.ts'
import { openSealed, Sealed, seal } from './seal.ts'

const format = 'mooring-key 1'
const suffix = '.sealed'
const maxFileBytes = 4096

/** `spki` is in the clear, so that a backup can be told apart without opening it; the sealing vouches for it. */
const KeyFile = z.strictObject({ format: z.literal(format), label: z.string(), spki: z.base64(), key: Sealed })

export interface FileKeyStoreOptions {
  /** Made with mode 0700; refused when others can look into it. */
  readonly directory: string
  /** Absent: the key that seals the others lies beside them in `store.key`, and only file modes protect it. */
  readonly passphrase?: Passphrase
}

/**
 * Private keys as sealed files, `<label>.sealed`, each written once and never changed. Throws KeyStoreError:
 * `permissions`, `passphrase-required`, `passphrase-unexpected`, `wrong-passphrase`, `corrupt` or `storage`.
 */
export async function openFileKeyStore({ directory, passphrase }: FileKeyStoreOptions): Promise<KeyStore> {
  await requirePrivateDirectory(directory)
  await removeOldDrafts(directory, Date.now())
  const existing = await labels(directory)
  const master = await openMasterKey(directory, passphrase, existing.length === 0)
  const pathOf = (label: string): string => {
    checkLabel(label)
    return join(directory, label + suffix)
  }
  const load = async (label: string): Promise<KeyObject | undefined> => {
    const path = pathOf(label)
    const bytes = await readPrivateFile(path, maxFileBytes)
    return bytes && read(master, path, label, bytes)
  }
  return {
    kind: 'file',
    hardwareBacked: false,
    async generate(label, curve) {
      const path = pathOf(label)
      const privateKey = generateKey(curve)
      await keep(master, path, label, privateKey)
      return keySigner(privateKey)
    },
    adopt: (label, privateKey) => keep(master, pathOf(label), label, privateKey),
    async open(label) {
      const privateKey = await load(label)
      return privateKey && keySigner(privateKey)
    },
    tlsKey: load,
    list: () => labels(directory),
    remove: async label => removePrivateFile(pathOf(label)),
  }
}

async function labels(directory: string): Promise<string[]> {
  const names = await readdir(directory)
  return names
    .filter(name => name.endsWith(suffix))
    .map(name => name.slice(0, -suffix.length))
    .filter(isLabel)
    .sort()
}

function contextOf(label: string, spki: string): string {
  return `${format}\n${label}\n${spki}`
}

async function keep(master: Secret, path: string, label: string, privateKey: KeyObject): Promise<void> {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const file = write(master, label, spki.toString('base64'), pkcs8)
  pkcs8.fill(0)
  if (!(await createPrivateFile(path, file))) throw labelTaken(label)
}

function write(master: Secret, label: string, spki: string, pkcs8: Uint8Array): Buffer {
  const file = { format, label, spki, key: seal(master, pkcs8, contextOf(label, spki)) }
  return Buffer.from(`${JSON.stringify(file, null, 1)}\n`)
}

function read(master: Secret, path: string, label: string, bytes: Buffer): KeyObject {
  const damaged = (why: string, cause?: unknown) =>
    new KeyStoreError('corrupt', `${path} ${why}: restore it from a backup`, { cause })
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw damaged('is damaged', cause)
  }
  const parsed = KeyFile.safeParse(json)
  if (!parsed.success) throw damaged('is damaged', parsed.error)
  const file = parsed.data
  if (file.label !== label) throw damaged(`holds the key of another label`)
  const pkcs8 = openSealed(master, file.key, contextOf(label, file.spki))
  if (pkcs8 === undefined) throw damaged('is damaged, or was sealed by another store.key')
  try {
    return importStoredKey(pkcs8)
  } finally {
    pkcs8.fill(0)
  }
}
