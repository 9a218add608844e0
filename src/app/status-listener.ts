import { type ApiListener, listenHttp } from '../adapter/http/api-server.ts'
import type { Endpoint, Log } from '../domain/port.ts'

/** An OCSP request names a few certificates. */
const maxBody = 0x2000

interface StatusPlace {
  readonly status?: { readonly host: string; readonly port: number }
  readonly log: Log
}

/**
 * Revocation lists and OCSP over plain HTTP: who asks must not need what the answer is about (RFC 5280 section 8), and every
 * answer is signed. Nothing else of the site is behind it. Undefined when the site wants none.
 */
export async function listenStatus(
  { status, log }: StatusPlace,
  endpoints: readonly Endpoint[],
): Promise<ApiListener | undefined> {
  if (status === undefined) return undefined
  const { host, port } = status
  return listenHttp({
    host,
    port,
    log,
    limits: { body: maxBody },
    async fetch(request, { address }) {
      const { method, url } = request
      const peer = {
        address,
        certificates: [],
        localCertificate: new Uint8Array(),
        connection: address,
        channelBinding: () => undefined,
      }
      const body = method === 'POST' ? new Uint8Array(await request.arrayBuffer()) : new Uint8Array()
      const asked = { method, path: new URL(url).pathname, headers: {}, body, peer }
      for (const endpoint of endpoints) {
        const reply = await endpoint.handle(asked)
        if (reply === undefined) continue
        const { status: code, headers = {}, body: content } = reply
        return new Response(content === undefined ? null : Buffer.from(content as Uint8Array), {
          status: code,
          headers,
        })
      }
      return new Response(null, { status: 404 })
    },
  })
}
