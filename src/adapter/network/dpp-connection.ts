import { connect, type Socket } from 'node:net'
import { CodecError } from '../../codec/error.ts'
import { OnboardingError } from '../../domain/error.ts'
import { encodeRecord, RecordSplitter } from '../../protocol/dpp/record.ts'
import type { EnrolleeConnection, EnrolleeTransport } from '../../role/device/enrollee-port.ts'

/** No answer of a Controller is longer, and nobody has to keep more for one who sends more. */
const maxWaiting = 16

/** The way to a Controller over TCP. */
export function enrolleeTransport(): EnrolleeTransport {
  return { connect: async (address, timeoutMs) => connection(await open(endpointOf(address), timeoutMs)) }
}

/** `host:port`, `[v6]:port`; the port of Controllers when there is none. Throws OnboardingError `input-invalid`. */
function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const [, v6, host = v6, port = '8908'] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(address) ?? []
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new OnboardingError('input-invalid', { field: 'controller', rule: 'host[:port]' })
  return { host, port: Number(port) }
}

function open(to: { readonly host: string; readonly port: number }, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Confirm and request go out in two writes: held back, the second would wait 40 ms for an acknowledgement.
    const socket = connect({ ...to, noDelay: true })
    const late = setTimeout(() => socket.destroy(new Error('no connection in time')), timeoutMs)
    socket.once('connect', () => {
      clearTimeout(late)
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', error => {
      clearTimeout(late)
      reject(error)
    })
  })
}

function connection(socket: Socket): EnrolleeConnection {
  const splitter = new RecordSplitter()
  const waiting: Buffer[] = []
  let over = false
  let wake: (() => void) | undefined
  const end = () => {
    over = true
    wake?.()
  }
  socket.on('data', chunk => {
    try {
      waiting.push(...splitter.push(chunk))
      if (waiting.length > maxWaiting) throw new CodecError('too-many', 'more than anybody asked for')
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      socket.destroy()
    }
    wake?.()
  })
  // A Controller that goes away in the middle is an end like others.
  socket.on('error', end)
  socket.once('close', end)
  return {
    send(message) {
      if (socket.writable) socket.write(encodeRecord(message))
    },
    async receive(timeoutMs) {
      if (waiting.length === 0 && !over) {
        await new Promise<void>(resolve => {
          const late = setTimeout(resolve, timeoutMs)
          wake = () => {
            clearTimeout(late)
            resolve()
          }
        })
        wake = undefined
      }
      return waiting.shift()
    },
    close() {
      socket.destroySoon()
      end()
    },
  }
}
