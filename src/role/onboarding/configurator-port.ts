/** What a Configurator is reached through: a TCP listener, or whatever else carries frames of Easy Connect. */

/** One connection of a relay or of an Enrollee: a relay opens one for each device. */
export interface DppConnection {
  /** `10.0.0.7:50123`, for the record. */
  readonly address: string
  /** One message at a time: a relay has room for one, and the next would overwrite it. */
  send(message: Uint8Array): void
  /** After what was sent. Nothing arrives any more. */
  close(): void
}

/** The Configurator's side of one connection. */
export interface DppReceiver {
  received(message: Uint8Array): void
  /** By the other side, or for a time-out. Not after `close` of ours. */
  closed(): void
}

export interface DppService {
  connected(connection: DppConnection): DppReceiver
}

/** Runs something later; the returned function sees to it that it does not. */
export type Schedule = (milliseconds: number, task: () => void) => () => void
