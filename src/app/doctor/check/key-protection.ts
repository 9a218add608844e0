import { join } from 'node:path'
import { both, type Check, fail, ok, warn } from '../check.ts'

export const keyProtection: Check = {
  id: 'key-protection',
  title: 'Passphrase of the keys',
  about: 'Warns when no passphrase protects the keys: then a copy of the disk, or a backup, is a copy of the keys.',
  party: both,
  needs: 'data',
  async run({ data, host }) {
    const text = await host.text(join(data, 'keys', 'store.key'))
    const protection = text === undefined ? undefined : /"protection":\s*"(file|passphrase)"/.exec(text)?.[1]
    if (protection === 'passphrase') return ok('A passphrase protects the keys.')
    if (protection === 'file') {
      return warn(
        'No passphrase protects the keys: file modes alone do, and backups hold them in the open.',
        'Found the next site with MOORING_KEY_PASSPHRASE, or keep the authority in a token (--pkcs11-module); until then ' +
          'keep disk and backups encrypted.',
      )
    }
    return fail('store.key cannot be read.', 'Restore the keys with `mooring restore`.')
  },
}
