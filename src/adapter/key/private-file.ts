import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { link, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KeyStoreError } from './error.ts'

/** Creates `path` with mode 0700, or checks that what is there is ours and closed to others. */
export async function requirePrivateDirectory(path: string): Promise<void> {
  await storage(path, () => mkdir(path, { recursive: true, mode: 0o700 }))
  const stats = await storage(path, () => lstat(path))
  if (!stats.isDirectory())
    throw new KeyStoreError('permissions', `${path} is not a directory: choose another place for keys`)
  requireClosed(path, stats, '700')
}

/** The whole file, or undefined when there is none. Refuses links, and files that others may read or that we do not own. */
export async function readPrivateFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  // O_NONBLOCK: a pipe put in the place of a key must not hang us.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await storage(path, () => open(path, flags)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ELOOP') {
      throw new KeyStoreError('permissions', `${path} is a symbolic link: put the key file itself there`)
    }
    throw error
  })
  if (file === undefined) return undefined
  try {
    const stats = await storage(path, () => file.stat())
    if (!stats.isFile()) throw new KeyStoreError('permissions', `${path} is not a regular file: remove it`)
    requireClosed(path, stats, '600')
    if (stats.size > maxBytes)
      throw new KeyStoreError('corrupt', `${path} is too large for a key: restore it from a backup`)
    return await storage(path, () => file.readFile())
  } finally {
    await file.close()
  }
}

/**
 * Writes a file that was not there, whole or not at all, and on the disk when this resolves. False when the name is
 * taken, in which case nothing has changed: a link, unlike a rename, never replaces what another process wrote.
 */
export async function createPrivateFile(path: string, bytes: Uint8Array): Promise<boolean> {
  const draft = await writeDraft(path, bytes)
  try {
    await link(draft, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw storageError(path, error)
  } finally {
    await unlink(draft)
  }
  await syncDirectory(dirname(path))
  return true
}

/** Puts new content in the place of old: after a crash one of the two is there, whole. */
export async function replacePrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = await writeDraft(path, bytes)
  await storage(path, () => rename(draft, path))
  await syncDirectory(dirname(path))
}

export async function removePrivateFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw storageError(path, error)
  }
  await syncDirectory(dirname(path))
}

const draftSuffix = '.draft'
/** Milliseconds after which nobody is writing it any more. */
const draftAge = 600_000

/** Removes what a crash left behind while a file was written: keys, sealed as the others, that nobody will ask for. */
export async function removeOldDrafts(directory: string, now: number): Promise<void> {
  const names = await storage(directory, () => readdir(directory))
  for (const name of names.filter(name => name.endsWith(draftSuffix))) {
    const path = join(directory, name)
    const stats = await lstat(path).catch(() => undefined)
    if (stats?.isFile() === true && now - stats.mtimeMs > draftAge) await removePrivateFile(path)
  }
}

async function writeDraft(path: string, bytes: Uint8Array): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}${draftSuffix}`
  const file = await storage(draft, () => open(draft, 'wx', 0o600))
  try {
    await file.writeFile(bytes)
    await file.sync()
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw storageError(path, error)
  } finally {
    await file.close()
  }
  return draft
}

/** Without it a power loss may forget the name although the content is on the disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await storage(path, () => open(path, constants.O_RDONLY))
  try {
    await storage(path, () => directory.sync())
  } finally {
    await directory.close()
  }
}

function requireClosed(path: string, stats: Stats, mode: '600' | '700'): void {
  if ((stats.mode & 0o077) !== 0) {
    const found = (stats.mode & 0o777).toString(8)
    throw new KeyStoreError('permissions', `${path} is open to others (mode ${found}): run chmod ${mode} ${path}`)
  }
  const self = process.geteuid?.()
  if (self !== undefined && stats.uid !== self) {
    throw new KeyStoreError(
      'permissions',
      `${path} belongs to user ${stats.uid}, not to us (${self}): run chown ${self} ${path}`,
    )
  }
}

async function storage<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageError(path, error)
  }
}

function storageError(path: string, error: unknown): KeyStoreError {
  const code = codeOf(error) ?? 'unknown error'
  return new KeyStoreError(
    'storage',
    `${path} could not be read or written (${code}): check the disk and who owns it`,
    {
      cause: error,
    },
  )
}

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof KeyStoreError ? error.cause : error
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined
}
