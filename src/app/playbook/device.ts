import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import type { ErrorCode } from '../../domain/error.ts'
import type { Rung } from '../../domain/evidence.ts'
import type { Clock, Log } from '../../domain/port.ts'
import type { Progress } from '../../protocol/brski/pledge.ts'
import type { HttpReply, HttpRequest } from '../../protocol/http.ts'
import { birthKeyLabel } from '../../role/device/birth.ts'
import type { DeviceModel } from '../../role/device/model.ts'
import { openPledge, type Pledge } from '../../role/device/pledge.ts'
import type { PledgeConnection, PledgeTransport } from '../../role/device/port.ts'
import { type MemoryDeviceStore, memoryDeviceStore } from '../../role/device/store.ts'
import { type Housing, simulatedUnit } from '../../role/device/unit.ts'
import type { UnitPort } from '../../role/factory/line.ts'
import { pledgeTransport } from '../pledge-transport.ts'
import { hold } from './demonstration.ts'
import type { Maker } from './party.ts'

/** The parts of a virtual device: keys in sealed files, a memory, and what the line plugs into. */
export interface DeviceHousing extends Housing {
  readonly store: MemoryDeviceStore
  readonly keyDirectory: string
  readonly unit: UnitPort
}

/** What went over a device's connections, as the device saw it. */
export interface Exchange {
  readonly origin: string
  readonly request: HttpRequest
  readonly reply: HttpReply
}

export interface VirtualDevice {
  readonly serial: string
  readonly maker: Maker
  readonly housing: DeviceHousing
  readonly pledge: Pledge
  /** Everything it sent and got, oldest first. */
  readonly exchanges: readonly Exchange[]
  /** Puts something between the device and the answers it gets, behind TLS: a server that answers so. */
  alter(change: (exchange: Exchange) => HttpReply | Promise<HttpReply>): void
  /** A connection by hand, with the birth certificate and key of this device. */
  connect(origin: string): Promise<PledgeConnection>
}

/** How a device fared at each registrar. */
export interface Journey {
  readonly connectedTo?: string
  readonly rung: Rung
  /** By candidate: the first refusal. */
  readonly refusals: ReadonlyMap<string, ErrorCode>
  /** Candidates that asked for patience. */
  readonly waiting: ReadonlySet<string>
}

/** A person waits for the verdicts. */
const impatience = { firstMs: 100, maxMs: 1000 }
const connectTimeoutMs = 1000

export async function openHousing(model: DeviceModel, directory: string): Promise<DeviceHousing> {
  const keyDirectory = join(directory, 'keys')
  const housing = { keys: await openFileKeyStore({ directory: keyDirectory }), store: memoryDeviceStore() }
  return { ...housing, keyDirectory, unit: simulatedUnit(model, async () => housing) }
}

export async function virtualDevice(
  maker: Maker,
  serial: string,
  housing: DeviceHousing,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
): Promise<VirtualDevice> {
  const exchanges: Exchange[] = []
  let change: (exchange: Exchange) => HttpReply | Promise<HttpReply> = ({ reply }) => reply
  const transport = tapped(pledgeTransport(housing.keys), exchange => {
    exchanges.push(exchange)
    return change(exchange)
  })
  const pledge = await openPledge({
    model: { ...maker.model, retry: impatience, connectTimeoutMs },
    ...housing,
    transport,
    clock,
    random: randomBytes,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal, ref: false }).catch(() => undefined),
    log,
  })
  return {
    serial,
    maker,
    housing,
    pledge,
    exchanges,
    alter(next) {
      change = next
    },
    connect: origin => transport.connect({ origin, ...birthIdentity(pledge), timeoutMs: connectTimeoutMs }),
  }
}

function birthIdentity({ birth }: Pledge) {
  return { certificates: [birth.idevid, ...birth.chain].map(({ der }) => der), keyLabel: birthKeyLabel }
}

function tapped(
  transport: PledgeTransport,
  see: (exchange: Exchange) => HttpReply | Promise<HttpReply>,
): PledgeTransport {
  return {
    async connect(request) {
      const connection = await transport.connect(request)
      const { origin } = request
      return {
        serverCertificates: connection.serverCertificates,
        async request(sent, limits) {
          return see({ origin, request: sent, reply: await connection.request(sent, limits) })
        },
        close: () => connection.close(),
      }
    },
  }
}

/**
 * Switches the device on until it is connected, or rests when every candidate has refused it or made it wait; a patient
 * one goes on for as long as it is let.
 */
export async function journey(
  device: VirtualDevice,
  candidates: readonly string[],
  { patient = false } = {},
): Promise<Journey> {
  const refusals = new Map<string, ErrorCode>()
  const waiting = new Set<string>()
  for await (const progress of device.pledge.onboard(candidates)) {
    note(progress, refusals, waiting)
    // Not before: it may still have to say why it refused.
    const rests = progress.type === 'resting' || progress.type === 'trying'
    if (!patient && rests && candidates.every(candidate => refusals.has(candidate) || waiting.has(candidate))) break
  }
  const { rung, credential } = device.pledge.status()
  const connected = rung === 'connected' && credential !== undefined
  return { rung, refusals, waiting, ...(connected ? { connectedTo: credential.origin } : {}) }
}

function note(progress: Progress, refusals: Map<string, ErrorCode>, waiting: Set<string>): void {
  if (progress.type === 'refused' && !refusals.has(progress.candidate)) {
    refusals.set(progress.candidate, progress.code)
  }
  // What was refused was its credential; the device begins again.
  if (progress.type === 'expired' || progress.type === 'disowned') refusals.clear()
  if (progress.type === 'waiting') waiting.add(progress.candidate)
}

/** Label of the network key; a device has that and its birth key. */
export async function networkKey({ housing }: VirtualDevice): Promise<string> {
  const [label, ...more] = (await housing.keys.list()).filter(name => name !== birthKeyLabel)
  hold(label !== undefined && more.length === 0, 'the device has one network key')
  return label
}
