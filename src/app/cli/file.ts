import { open, readFile, stat } from 'node:fs/promises'
import { CodecError } from '../../codec/error.ts'
import { decodePem, encodePem } from '../../codec/pem.ts'
import { OnboardingError } from '../../domain/error.ts'

/** A file that a person named. Throws OnboardingError `file-unreadable`, also for one beyond `maxBytes`. */
export async function readInputFile(path: string, maxBytes = 0x10_0000): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new OnboardingError('file-unreadable', { path, reason: `more than ${maxBytes} bytes` })
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof OnboardingError) throw cause
    throw new OnboardingError(
      'file-unreadable',
      { path, reason: (cause as NodeJS.ErrnoException).code ?? 'unknown' },
      { cause },
    )
  }
}

/** A SEQUENCE of more than 127 octets, as certificates and requests are; no text begins like that. */
export function isDer(bytes: Uint8Array): boolean {
  return bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80
}

/** The certificates of a file: PEM with any number of them, or DER with one. Throws OnboardingError `file-unreadable`. */
export async function readCertificates(path: string): Promise<Buffer[]> {
  const bytes = await readInputFile(path)
  if (isDer(bytes)) return [bytes]
  try {
    const found = decodePem(bytes.toString('utf8')).filter(({ label }) => label === 'CERTIFICATE')
    if (found.length > 0) return found.map(block => block.bytes)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
  }
  throw new OnboardingError('file-unreadable', { path, reason: 'no certificate in it' })
}

export async function readCertificatesPem(paths: readonly string[]): Promise<string[]> {
  const files = await Promise.all(paths.map(readCertificates))
  return files.flat().map(der => encodePem('CERTIFICATE', der))
}

/** Before something is done that cannot be done twice for want of a place for its file. Throws OnboardingError `file-exists`. */
export async function requireAbsent(path: string): Promise<void> {
  const there = await stat(path).then(
    () => true,
    () => false,
  )
  if (there) throw new OnboardingError('file-exists', { path, reason: 'EEXIST' })
}

/** Writes a file that is not there yet. Throws OnboardingError `file-exists`, `file-unwritable`. */
export async function writeOutputFile(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  try {
    const file = await open(path, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new OnboardingError(reason === 'EEXIST' ? 'file-exists' : 'file-unwritable', { path, reason }, { cause })
  }
}
