import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryKeyStore } from '../../adapter/key/memory.ts'
import { enrolleeTransport } from '../../adapter/network/dpp-connection.ts'
import { type DppListener, listenDpp } from '../../adapter/network/dpp-listener.ts'
import type { NetworkTerms } from '../../domain/network-definition.ts'
import type { Log } from '../../domain/port.ts'
import type { Progress } from '../../protocol/brski/pledge.ts'
import { type BootstrappingUri, keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { readBirth } from '../../role/device/birth.ts'
import { makeBootstrapping, readBootstrapping } from '../../role/device/bootstrapping.ts'
import { counterfeit } from '../../role/device/dishonest-enrollee.ts'
import { type Enrollee, type Meeting, openEnrollee } from '../../role/device/enrollee.ts'
import type { OwnershipRule } from '../../role/device/enrollee-check.ts'
import type { StoredNetworks } from '../../role/device/enrollee-memory.ts'
import { createEvilConfigurator } from '../../role/device/evil-configurator.ts'
import { introduce } from '../../role/device/simulated-access-point.ts'
import { memoryDeviceStore } from '../../role/device/store.ts'
import type { Housing } from '../../role/device/unit.ts'
import { addNetwork } from '../../role/onboarding/network-directory.ts'
import type { Part } from './run.ts'
import type { Maker, Stage } from './stage.ts'

/** The network that lamps join: access by Connector, no password anywhere. */
const terms: NetworkTerms = {
  ssid64: Buffer.from('home').toString('base64url'),
  akm: 'dpp',
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: [],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-256',
  pmksaCaching: false,
}

const host = '127.0.0.1'
const by = 'demonstration'
/** Retries of a demonstration: a person waits for them. */
const impatience = { firstMs: 200, maxMs: 2000 }
const sleep = (milliseconds: number, signal: AbortSignal) =>
  delay(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)

export const evilConfiguratorName = 'evil Configurator'

/** Who plays which part among the lamps. */
export interface LampRoles {
  /** Meets the evil Configurator first, and wants what its manufacturer declares. */
  readonly declared: string
  /** Meets the evil Configurator first, and has scanned the code of its owner's. */
  readonly mutual: string
  /** Meets the evil Configurator, and speaks Easy Connect as everybody does: whoever knows its code is right. */
  readonly plain: string
  /** Still in its box, while a counterfeit uses its code. */
  readonly boxed: string
}

export interface Lamps {
  readonly parts: readonly Part[]
  /** Addresses of Controllers: the site's, and the evil one's. */
  readonly home: string
  readonly evil: string
  close(): Promise<void>
}

interface Scene {
  readonly stage: Stage
  readonly maker: Maker
  readonly roles: LampRoles
  readonly log: Log
  readonly codes: ReadonlyMap<string, BootstrappingUri>
  /** Code of the site's Configurator. */
  readonly configurator: BootstrappingUri
  readonly accessPoint: StoredNetworks
  readonly home: string
  readonly evil: string
}

/**
 * Lamps that join by Wi-Fi Easy Connect, an access point that enrols as they do, and an evil twin with photographs of their codes.
 * The radio between them is simulated: all of them speak to Controllers over TCP, as access points relay it.
 */
export async function openLamps(stage: Stage, maker: Maker, roles: LampRoles, log: Log): Promise<Lamps> {
  const { site } = stage
  await addNetwork({ store: site.store, clock: site.clock }, 'home', terms, by)
  const codes = await labelled(maker)
  const home = `${host}:${site.dppPort}`
  const configurator = parseBootstrappingUri((await site.configurator.identity()).uri)
  const accessPoint = await enrolAccessPoint(stage, home, log)
  const listener = await openEvilTwin([...codes.values()], log)
  const evil = `${host}:${listener.port}`
  const scene: Scene = { stage, maker, roles, log, codes, configurator, accessPoint, home, evil }
  const played = [...maker.housings.keys()].filter(serial => serial !== roles.boxed)
  return {
    home,
    evil,
    parts: [...played.map(serial => lampPart(scene, serial)), counterfeitPart(scene)],
    close: () => listener.close(),
  }
}

/** As it stands on each label; the site has it from the manifest, with what the maker declares. */
async function labelled({ housings }: Maker): Promise<Map<string, BootstrappingUri>> {
  const codes = new Map<string, BootstrappingUri>()
  for (const [serial, housing] of housings) codes.set(serial, (await readBootstrapping(housing)).uri)
  return codes
}

/** Its owner has it at hand, and lets it join by its code. */
async function enrolAccessPoint(stage: Stage, address: string, log: Log): Promise<StoredNetworks> {
  const housing = { keys: memoryKeyStore(), store: memoryDeviceStore() }
  const uri = await makeBootstrapping(housing, { curve: 'P-256', information: 'access point' })
  await stage.site.configurator.bootstrapping.add({ uri, netRole: 'ap', model: 'simulated access point' }, by)
  const enrollee = await openEnrollee(undefined, {
    ...housing,
    ...common(log),
    model: { clockTrusted: true, retry: impatience, connectTimeoutMs: 5000, requestTimeoutMs: 5000 },
    ownership: 'anybody',
    netRole: 'ap',
  })
  for await (const news of enrollee.onboard({ address }, AbortSignal.timeout(20_000)))
    if (news.type === 'refused') log.info({ code: news.code, ...news.detail }, 'the access point tries again')
  const networks = await enrollee.networks()
  if (networks === undefined) throw new RangeError('the access point was not enrolled')
  return networks
}

function common(log: Log) {
  return { transport: enrolleeTransport(), clock: Date.now, random: randomBytes, sleep, log }
}

function openEvilTwin(photographed: readonly BootstrappingUri[], log: Log): Promise<DppListener> {
  const { service } = createEvilConfigurator({ random: randomBytes, photographed, ssid: 'home' })
  return listenDpp({ host, port: 0, service, log })
}

async function openLamp(scene: Scene, housing: Housing, ownership: OwnershipRule): Promise<Enrollee> {
  const { maker, log, accessPoint } = scene
  return openEnrollee(await readBirth(housing.store), {
    ...housing,
    ...common(log),
    model: { ...maker.model, retry: impatience },
    ownership,
    installer: {
      install: async () => {},
      tryConnection: async networks => introduce(networks, accessPoint, new Date()),
    },
  })
}

function lampPart(scene: Scene, serial: string): Part {
  const { maker, roles, evil, home, configurator } = scene
  const housing = maker.housings.get(serial)
  if (housing === undefined) throw new RangeError(`nobody made ${serial}`)
  const model = maker.model.name
  const mutual = serial === roles.mutual
  const courted = mutual || serial === roles.declared
  if (serial === roles.plain) {
    return {
      name: serial,
      model,
      expected: { outcome: 'misled', network: evilConfiguratorName },
      play: signal => visit(openLamp(scene, housing, 'anybody'), [{ address: evil }], signal),
    }
  }
  const known = mutual ? { configurator, way: 'announce' as const } : {}
  const meetings = [...(courted ? [{ address: evil, ...known }] : []), { address: home, ...known }]
  return {
    name: serial,
    model,
    expected: { outcome: 'onboarded' },
    ...(courted ? { note: 'refused the evil Configurator first' } : {}),
    play: signal => visit(openLamp(scene, housing, 'declaration'), meetings, signal),
  }
}

/** One Configurator after the other, as they come within reach: each until it has configured the lamp or was refused. */
async function* visit(
  opening: Promise<Enrollee>,
  meetings: readonly Meeting[],
  signal: AbortSignal,
): AsyncGenerator<Progress, void, void> {
  const enrollee = await opening
  const last = meetings.at(-1)
  for (const meeting of meetings) {
    for await (const news of enrollee.onboard(meeting, signal)) {
      yield news
      if (news.type === 'refused' && meeting !== last) break
    }
  }
}

/** It has photographed the code of a lamp that is still in its box, and tries what can be tried with that. */
function counterfeitPart({ stage, maker, roles, codes, configurator, home }: Scene): Part {
  const photographed = codes.get(roles.boxed)
  if (photographed === undefined) throw new RangeError(`nobody made ${roles.boxed}`)
  const claim = keyHash(photographed).toString('hex')
  const options = { photographed, transport: enrolleeTransport(), random: randomBytes, timeoutMs: 5000 }
  return {
    name: `counterfeit of ${roles.boxed}`,
    claim,
    unexpected: true,
    model: maker.model.name,
    expected: { outcome: 'refused', code: 'dpp-authentication-failed' },
    async *play(signal) {
      for (const trick of [{ kind: 'forged-response' }, { kind: 'forged-confirm', configurator }] as const) {
        const end = await counterfeit(home, trick, options)
        if (end === 'answered') yield { type: 'climbed', rung: 'authenticated', candidate: home }
        else yield { type: 'climbed', rung: 'heard', candidate: home }
      }
      await recordedTwice(stage, claim, signal)
      yield { type: 'refused', candidate: home, code: 'configurator-unreachable', detail: {} }
    },
  }
}

/** It was dropped without a word, and the site writes that down when it comes to it. */
async function recordedTwice({ site }: Stage, claim: string, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < 100 && !signal.aborted; tries++) {
    const { events } = await site.store.feed({}, 1000)
    const refusals = events.filter(
      ({ kind, body }) => kind === 'stranger-refused' && JSON.stringify(body).includes(claim),
    )
    if (refusals.length > 1) return
    await sleep(50, signal)
  }
}
