import type { HttpLimits } from './limit.ts'

/** A request as devices send it: simple, and all of it at once. */
export interface WholeRequest {
  readonly method: 'GET' | 'POST'
  /** Origin-form. */
  readonly url: string
  /** Names in lower case; each once. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const requestLine = /^(GET|POST) (\/[\x21-\x7e]*) HTTP\/1\.1$/
const fieldLine = /^([A-Za-z][A-Za-z-]*):([\t\x20-\x7e]*)$/

/** What they mean for a connection or for the length of a body is not ours to say. */
const beyondUs: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'http2-settings',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * The one request that `octets` are, when there is nothing to it (RFC 9112): GET or POST in origin-form, plain fields, none
 * of them twice, and a body of the length that it says. Undefined for everything else, be it right or wrong, a beginning or
 * more than one: node:http decides about that.
 */
export function readWholeRequest(
  octets: Buffer,
  limits: Pick<HttpLimits, 'header' | 'body'>,
): WholeRequest | undefined {
  const end = octets.indexOf('\r\n\r\n')
  if (end < 0 || end > limits.header) return undefined
  const [first = '', ...lines] = octets.toString('latin1', 0, end).split('\r\n')
  const [, method, url] = requestLine.exec(first) ?? []
  const headers = fieldsOf(lines)
  if (url === undefined || headers === undefined || !headers['host']) return undefined
  const body = octets.subarray(end + 4)
  const length = headers['content-length'] ?? '0'
  // Digits that are written otherwise are another number to somebody else.
  if (length !== `${body.length}` || body.length > limits.body) return undefined
  if (method === 'POST') return { method, url, headers, body }
  return body.length === 0 ? { method: 'GET', url, headers, body } : undefined
}

function fieldsOf(lines: readonly string[]): Record<string, string> | undefined {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, as = '', value = ''] = fieldLine.exec(line) ?? []
    const name = as.toLowerCase()
    if (name === '' || Object.hasOwn(headers, name)) return undefined
    const text = value.trim()
    if (beyondUs.has(name) && !(name === 'connection' && text.toLowerCase() === 'keep-alive')) return undefined
    headers[name] = text
  }
  return headers
}
