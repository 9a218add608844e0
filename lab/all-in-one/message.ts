import type { CredentialRecord } from '../../src/domain/credential.ts'
import type { Device } from '../../src/domain/device.ts'
import type { IssuedVoucherRecord } from '../../src/domain/manufacture.ts'
import type { Checkpoint, LedgerVerdict } from '../../src/domain/port.ts'
import type { VoucherRecord } from '../../src/domain/site.ts'
import type { HousePlace, UpbringingText } from './house.ts'

export interface ServerOptions {
  readonly place: HousePlace
  readonly port?: number
  readonly reusePort?: boolean
}

/** Of the two ledgers of a house. */
export interface Both<T> {
  readonly site: T
  readonly manufacturer: T
}
export type Anchors = Both<Checkpoint>
export type Verdicts = Both<LedgerVerdict>

/** All that the record has of one device. */
export interface UnitRecords {
  readonly device: Device | undefined
  readonly vouchers: readonly VoucherRecord[]
  readonly credentials: readonly CredentialRecord[]
  /** Kinds of the events of its stream, in order. */
  readonly events: readonly string[]
  /** At the MASA. */
  readonly logged: readonly IssuedVoucherRecord[]
}

/** What a parent can ask of its server, and the answers. */
export interface Orders {
  readonly furnish: {
    readonly ask: { readonly batch: string; readonly count: number }
    readonly answer: UpbringingText
  }
  /** CPU time since the start, microseconds. */
  readonly usage: { readonly ask: object; readonly answer: { readonly user: number; readonly system: number } }
  /** CPU time of one set of public-key operations, microseconds. */
  readonly floor: {
    readonly ask: {
      readonly operations: { readonly kg: number; readonly dh: number; readonly s: number; readonly v: number }
      readonly rounds: number
    }
    readonly answer: number
  }
  readonly checkpoint: { readonly ask: object; readonly answer: Anchors }
  readonly verify: { readonly ask: { readonly anchors: Partial<Anchors> }; readonly answer: Verdicts }
  readonly records: {
    readonly ask: { readonly devices: readonly { readonly device: string; readonly serial: string }[] }
    readonly answer: readonly UnitRecords[]
  }
  /** Starts a CPU profile, or ends it and writes it to a file. */
  readonly profile: { readonly ask: { readonly to?: string }; readonly answer: null }
  readonly close: { readonly ask: object; readonly answer: null }
}

export type Order = { [T in keyof Orders]: { readonly type: T } & Orders[T]['ask'] }[keyof Orders]
export type Answer = Orders[keyof Orders]['answer']
export interface Question {
  readonly id: number
  readonly ask: Order
}
