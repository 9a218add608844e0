/** A request as a client machine asks for it; who sends it knows the origin and the connection. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  /** Begins with `/`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** An answer, whole and bounded by whoever received it. */
export interface HttpReply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Type of a body without parameters, lower-case; empty when the header is absent. */
export function mediaType(reply: HttpReply): string {
  return (reply.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** RFC 9110 section 10.2.3 in milliseconds, not below 0; undefined when it is absent or means nothing. */
export function retryAfter(reply: HttpReply, at: number): number | undefined {
  const text = reply.headers['retry-after']?.trim() ?? ''
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000
  // Only the preferred form of an HTTP-date: Date.parse takes far more.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - at)
}
