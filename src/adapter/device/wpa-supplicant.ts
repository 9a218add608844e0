import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { NetworkInstaller } from '../../role/device/enrollee-port.ts'
import { supplicantFiles } from '../../role/device/network-block.ts'
import { removePrivateFile, replacePrivateFile, requirePrivateDirectory } from '../key/private-file.ts'

/** Name of the configuration within the directory: `wpa_supplicant -c <directory>/wpa_supplicant.conf`. */
export const supplicantConfiguration = 'wpa_supplicant.conf'

/**
 * Puts networks where wpa_supplicant finds them: its configuration, and beside it certificates and keys, each file with mode
 * 0600 and replaced whole. The configuration comes last, so that what it names is there. Throws KeyStoreError, and
 * OnboardingError `configuration-invalid` for networks that cannot be written.
 */
export function supplicantInstaller(directory: string): NetworkInstaller {
  const place = resolve(directory)
  return {
    async install(networks) {
      const { configuration, files } = supplicantFiles(networks, place)
      await requirePrivateDirectory(place)
      for (const [name, content] of files) await replacePrivateFile(join(place, name), content)
      await replacePrivateFile(join(place, supplicantConfiguration), Buffer.from(configuration))
      // What an earlier configuration named: keys that nobody needs any more.
      for (const name of await readdir(place))
        if (/^network-\d+-[a-z]+\.pem$/.test(name) && !files.has(name)) await removePrivateFile(join(place, name))
    },
  }
}
