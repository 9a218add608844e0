import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeviceStore } from '../../role/device/port.ts'
import { readPrivateFile, removePrivateFile, replacePrivateFile, requirePrivateDirectory } from '../key/private-file.ts'

const suffix = '.value'
const maxBytes = 0x10_0000

/**
 * The memory of a device as files, `<name>.value`, each replaced whole: after a power loss it is the old one or the new
 * one. The directory is made with mode 0700 and refused when others can look into it. Throws KeyStoreError.
 */
export async function openFileDeviceStore(directory: string): Promise<DeviceStore> {
  await requirePrivateDirectory(directory)
  // What a power loss left half written: it was never the memory of the device, and a factory reset must not leave it.
  for (const name of await readdir(directory))
    if (name.endsWith('.draft')) await removePrivateFile(join(directory, name))
  const pathOf = (name: string): string => {
    if (!/^[a-z]{1,32}$/.test(name)) throw new TypeError('a name is 1 to 32 letters')
    return join(directory, name + suffix)
  }
  return {
    read: async name => readPrivateFile(pathOf(name), maxBytes),
    write: async (name, value) => replacePrivateFile(pathOf(name), value),
    remove: async name => removePrivateFile(pathOf(name)),
    async list() {
      const names = await readdir(directory)
      return names
        .filter(name => /^[a-z]{1,32}\.value$/.test(name))
        .map(name => name.slice(0, -suffix.length))
        .sort()
    },
  }
}
