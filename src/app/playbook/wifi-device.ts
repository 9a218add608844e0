import { randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { enrolleeTransport } from '../../adapter/network/dpp-connection.ts'
import type { ErrorCode } from '../../domain/error.ts'
import type { NetworkAkm } from '../../domain/network-definition.ts'
import { type BootstrappingUri, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { type Enrollee, openEnrollee } from '../../role/device/enrollee.ts'
import type { OwnershipRule } from '../../role/device/enrollee-check.ts'
import type { StoredNetworks } from '../../role/device/enrollee-memory.ts'
import { activeNetworks } from '../../role/onboarding/network-definition.ts'
import { addNetwork } from '../../role/onboarding/network-directory.ts'
import { hold } from './demonstration.ts'
import type { VirtualDevice } from './device.ts'
import type { Lab } from './lab.ts'
import { host, type Network } from './party.ts'

/** A device with a radio, joining over TCP as an access point would relay it. The radio itself is in the lab, not here. */
export interface WifiDevice {
  readonly device: VirtualDevice
  readonly enrollee: Enrollee
}

export async function enrolleeOf(
  device: VirtualDevice,
  lab: Pick<Lab, 'clock' | 'log'>,
  terms: { readonly ownership?: OwnershipRule; readonly version?: number } = {},
): Promise<WifiDevice> {
  const { ownership = 'declaration', ...rest } = terms
  const { housing, maker, pledge } = device
  const enrollee = await openEnrollee(pledge.birth, {
    model: { ...maker.model, connectTimeoutMs: 1000, requestTimeoutMs: 5000, retry: { firstMs: 200, maxMs: 1000 } },
    ...housing,
    transport: enrolleeTransport(),
    installer: { install: async () => undefined, tryConnection: async () => ({ result: 0 }) },
    clock: lab.clock,
    random: randomBytes,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal, ref: false }).catch(() => undefined),
    log: lab.log,
    ownership,
    ...rest,
  })
  return { device, enrollee }
}

export interface WifiJourney {
  readonly networks: StoredNetworks | undefined
  /** The first refusal. */
  readonly refusal: ErrorCode | undefined
}

/** One attempt at a Controller. `mutual`: somebody has shown the code of the network to the device. */
export async function join(
  { enrollee }: WifiDevice,
  network: Network,
  how: { readonly mutual?: true; readonly announce?: true; readonly address?: string } = {},
): Promise<WifiJourney> {
  const configurator = how.mutual === true ? await codeOf(network) : undefined
  const address = how.address ?? addressOf(network)
  const ending = new AbortController()
  let refusal: ErrorCode | undefined
  const meeting = {
    address,
    ...(configurator === undefined ? {} : { configurator }),
    ...(how.announce === true ? { way: 'announce' as const } : {}),
  }
  for await (const news of enrollee.onboard(meeting, AbortSignal.any([ending.signal, AbortSignal.timeout(20_000)]))) {
    if (news.type === 'refused') refusal ??= news.code
    // A person would wait; here one attempt says all.
    if (news.type === 'refused' || news.type === 'resting') ending.abort()
  }
  // What the device said last has to be on record before anybody looks.
  await until(() => network.site.configurator.service.sessions() === 0)
  return { networks: await enrollee.networks(), refusal }
}

/** Lets the other side finish. A demonstration has a time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5)
}

export function addressOf({ site: { dppPort } }: Network): string {
  hold(dppPort !== undefined, 'the network has a Controller')
  return `${host}:${dppPort}`
}

/** As it is shown to devices and access points. */
export async function codeOf({ site }: Network): Promise<BootstrappingUri> {
  return parseBootstrappingUri((await site.configurator.identity()).uri)
}

/** Defines the wireless network of a site, once. The policies of a home put devices into `devices`. */
export async function withWifi(
  { site }: Network,
  ssid: string,
  akm: NetworkAkm = 'dpp+psk+sae',
  serverName?: string,
): Promise<void> {
  if ((await site.store.read(activeNetworks)).length > 0) return
  await addNetwork(
    site,
    'wifi',
    {
      ssid64: Buffer.from(ssid).toString('base64url'),
      akm,
      segments: [{ name: 'devices', group: 'devices' }],
      passphraseLength: 32,
      channels: ['81/6'],
      netAccessKeyCurve: 'P-256',
      cSignCurve: 'P-256',
      pmksaCaching: false,
      ...(serverName === undefined ? {} : { dot1x: { serverName } }),
    },
    'playbook',
  )
}

/** Everything that goes over a connection to a Controller, both ways. */
export async function tapController(lab: Pick<Lab, 'keep'>, network: Network) {
  const parts: Buffer[] = []
  const { site } = network
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    const far = connect({ host, port: site.dppPort ?? 0 })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', chunk => parts.push(Buffer.from(chunk)))
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>(resolve => server.listen({ host, port: 0 }, resolve))
  lab.keep(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { address: `${host}:${port}`, recorded: () => Buffer.concat(parts) }
}
