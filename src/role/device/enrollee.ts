import type { KeyStore } from '../../crypto/signer.ts'
import { type ErrorCode, type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import type { Rung } from '../../domain/evidence.ts'
import type { Clock, Log, Random } from '../../domain/port.ts'
import type { Progress } from '../../protocol/brski/pledge.ts'
import { backoff } from '../../protocol/brski/pledge-schedule.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import { peerBootstrapping } from '../../protocol/dpp/authentication.ts'
import type { ConfigurationObject } from '../../protocol/dpp/configuration-object.ts'
import type { NetRole } from '../../protocol/dpp/configuration-request.ts'
import { curveProfile } from '../../protocol/dpp/curve.ts'
import {
  announce,
  type Effect,
  type EnrolleeFailed,
  initiate,
  type EnrolleeOptions as MachineOptions,
  reannounce,
  type Transition,
} from '../../protocol/dpp/enrollee.ts'
import { type DppPublicKey, exportSpki, generateDppKey } from '../../protocol/dpp/key.ts'
import type { BootstrappingUri } from '../../protocol/dpp/uri.ts'
import type { BirthCredential } from './birth.ts'
import { type Bootstrapping, readBootstrapping } from './bootstrapping.ts'
import { checkOwnership, eapTlsCredential, type OwnershipRule } from './enrollee-check.ts'
import { type ExchangeEnd, type ExchangeNews, exchange } from './enrollee-exchange.ts'
import { enrolleeName, readNetworks, type StoredNetworks, writeNetworks } from './enrollee-memory.ts'
import type { EnrolleeTransport, NetworkInstaller } from './enrollee-port.ts'
import { readMark, writeMark } from './memory.ts'
import type { DeviceModel } from './model.ts'
import type { DeviceStore, Sleep } from './port.ts'

export interface EnrolleeOptions {
  readonly model: Pick<DeviceModel, 'mudUrl' | 'clockTrusted' | 'retry' | 'connectTimeoutMs' | 'requestTimeoutMs'>
  readonly keys: KeyStore
  readonly store: DeviceStore
  readonly transport: EnrolleeTransport
  readonly installer?: NetworkInstaller
  readonly clock: Clock
  readonly random: Random
  readonly sleep: Sleep
  readonly log: Log
  readonly ownership: OwnershipRule
  /** Absent: a station. */
  readonly netRole?: NetRole
  /** Operating classes of its radio. */
  readonly bandSupport?: readonly number[]
  /** Absent: 3. */
  readonly version?: number
}

/** Where a Configurator is, and what is known of it. */
export interface Meeting {
  /** `host:port` of its Controller. */
  readonly address: string
  /** Its code, when somebody showed it to the device. */
  readonly configurator?: BootstrappingUri
  /** Absent: the device begins when it knows the Configurator's code, and announces itself otherwise. */
  readonly way?: 'initiate' | 'announce'
}

/** As a pledge tells it. */
export type EnrolleeProgress = Extract<Progress, { type: 'trying' | 'climbed' | 'waiting' | 'refused' | 'resting' }>

/** Two minutes: a person has to find a phone. */
const patienceMs = 120_000

/** A device with a bootstrapping key. Runs the Enrollee's machine: does its effects, tells it what happened. */
export class Enrollee {
  readonly name: string
  readonly bootstrapping: Bootstrapping
  readonly #birth: BirthCredential | undefined
  readonly #options: EnrolleeOptions
  #running = false
  #joinedAlready = false

  /** @param birth undefined: a device that cannot check declarations */
  constructor(bootstrapping: Bootstrapping, birth: BirthCredential | undefined, options: EnrolleeOptions) {
    this.bootstrapping = bootstrapping
    this.#birth = birth
    this.#options = options
    this.name = birth?.serialNumber ?? bootstrapping.uri.information ?? bootstrapping.uri.mac ?? 'device'
  }

  /** What it was given, by now or in an earlier run. */
  networks(): Promise<StoredNetworks | undefined> {
    const { store, log } = this.#options
    return readNetworks(store, log)
  }

  /**
   * Switches the device on where this Configurator can be reached, and yields what it goes through, until it has networks
   * (`climbed` to `credentialed`, or to `connected` where it could try) or the signal aborts. One that has networks from
   * before puts them in place again, which a power loss may have prevented. Throws TypeError when it is on already.
   */
  async *onboard(meeting: Meeting, signal: AbortSignal): AsyncGenerator<EnrolleeProgress, void, void> {
    const known = await this.networks()
    if (known === undefined) {
      yield* this.#powered(signal, () => this.#try(meeting, () => this.#begin(meeting), signal))
      return
    }
    await this.#options.installer?.install(known)
    yield { type: 'climbed', rung: 'credentialed', candidate: known.origin }
  }

  async *#powered(
    signal: AbortSignal,
    attempt: () => AsyncGenerator<EnrolleeProgress, boolean, void>,
  ): AsyncGenerator<EnrolleeProgress, void, void> {
    if (this.#running) throw new TypeError('the device is switched on already')
    this.#running = true
    this.#joinedAlready = false
    try {
      for (let failures = 1; !signal.aborted; failures++) {
        if (yield* attempt()) return
        const milliseconds = backoff(this.#options.model.retry, failures, this.#options.random(4))
        yield { type: 'resting', milliseconds }
        await this.#options.sleep(milliseconds, signal)
      }
    } finally {
      this.#running = false
    }
  }

  /**
   * Asks the Configurator that it had before for something new, as a device does whose network lets it in no more: yields as
   * `onboard` until it has it. What it had stays until then. Throws OnboardingError `reconfiguration-impossible` for a device
   * that was given nothing to ask with, and TypeError when it is on already.
   */
  async *reconfigure(
    meeting: Pick<Meeting, 'address'>,
    signal: AbortSignal,
  ): AsyncGenerator<EnrolleeProgress, void, void> {
    const again = await this.#again()
    yield* this.#powered(signal, () => this.#try(meeting, () => again(), signal))
  }

  /** Forgets its networks; the bootstrapping key and how new a declaration has to be are for good. */
  async forget(): Promise<void> {
    if (this.#running) throw new TypeError('switch the device off before it forgets its networks')
    await this.#options.store.remove(enrolleeName)
  }

  /** One connection. @returns whether the device has networks now */
  async *#try(
    { address: candidate }: Pick<Meeting, 'address'>,
    begin: () => Transition,
    signal: AbortSignal,
  ): AsyncGenerator<EnrolleeProgress, boolean, void> {
    const { transport, model } = this.#options
    yield { type: 'trying', candidate }
    const connection = await transport.connect(candidate, model.connectTimeoutMs).catch(() => undefined)
    if (connection === undefined) {
      yield refused(candidate, 'configurator-unreachable')
      return false
    }
    const cut = () => connection.close()
    signal.addEventListener('abort', cut, { once: true })
    try {
      const end = yield* this.#exchanged(exchange(begin(), connection, this.#tools(candidate), signal), candidate)
      if (end.type === 'configured') {
        yield* this.#joined(candidate)
        return true
      }
      if (!signal.aborted) yield endOf(candidate, end, model.retry.firstMs)
      return false
    } finally {
      signal.removeEventListener('abort', cut)
    }
  }

  /** What every station does next. A Controller that wanted to hear of it has heard already. */
  async *#joined(candidate: string): AsyncGenerator<EnrolleeProgress, void, void> {
    if (this.#joinedAlready) return
    const status = await this.#tools(candidate).tryConnection()
    if (status?.result === dppStatus.ok) yield { type: 'climbed', rung: 'connected', candidate }
  }

  async *#exchanged(
    going: AsyncGenerator<ExchangeNews, ExchangeEnd, void>,
    candidate: string,
  ): AsyncGenerator<EnrolleeProgress, ExchangeEnd, void> {
    const climbed = (rung: Rung) => ({ type: 'climbed', rung, candidate }) as const
    for (;;) {
      const { value, done } = await going.next()
      if (done) return value
      if (value.type === 'pending') yield { type: 'waiting', candidate, milliseconds: patienceMs }
      else if (value.type === 'installed') {
        yield climbed('authorized')
        yield climbed('credentialed')
      } else {
        this.#joinedAlready ||= value.type === 'connected'
        yield climbed(value.type)
      }
    }
  }

  #begin({ configurator, way = configurator === undefined ? 'announce' : 'initiate' }: Meeting): Transition {
    const { clock, random, version = 3, model } = this.#options
    const { pair, uri } = this.bootstrapping
    const peer = configurator && peerBootstrapping(configurator)
    const common = { version, clockTrusted: model.clockTrusted, request: this.#request(version) }
    if (way === 'initiate' && peer !== undefined) {
      const { curve } = peer.key
      // The Configurator's key decides the curve; on another one nobody could know ours.
      const own = pair.curve === curve ? { bootstrapping: pair, publicKey: uri.publicKey } : thrownAway(curve)
      const options = { ...common, ...own, protocolKey: generateDppKey(curve), configurator: peer }
      return initiate(options, { at: clock(), random: random(32) })
    }
    const options: MachineOptions = {
      ...common,
      bootstrapping: pair,
      publicKey: uri.publicKey,
      protocolKey: generateDppKey(pair.curve),
      ...(peer !== undefined && { configurator: peer }),
    }
    return announce(options)
  }

  /** Each announcement with keys of its own. */
  async #again(): Promise<() => Transition> {
    const { clock, random, version = 3, model } = this.#options
    const stored = await this.networks()
    const network = stored?.networks.find(({ cred }) => cred.connector?.ppKey !== undefined)
    const { csign: key, kid, ppKey, signedConnector } = network?.cred.connector ?? {}
    if (stored?.identity === undefined || ppKey === undefined || key === undefined || kid === undefined)
      throw new OnboardingError('reconfiguration-impossible', { device: this.name })
    const { netAccessKey, identity } = stored
    const { curve } = netAccessKey
    return () =>
      reannounce(
        {
          csign: { key, kid },
          ppKey,
          connector: signedConnector ?? '',
          netAccessKey,
          identity,
          a: generateDppKey(ppKey.curve),
          protocolKey: generateDppKey(curve),
          nonce: Uint8Array.from(random(curveProfile(curve).nonceSize)),
          version,
          connectionStatus: { result: dppStatus.noAccessPoint, ...(network !== undefined && { ssid: network.ssid }) },
          ...(model.clockTrusted && { at: new Date(clock()) }),
        },
        { request: this.#request(version), clockTrusted: model.clockTrusted },
      )
  }

  #request(version: number): MachineOptions['request'] {
    const { netRole = 'sta', bandSupport, model } = this.#options
    return {
      name: this.name,
      netRole,
      ...(version >= 2 && model.mudUrl !== undefined && { mudurl: model.mudUrl }),
      ...(version >= 2 && bandSupport !== undefined && { bandSupport }),
      // Bit 0: it can use a password identifier.
      ...(version >= 3 && { capabilities: 1 }),
      thirdParty: {},
    }
  }

  #tools(origin: string) {
    const { clock, random, sleep, log, model, installer } = this.#options
    return {
      serialNumber: this.name,
      clock,
      random,
      sleep,
      log,
      answerTimeoutMs: model.requestTimeoutMs,
      patienceMs,
      install: (effect: Effect & { type: 'install' }, knownPeer: boolean) => this.#install(effect, knownPeer, origin),
      tryConnection: async () => {
        const networks = await this.networks()
        return networks === undefined ? undefined : installer?.tryConnection?.(networks)
      },
    }
  }

  /** Checked, remembered, put in place; only then does the Configurator hear that it is. */
  async #install(effect: Effect & { type: 'install' }, knownConfigurator: boolean, origin: string): Promise<void> {
    const { configurations, objects, netAccessKey } = effect
    const { store, installer, clock, model, ownership: rule } = this.#options
    if (objects.length === 0) throw new OnboardingError('configuration-invalid', { rule: 'no-network' })
    const declarationVersion = await readMark(store)
    const versions = configurations.map(configuration => {
      if (configuration.cred.entCreds !== undefined) eapTlsCredential(configuration.cred.entCreds, netAccessKey)
      return checkOwnership(configuration, {
        rule,
        knownConfigurator,
        netAccessKey,
        ...(this.#birth !== undefined && { birth: this.#birth }),
        ...(model.clockTrusted && { at: new Date(clock()) }),
        ...(declarationVersion !== undefined && { declarationVersion }),
      })?.version
    })
    // Before anything rests on it, so that no older right counts again after a power loss.
    for (const version of versions) if (version !== undefined) await writeMark(store, version)
    const before = await store.read(enrolleeName)
    const identity = identityFor(configurations, await this.networks())
    const grant = { name: this.name, origin, netAccessKey, ...(identity !== undefined && { identity }) }
    await writeNetworks(store, { ...grant, objects })
    if (installer === undefined) return
    try {
      await installer.install({ ...grant, networks: configurations })
    } catch (error) {
      await (before === undefined ? store.remove(enrolleeName) : store.write(enrolleeName, before))
      throw error
    }
  }
}

/** The same for as long as the ppKey is: the Configurator knows the device by it. */
function identityFor(
  configurations: readonly ConfigurationObject[],
  before: StoredNetworks | undefined,
): DppPublicKey | undefined {
  const [ppKey, known] = [configurations, before?.networks ?? []].map(
    networks => networks.find(({ cred }) => cred.connector?.ppKey !== undefined)?.cred.connector?.ppKey,
  )
  if (ppKey === undefined) return undefined
  const same = known?.curve === ppKey.curve && known.point.equals(ppKey.point)
  return (same ? before?.identity : undefined) ?? generateDppKey(ppKey.curve)
}

function thrownAway(curve: Bootstrapping['pair']['curve']) {
  const bootstrapping = generateDppKey(curve)
  return { bootstrapping, publicKey: exportSpki(bootstrapping) }
}

function refused(candidate: string, code: ErrorCode, detail: ErrorDetail = {}): EnrolleeProgress {
  return { type: 'refused', candidate, code, detail }
}

function endOf(candidate: string, end: ExchangeEnd, retryMs: number): EnrolleeProgress {
  if (end.type !== 'failed') return refused(candidate, 'configurator-unreachable')
  const { failure } = end.failed
  // "Not yet": a person at the Configurator has to say yes.
  if (failure.status === dppStatus.configurePending) return { type: 'waiting', candidate, milliseconds: retryMs }
  if ('error' in failure && failure.error !== undefined)
    return refused(candidate, failure.error.code, failure.error.detail)
  return refused(candidate, codeOf(end.failed), detailOf(end.failed))
}

function codeOf({ during, failure: { reason } }: EnrolleeFailed): ErrorCode {
  switch (reason) {
    case 'refused':
    case 'not-compatible':
      return 'configurator-refused'
    case 'timed-out':
      return 'configurator-unreachable'
    case 'incapable':
      return 'device-key-failed'
    case 'mismatched':
    case 'unopenable':
    case 'not-authentic':
      return during === 'authentication' ? 'configurator-not-authentic' : 'configurator-answer-invalid'
    case 'malformed':
    case 'rejected':
      return 'configurator-answer-invalid'
  }
}

function detailOf({ failure }: EnrolleeFailed): ErrorDetail {
  const { reason, status, detail } = failure
  const name = Object.entries(dppStatus).find(([, value]) => value === status)?.[0]
  return {
    rule: reason,
    ...(status !== undefined && { status: name ?? status }),
    ...(detail !== undefined && { reason: detail }),
  }
}

/** A device as the line left it, or as the last power loss did. Throws as `readBootstrapping`. */
export async function openEnrollee(birth: BirthCredential | undefined, options: EnrolleeOptions): Promise<Enrollee> {
  return new Enrollee(await readBootstrapping(options), birth, options)
}
