import { createHash, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import type { Secret } from '../../crypto/secret.ts'
import { readPrivateFile, removePrivateFile, replacePrivateFile, requirePrivateDirectory } from '../key/private-file.ts'

/** A thousand devices need 100 kB. */
const maxFileBytes = 0x400_0000

const suffixes = ['conf', 'deny', 'psk', 'vlan'] as const

/**
 * Puts the files into a directory of mode 0700, each with mode 0600, whole or not at all; what is the same already stays
 * untouched. Files of `gone` networks are removed, and no others. Throws KeyStoreError `permissions`, `storage`.
 * @returns the names of those that changed
 */
export async function writeAccessPointFiles(
  directory: string,
  files: Readonly<Record<string, Secret>>,
  gone: readonly string[] = [],
): Promise<readonly string[]> {
  await requirePrivateDirectory(directory)
  const changed: string[] = []
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name)
    const before = await readPrivateFile(path, maxFileBytes)
    if (before !== undefined && same(before, content.reveal())) continue
    await replacePrivateFile(path, content.reveal())
    changed.push(name)
  }
  const stale = gone.flatMap(network => suffixes.map(suffix => `${network}.${suffix}`))
  for (const name of stale.filter(each => !Object.hasOwn(files, each))) {
    if ((await readPrivateFile(join(directory, name), maxFileBytes)) === undefined) continue
    await removePrivateFile(join(directory, name))
    changed.push(name)
  }
  return changed
}

/** What somebody wrote for the access points of a network beside our lines; undefined when there is nothing. */
export async function readAccessPointBase(directory: string, network: string): Promise<string | undefined> {
  await requirePrivateDirectory(directory)
  return (await readPrivateFile(join(directory, `${network}.base`), 0x1_0000))?.toString('utf8')
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  return timingSafeEqual(digest(one), digest(other))
}
