import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { encodeRecord, RecordSplitter } from '../../src/protocol/dpp/record.ts'

/** One TCP connection of Easy Connect: messages in, messages out. */
export class Wire {
  readonly #socket: Socket
  readonly #splitter = new RecordSplitter()
  readonly #waiting: Buffer[] = []
  #wake: (() => void) | undefined
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    // Confirm and Configuration Request follow each other: with Nagle the second waits for a delayed acknowledgement.
    socket.setNoDelay(true)
    socket.on('data', (data: Buffer) => {
      this.#waiting.push(...this.#splitter.push(data))
      this.#wake?.()
    })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  static async to(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Wire(socket)
  }

  send(message: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(encodeRecord(message))
  }

  /** The next message; `undefined` when the peer has closed, or says nothing for `seconds`. */
  async receive(seconds: number): Promise<Buffer | undefined> {
    const deadline = Date.now() + seconds * 1000
    while (this.#waiting.length === 0 && !this.#closed && Date.now() < deadline) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.#waiting.shift()
  }

  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#socket.destroySoon()
  }
}

/** A door for one connection after the other. */
export class Door {
  readonly #server: Server
  readonly #arrived: Wire[] = []
  #wake: (() => void) | undefined

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#arrived.push(new Wire(socket))
      this.#wake?.()
    })
  }

  static async open(): Promise<Door> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Door(server)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Who comes next; throws when nobody does. */
  async next(seconds = 8): Promise<Wire> {
    const deadline = Date.now() + seconds * 1000
    for (;;) {
      const wire = this.#arrived.shift()
      if (wire !== undefined) return wire
      if (Date.now() >= deadline) throw new Error(`nobody connected within ${seconds} s`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const wire of this.#arrived) wire.close()
  }
}
