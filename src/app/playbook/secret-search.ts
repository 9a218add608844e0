import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeyStore } from '../../crypto/signer.ts'
import { hold } from './demonstration.ts'

/** The private number of a key of a virtual device. Only a store in software gives it away, and that is what these are. */
export async function privateNumber(keys: KeyStore, label: string): Promise<Buffer> {
  const key = await keys.tlsKey?.(label)
  const number = key?.export({ format: 'jwk' }).d
  hold(number !== undefined, `the device has a key called ${label}`)
  return Buffer.from(number, 'base64url')
}

/** Is it in there, as octets or in any of the usual spellings? */
export function occursIn(haystack: Buffer, secret: Uint8Array): boolean {
  const octets = Buffer.from(secret)
  const lower = Buffer.from(haystack.toString('latin1').toLowerCase(), 'latin1')
  // In base64 only a middle part looks the same whatever stands around it: one of three phases.
  const base64 = [0, 1, 2].flatMap(skip => {
    const whole = octets.subarray(skip, skip + 3 * Math.floor((octets.length - skip) / 3))
    return [whole.toString('base64'), whole.toString('base64url')]
  })
  return (
    haystack.includes(octets) ||
    lower.includes(octets.toString('hex')) ||
    base64.some(text => haystack.includes(Buffer.from(text, 'latin1')))
  )
}

/** Every octet below a directory. */
export async function contentsOf(directory: string): Promise<Buffer> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Buffer.concat(await Promise.all(files.map(file => readFile(file))))
}
