import { join } from 'node:path'
import { both, type Check, fail, ok } from '../check.ts'
import { looseFiles, mendText } from '../private.ts'

export const dataDirectory: Check = {
  id: 'data-directory',
  title: 'Data directory',
  about:
    'Fails when the directory or a settings file in it can be read by other users, belongs to another one, or is damaged. ' +
    'Settings hold a token for the API of this machine.',
  party: both,
  needs: 'data',
  async run({ data, host, party }) {
    const own = await host.file(data)
    if (own?.kind !== 'directory') return fail(`${data} is no directory.`, 'Name the data directory with --data.')
    const settings = party === 'site' ? 'site.json' : 'factory.json'
    const names = [settings, 'access.json', party === 'site' ? 'site.db' : 'manufacturer.db']
    const files = await Promise.all(names.map(name => host.file(join(data, name))))
    const loose = looseFiles([own, ...files.filter(each => each !== undefined)], host.user)
    if (loose.length > 0)
      return fail(
        'Others can reach what should be private.',
        mendText(loose),
        loose.map(each => each.why),
      )
    for (const name of [settings, 'access.json']) {
      const text = await host.text(join(data, name))
      if (text !== undefined && !isJson(text)) {
        const action =
          name === settings
            ? `Restore ${name} from a backup with \`mooring restore\`.`
            : `Remove ${join(data, name)}: the next \`mooring up\` writes it anew.`
        return fail(`${name} is damaged.`, action)
      }
    }
    return ok(`${data} is closed to others.`)
  },
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
