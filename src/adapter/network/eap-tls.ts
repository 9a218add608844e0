import { Duplex } from 'node:stream'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { EapTlsConversation, EapTlsServer, TlsVersion } from '../../role/authorization/eap-tls-port.ts'
import { errorEraser, peerChain, secureContextOptions, type TlsCredential } from '../http/tls-profile.ts'

export interface EapTlsOptions extends TlsCredential {
  readonly maxVersion?: TlsVersion
}

/** The engine, and its certificate may change while it runs. */
export interface ChangeableEapTlsServer extends EapTlsServer {
  /** For conversations from now on. */
  setCredential(credential: TlsCredential): void
}

/** TLS of node:tls over memory: EAP carries its messages. No anchors, as everywhere here: paths are validated by us. */
export function createEapTlsServer(options: EapTlsOptions): ChangeableEapTlsServer {
  let context = contextOf(options, options.maxVersion)
  let erase = errorEraser(options.certificateChain[0]!)
  return {
    open: () => conversation(context, erase),
    setCredential(credential) {
      context = contextOf(credential, options.maxVersion)
      erase = errorEraser(credential.certificateChain[0]!)
    },
  }
}

function contextOf(credential: TlsCredential, maxVersion: TlsVersion = 'TLSv1.3'): SecureContext {
  return createSecureContext({ ...secureContextOptions(credential), maxVersion })
}

/** Octets in and out of TLS. */
class Memory extends Duplex {
  readonly #written: Buffer[] = []

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#written.push(chunk)
    done()
  }

  flight(): Buffer {
    const flight = this.#written.length === 1 ? this.#written[0]! : Buffer.concat(this.#written)
    this.#written.length = 0
    return flight
  }

  get pieces(): number {
    return this.#written.length
  }
}

/** Of the event loop, for work that TLS does between taking octets in and putting octets out. */
const quietTurns = 2
/** A message that leads to nothing: TLS waits for the rest of a record. */
const idleTurns = 8

function conversation(context: SecureContext, erase: () => void): EapTlsConversation {
  const memory = new Memory()
  const socket = new TLSSocket(memory, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    rejectUnauthorized: false,
  })
  let failure: string | undefined
  let secure = false
  let proven: readonly Uint8Array[] = []
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error.code ?? error.message
  })
  socket.on('secure', () => {
    erase()
    secure = true
    // Now: OpenSSL gives the chain out of this handshake's own memory, and the socket may be gone at the next turn.
    proven = peerChain(socket)
  })
  // Application data of the peer has no place here; unread it would hold the close back.
  socket.resume()
  let told = false
  return {
    async feed(message) {
      if (failure === undefined) {
        memory.push(message)
        await settled(memory, () => failure !== undefined || secure)
      }
      if (failure !== undefined) return { kind: 'failed', flight: memory.flight(), reason: failure }
      if (!secure || told) return { kind: 'continue', flight: memory.flight() }
      told = true
      return { kind: 'proven', certificates: proven, resumed: socket.isSessionReused() }
    },
    async confirm() {
      const version = socket.getProtocol()
      if (failure !== undefined || !secure || (version !== 'TLSv1.2' && version !== 'TLSv1.3'))
        return { failed: failure ?? 'not secure' }
      if (version === 'TLSv1.3') await commit(socket, memory)
      await settled(memory, () => failure !== undefined)
      if (failure !== undefined) return { failed: failure }
      return { flight: memory.flight(), keys: { version, msk: exported(socket, version) } }
    },
    close() {
      socket.destroy()
      memory.destroy()
    },
  }
}

/**
 * RFC 9190 section 2.5: an octet of zero, as the last record. OpenSSL writes its session tickets after it has said that the
 * handshake is done; an octet written then stands before them, and they spoil the peer's next handshake.
 */
async function commit(socket: TLSSocket, memory: Memory): Promise<void> {
  await settled(memory, () => true)
  await new Promise<void>(resolve => {
    socket.write(Buffer.alloc(1), () => resolve())
    socket.once('close', resolve)
  })
}

/** Until TLS has written nothing for some turns of the event loop, and something before that or `isOver`. */
async function settled(memory: Memory, isOver: () => boolean): Promise<void> {
  let quiet = 0
  let before = -1
  for (let turn = 0; turn < idleTurns || memory.pieces > before; turn++) {
    await new Promise<void>(resolve => setImmediate(resolve))
    quiet = memory.pieces === before ? quiet + 1 : 0
    before = memory.pieces
    if (quiet >= quietTurns - 1 && (before > 0 || isOver())) return
  }
}

/** RFC 5216 section 2.3; RFC 9190 section 2.3 with the method's type as its context. The first half of 128 octets is the MSK. */
function exported(socket: TLSSocket, version: TlsVersion): Buffer {
  const material =
    version === 'TLSv1.3'
      ? socket.exportKeyingMaterial(128, 'EXPORTER_EAP_TLS_Key_Material', Buffer.from([13]))
      : // Without a context is not the same as with an empty one; the types ask for one.
        (socket.exportKeyingMaterial as (length: number, label: string) => Buffer).call(
          socket,
          128,
          'client EAP encryption',
        )
  const msk = Buffer.from(material.subarray(0, 64))
  material.fill(0)
  return msk
}
