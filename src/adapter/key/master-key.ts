import { createHash, randomBytes, scrypt } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { Secret } from '../../crypto/secret.ts'
import { KeyStoreError } from './error.ts'
import { createPrivateFile, readPrivateFile } from './private-file.ts'
import { openSealed, Sealed, seal } from './seal.ts'

/** A passphrase, or how to ask for one: asked only when the store needs it. */
export type Passphrase = Secret | (() => Promise<Secret>)

/** scrypt with 64 MiB, twice: OWASP's figure for a login, here spent once at start. */
const cost = { N: 65536, r: 8, p: 2 } as const
const maxFileBytes = 4096
const context = 'mooring-key-store 1'

const Scrypt = z.strictObject({
  name: z.literal('scrypt'),
  // Bounded both ways: a file that somebody changed must cost neither the passphrase nor the machine.
  N: z.number().int().min(16384).max(1_048_576),
  r: z.literal(8),
  p: z.number().int().min(1).max(4),
  salt: z.base64().max(64),
})

const MasterKeyFile = z.discriminatedUnion('protection', [
  z.strictObject({
    format: z.literal(context),
    protection: z.literal('file'),
    key: z.base64().length(44),
    checksum: z.string(),
  }),
  z.strictObject({
    format: z.literal(context),
    protection: z.literal('passphrase'),
    kdf: Scrypt,
    key: Sealed,
    checksum: z.string(),
  }),
])
type MasterKeyFile = z.infer<typeof MasterKeyFile>
type Body = MasterKeyFile extends infer T ? (T extends unknown ? Omit<T, 'checksum'> : never) : never

/** `MOORING_KEY_PASSPHRASE`. Empty is an error: it is what a forgotten variable in a service file looks like. */
export function passphraseFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Secret | undefined {
  const text = environment['MOORING_KEY_PASSPHRASE']
  if (text === undefined) return undefined
  if (text === '') {
    throw new KeyStoreError(
      'passphrase-required',
      'MOORING_KEY_PASSPHRASE is set but empty: give it a value or unset it',
    )
  }
  return new Secret(text)
}

/** The key that seals all others, from `store.key` in `directory`. Made on first use, unless `mayCreate` is false. */
export async function openMasterKey(
  directory: string,
  passphrase: Passphrase | undefined,
  mayCreate: boolean,
): Promise<Secret> {
  const path = join(directory, 'store.key')
  const bytes = await readPrivateFile(path, maxFileBytes)
  if (bytes !== undefined) return unlock(path, bytes, passphrase)
  if (!mayCreate) {
    throw new KeyStoreError('corrupt', `${path} is missing and there are keys that need it: restore it from a backup`)
  }
  const master = Secret.random(32)
  if (await createPrivateFile(path, Buffer.from(`${write(await lock(master, passphrase))}\n`))) return master
  // Another process was first: its key counts.
  return openMasterKey(directory, passphrase, false)
}

async function lock(master: Secret, passphrase: Passphrase | undefined): Promise<Body> {
  if (passphrase === undefined) return { format: context, protection: 'file', key: master.reveal().toString('base64') }
  const kdf = { name: 'scrypt' as const, ...cost, salt: randomBytes(16).toString('base64') }
  using wrapping = await stretch(await ask(passphrase), kdf)
  return { format: context, protection: 'passphrase', kdf, key: seal(wrapping, master.reveal(), context) }
}

async function unlock(path: string, bytes: Buffer, passphrase: Passphrase | undefined): Promise<Secret> {
  const file = read(path, bytes)
  if (file.protection === 'file') {
    if (passphrase === undefined) return wiping(Buffer.from(file.key, 'base64'))
    // Going on would leave the operator in the belief that the passphrase protects something.
    throw new KeyStoreError(
      'passphrase-unexpected',
      `${path} was made without a passphrase: unset it, or start a new store with it and issue new keys`,
    )
  }
  if (passphrase === undefined) {
    throw new KeyStoreError('passphrase-required', `${path} is protected by a passphrase: set MOORING_KEY_PASSPHRASE`)
  }
  using wrapping = await stretch(await ask(passphrase), file.kdf)
  const master = openSealed(wrapping, file.key, context)
  // The checksum held, so what does not fit is the passphrase.
  if (master?.length !== 32)
    throw new KeyStoreError('wrong-passphrase', `the passphrase does not open ${path}: try another one`)
  return wiping(master)
}

function write(body: Body): string {
  return JSON.stringify({ ...body, checksum: checksum(body) }, null, 1)
}

/** Tells damage from a wrong passphrase; it protects against nobody, which is the work of the sealing. */
function checksum(body: Body): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex')
}

function read(path: string, bytes: Buffer): MasterKeyFile {
  const damaged = `${path} is damaged: restore it from a backup`
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new KeyStoreError('corrupt', damaged, { cause })
  }
  const parsed = MasterKeyFile.safeParse(json)
  if (!parsed.success) throw new KeyStoreError('corrupt', damaged, { cause: parsed.error })
  const { checksum: claimed, ...body } = parsed.data
  if (claimed !== checksum(body)) throw new KeyStoreError('corrupt', damaged)
  return parsed.data
}

async function ask(passphrase: Passphrase): Promise<Secret> {
  const secret = typeof passphrase === 'function' ? await passphrase() : passphrase
  if (secret.reveal().length === 0) throw new KeyStoreError('passphrase-required', 'the passphrase is empty: give one')
  return secret
}

function stretch(passphrase: Secret, kdf: z.infer<typeof Scrypt>): Promise<Secret> {
  const { N, r, p } = kdf
  return new Promise((resolve, reject) => {
    scrypt(passphrase.reveal(), Buffer.from(kdf.salt, 'base64'), 32, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(wiping(key))
      else reject(error)
    })
  })
}

function wiping(bytes: Buffer): Secret {
  const secret = new Secret(bytes)
  bytes.fill(0)
  return secret
}
