import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/**
 * Where an independent program (a name: searched on PATH) or library (an absolute path) is; undefined when this machine
 * does not have it. Throws instead under MOORING_REQUIRE_PEERS=1, so that no comparison is skipped where it must be made.
 */
export function peer(name: string): string | undefined {
  const mode = isAbsolute(name) ? constants.R_OK : constants.X_OK
  const places = isAbsolute(name)
    ? [name]
    : (process.env['PATH'] ?? '').split(delimiter).map(folder => join(folder, name))
  const found = places.find(place => {
    try {
      accessSync(place, mode)
      return true
    } catch {
      return false
    }
  })
  if (found === undefined && process.env['MOORING_REQUIRE_PEERS'] === '1') throw new Error(`${name} is not installed`)
  return found
}

/** Options of a test that needs these peers: `test('...', needs('openssl', 'curl'), () => ...)`. */
export function needs(...names: readonly string[]): { skip: string | false } {
  const absent = names.filter(name => peer(name) === undefined)
  return { skip: absent.length > 0 && `needs ${absent.join(', ')}` }
}
