import { decodeBase64, encodeBase64 } from './base64.ts'
import { CodecError } from './error.ts'

export interface PemBlock {
  /** `CERTIFICATE`, `CERTIFICATE REQUEST`, `X509 CRL`, `PRIVATE KEY`, ... */
  readonly label: string
  readonly bytes: Buffer
}

const MAX_TEXT = 0x10_0000
const MAX_BLOCKS = 1000

// RFC 7468 3: letters and digits in words with single spaces or hyphens between.
const LABEL = /^[A-Z0-9]+([ -][A-Z0-9]+)*$/
const BEGIN = /^-----BEGIN (.*)-----$/
const BODY = /^[A-Za-z0-9+/=]*$/

/** RFC 7468: 64 characters a line, ended by LF. */
export function encodePem(label: string, bytes: Uint8Array): string {
  if (!LABEL.test(label)) throw new CodecError('bad-value', 'PEM label')
  const lines = encodeBase64(bytes).match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

/**
 * All blocks of `text`, in order. Text between blocks is skipped, as RFC 7468 2 wants; inside one, only base64 lines are
 * allowed (so no headers of old encrypted keys). Throws CodecError: `bad-encoding`, `too-large` (1 MiB), `too-many` (1000
 * blocks).
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > MAX_TEXT) throw new CodecError('too-large', 'PEM text larger than 1 MiB', 0)
  const blocks: PemBlock[] = []
  let open: { label: string; body: string[] } | undefined
  let offset = 0
  for (const raw of text.split('\n')) {
    const line = raw.trimEnd()
    if (open === undefined) {
      const label = line.startsWith('-----') ? begin(line, offset) : undefined
      if (label !== undefined) open = { label, body: [] }
    } else if (line === `-----END ${open.label}-----`) {
      if (blocks.length === MAX_BLOCKS) throw new CodecError('too-many', 'too many PEM blocks', offset)
      blocks.push({ label: open.label, bytes: body(open.body, offset) })
      open = undefined
    } else if (BODY.test(line)) {
      open.body.push(line)
    } else {
      throw new CodecError('bad-encoding', 'not a line of a PEM block', offset)
    }
    offset += raw.length + 1
  }
  if (open !== undefined) throw new CodecError('bad-encoding', `PEM block ${open.label} has no end`, text.length)
  return blocks
}

/**
 * The bytes of the only block in `text`, which must carry `label`. Throws CodecError, with `trailing-bytes` for a second
 * block.
 */
export function decodePemBlock(label: string, text: string): Buffer {
  const [block, second] = decodePem(text)
  if (block === undefined) throw new CodecError('bad-encoding', 'no PEM block', 0)
  if (block.label !== label) throw new CodecError('bad-value', `PEM block is ${block.label}, not ${label}`, 0)
  if (second !== undefined) throw new CodecError('trailing-bytes', 'more than one PEM block', 0)
  return block.bytes
}

function begin(line: string, offset: number): string {
  const label = BEGIN.exec(line)?.[1]
  if (label === undefined || !LABEL.test(label)) throw new CodecError('bad-encoding', 'malformed PEM boundary', offset)
  return label
}

function body(lines: readonly string[], offset: number): Buffer {
  if (lines.every(line => line === '')) throw new CodecError('bad-encoding', 'PEM block is empty', offset)
  try {
    return decodeBase64(lines.join(''))
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new CodecError(error.code, 'PEM block is not base64', offset)
  }
}
