import { readFileSync } from 'node:fs'

/** The version of this package. The path holds for the sources and for the built package alike. */
export const version: string = readVersion()

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
