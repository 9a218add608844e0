import { request } from 'node:https'
import { ReadableStream } from 'node:stream/web'

/** Key and certificates of somebody who calls, PEM; leaf first. */
export interface ClientCertificate {
  readonly key: string
  readonly cert: string
}

/**
 * `fetch` with a client certificate, which the platform's does not take: https only, a text for a body, and no redirect is
 * followed. Whom to trust is the process's own list of roots. Rejects with the error of node:https, or the reason of the signal.
 */
export function certificateFetch(credential: ClientCertificate): typeof fetch {
  return async (input, init = {}) => {
    const { method = 'GET', body, signal } = init
    if (body !== undefined && body !== null && typeof body !== 'string') throw new TypeError('the body must be a text')
    const headers = Object.fromEntries(new Headers(init.headers))
    return new Promise<Response>((resolve, reject) => {
      const options = { ...credential, method, headers, agent: false, ...(signal ? { signal } : {}) }
      const sent = request(new URL(input instanceof Request ? input.url : input), options, answer => {
        const { statusCode = 0, rawHeaders } = answer
        const fields = new Headers()
        for (let i = 0; i < rawHeaders.length; i += 2) fields.append(rawHeaders[i]!, rawHeaders[i + 1]!)
        const empty = [204, 205, 304].includes(statusCode)
        if (empty) answer.resume()
        const stream = empty ? null : (ReadableStream.from(answer) as unknown as globalThis.ReadableStream<Uint8Array>)
        try {
          resolve(new Response(stream, { status: statusCode, headers: fields }))
        } catch (error) {
          answer.destroy()
          reject(error as Error)
        }
      })
      sent.on('error', error => reject(signal?.aborted === true ? (signal.reason as Error) : error))
      sent.end(body ?? undefined)
    })
  }
}
