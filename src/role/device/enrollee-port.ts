import type { ConnectionStatus } from '../../protocol/dpp/configuration-message.ts'
import type { StoredNetworks } from './enrollee-memory.ts'

/** The way to a Controller over TCP. */
export interface EnrolleeTransport {
  /** Rejects when there is no connection within the time. @param address `host:port` */
  connect(address: string, timeoutMs: number): Promise<EnrolleeConnection>
}

/** Carries messages of Easy Connect, without their lengths. */
export interface EnrolleeConnection {
  send(message: Uint8Array): void
  /** The next message; undefined when the other side has closed, said nonsense, or nothing came within the time. */
  receive(timeoutMs: number): Promise<Uint8Array | undefined>
  /** After what was sent. */
  close(): void
}

/** What a device does with networks that it was given. */
export interface NetworkInstaller {
  /** Puts them where the radio takes them from; may be called again with the same. Rejects when it cannot. */
  install(networks: StoredNetworks): Promise<void>
  /** Absent: nobody knows whether it can connect. Within some seconds. */
  tryConnection?(networks: StoredNetworks): Promise<ConnectionStatus>
}
