import { join } from 'node:path'
import { both, type Check, counted, fail, ok, warn } from '../check.ts'
import { hour } from '../patient.ts'
import { looseFiles, mendText } from '../private.ts'

export const keyFiles: Check = {
  id: 'key-files',
  title: 'Key files',
  about:
    'Fails when a private key - of a certification authority, of TLS, of the ledger - can be read by other users, belongs to ' +
    'another one, or is a link, and when the key that seals the others is missing. Warns of drafts that a crash left behind.',
  party: both,
  needs: 'data',
  async run({ data, host, clock }) {
    const directory = join(data, 'keys')
    const own = await host.file(directory)
    if (own === undefined) return fail('There is no directory of keys.', 'Restore the keys with `mooring restore`.')
    const files = await host.directory(directory)
    const loose = looseFiles([own, ...files], host.user)
    if (loose.length > 0)
      return fail(
        'Others can reach private keys.',
        mendText(loose),
        loose.map(each => each.why),
      )
    const sealed = files.filter(({ path }) => path.endsWith('.sealed'))
    if (!files.some(({ path }) => path.endsWith('/store.key'))) {
      return fail('store.key, which seals all other keys, is missing.', 'Restore the keys with `mooring restore`.')
    }
    const drafts = files.filter(({ path, modifiedAt }) => path.endsWith('.draft') && modifiedAt < clock() - hour)
    if (drafts.length > 0) {
      const paths = drafts.map(({ path }) => path)
      return warn('Writing a key was broken off.', `Remove the drafts: rm ${paths[0]}`, paths)
    }
    return ok(`${counted(sealed.length, 'key')}, closed to others.`)
  },
}
