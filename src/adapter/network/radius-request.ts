import { createSocket } from 'node:dgram'
import { CodecError } from '../../codec/error.ts'
import { decodeRadius, type RadiusAttribute, type RadiusPacket } from '../../codec/radius.ts'
import { CryptoError } from '../../crypto/error.ts'
import { sealRadiusRequest, verifyRadiusResponse } from '../../crypto/radius.ts'
import type { Secret } from '../../crypto/secret.ts'

export interface RadiusDestination {
  readonly address: string
  readonly port: number
  readonly secret: Secret
}

/** RFC 5176 section 2.2 leaves the times to us: what is on the way to be cut off must not wait. Milliseconds. */
const tries = [200, 400, 800, 1600]

/**
 * Asks an access point (Disconnect, CoA). The same octets are sent again until it answers; undefined when it does not.
 * An answer that is not proven to be its own is as none.
 */
export function requestRadius(
  { address, port, secret }: RadiusDestination,
  request: { readonly code: number; readonly identifier: number; readonly attributes: readonly RadiusAttribute[] },
): Promise<RadiusPacket | undefined> {
  const bytes = sealRadiusRequest(request, secret)
  const asked = decodeRadius(bytes)
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return new Promise(resolve => {
    let timer: NodeJS.Timeout | undefined
    const end = (answer?: RadiusPacket) => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    const send = (attempt: number) => {
      const wait = tries[attempt]
      if (wait === undefined) return end()
      socket.send(bytes, port, address, () => {})
      timer = setTimeout(() => send(attempt + 1), wait)
    }
    // A port that is closed answers at once by ICMP; the access point may be starting, so it is asked again all the same.
    socket.on('error', () => {})
    socket.on('message', datagram => {
      const answer = proven(datagram, asked, secret)
      if (answer !== undefined) end(answer)
    })
    send(0)
  })
}

function proven(datagram: Buffer, asked: RadiusPacket, secret: Secret): RadiusPacket | undefined {
  try {
    const answer = decodeRadius(datagram)
    // RFC 5176 section 3 lets an access point leave the Message-Authenticator out; the response authenticator is keyed.
    verifyRadiusResponse(datagram, answer, asked, { secret, optional: true })
    return answer
  } catch (error) {
    if (error instanceof CodecError || error instanceof CryptoError) return undefined
    throw error
  }
}
