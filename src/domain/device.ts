import { hash } from 'node:crypto'
import { Recent } from '../crypto/recent.ts'
import type { AccessEvent } from './access-session.ts'
import { type BootstrappedDevice, type BootstrappingEvent, evolveBootstrapping } from './bootstrapping.ts'
import type { ComponentVerdict, Difference, StatedComponents } from './component.ts'
import { evolveHold, type HeldDevice, type HoldEvent } from './device-hold.ts'
import { type DeviceLife, evolveLife, type LifeEvent, unwiped } from './device-life.ts'
import type { ErrorCode } from './error.ts'
import { climbedRung, type EvidenceItem, higherRung, lowerRung, type Rung } from './evidence.ts'
import { type DeviceIntent, judgeIntent } from './intent.ts'
import type { LifecycleState } from './lifecycle.ts'
import type { DeviceHistory, HistoryEvent } from './masa-log.ts'
import type { NetworkAccessGrant } from './network-definition.ts'
import type { DeviceTerms, PolicyBasis, Posture, Stay } from './policy.ts'
import type { SiteRight } from './right.ts'

/** Where a device stands with the people of this site. */
export type Standing = 'expected' | 'waiting' | 'approved' | 'denied' | 'withdrawn'

/** One device of this site: the fold of the events of its stream. */
export interface Device extends DeviceLife, HeldDevice, BootstrappedDevice {
  readonly id: string
  /** Name of the trusted manufacturer. With `serial` it identifies the device; a certificate does not. */
  readonly manufacturer: string
  readonly serial: string
  readonly model: string
  /** Version of the stream, counts events. */
  readonly version: number
  readonly rung: Rung
  readonly standing: Standing
  /** Owner that the newest known declaration names; empty when none is known. */
  readonly owner: string
  readonly declarationVersion: number
  /** What that declaration allows this site; absent when it was not held against the site's keys. */
  readonly right?: SiteRight
  /** The one to go by, as `judgeIntent` finds it. */
  readonly mudUrl?: string
  /** What each source says of it. */
  readonly intent?: DeviceIntent
  /** What the log of its MASA says of other networks, as it was last read. */
  readonly history?: DeviceHistory
  /** Key of the birth credential as the manufacturer's manifest names it, before the device was heard of. */
  readonly expectedKeyHash?: string
  /** Key of the birth credential when first proven; another key under the same serial is a clone. */
  readonly birthKeyHash?: string
  readonly attempt?: { readonly id: string; readonly protocol: string; readonly address: string; readonly at: number }
  readonly voucher?: {
    readonly id: string
    readonly assertion: string
    readonly obtainedAt: number
    readonly accepted?: boolean
  }
  /** Id of the current network credential. */
  readonly credential?: string
  /** End of its lifetime. */
  readonly credentialUntil?: number
  /** The last refusal, until the next success. */
  readonly refusal?: { readonly code: ErrorCode; readonly at: number }
  /** It was heard, and waits for a person to say whether it may come in. */
  readonly awaits?: 'person'
  /** What the policies grant it: segment, lifetime of its credential, services. */
  readonly terms?: DeviceTerms
  /** Whether it may stay, as it was last decided; absent: nobody has asked since it came in. */
  readonly stay?: Stay
  /** `unknown` when absent. */
  readonly posture?: Posture
  readonly firstHeardAt?: number
  readonly lastHeardAt?: number
  readonly connectedAt?: number
  /** Ids of the recalls that were found to hit it; never empty. The recalls in force decide, this is their trace. */
  readonly recalls?: readonly string[]
  /** Snapshot of the components that its factory measured, when a manifest says. */
  readonly expectedComponents?: string
  /** What it last stated itself. */
  readonly components?: StatedComponents
  /** What an asset system calls it (SCIM); it decides nothing. */
  readonly provisioning?: {
    readonly displayName?: string
    readonly externalId?: string
    /** It does not list the device any more. */
    readonly removed?: true
  }
}

/** Everything that can happen to a device at a site. Bodies are plain JSON. */
export type DeviceEvent =
  | {
      readonly kind: 'device-expected'
      readonly body: {
        readonly manufacturer: string
        readonly serial: string
        readonly model: string
        readonly source: string
        readonly owner: string
        readonly declarationVersion: number
        readonly right?: SiteRight
        /** Ids of the authorized onboarders that the declaration names; absent when there are none. */
        readonly onboarders?: readonly string[]
        /** SHA-256 of the birth key, hex, when a manifest names it. */
        readonly keyHash?: string
        readonly mudUrl?: string
        /** Who keeps the MUD file since a rebranding, as the declaration says. */
        readonly intent?: NonNullable<DeviceIntent['declared']>
        /** Snapshot of its components, when a manifest names it. */
        readonly components?: string
        /** Where the device stood when its keeper met it, if not on the shelf: integrators and makers meet it earlier. */
        readonly lifecycle?: LifecycleState
      }
    }
  | {
      readonly kind: 'device-heard'
      readonly body: {
        readonly manufacturer: string
        readonly serial: string
        readonly attempt: string
        readonly protocol: string
        readonly address: string
        readonly at: number
      }
    }
  | {
      readonly kind: 'identity-proven'
      readonly body: {
        readonly certificateHash: string
        readonly keyHash: string
        readonly mudUrl?: string
        /** End of the birth certificate's lifetime, where it ends and the site heeds it. */
        readonly until?: number
      }
    }
  /** A MUD URL that the device itself named in the channel. */
  | { readonly kind: 'intent-stated'; readonly body: { readonly mudUrl: string } }
  | {
      readonly kind: 'admission-decided'
      readonly body: {
        readonly verdict: 'admit' | 'wait' | 'refuse'
        readonly code?: ErrorCode
        readonly reasons: readonly { readonly rule: string; readonly holds: boolean; readonly note: string }[]
        readonly at: number
        /** Present when the policies were asked, after what no policy decides. */
        readonly basis?: PolicyBasis
        readonly terms?: DeviceTerms
      }
    }
  | {
      readonly kind: 'stay-decided'
      readonly body: {
        readonly verdict: 'permit' | 'refuse'
        readonly basis: PolicyBasis
        readonly terms: DeviceTerms
        readonly revoke: boolean
        /** What would have to close, and whether it has. */
        readonly enforcement?: string
        readonly at: number
      }
    }
  | {
      readonly kind: 'posture-stated'
      readonly body: { readonly posture: Posture; readonly by: string; readonly reason?: string }
    }
  | { readonly kind: 'admission-granted'; readonly body: { readonly by: string } }
  | { readonly kind: 'admission-denied'; readonly body: { readonly by: string } }
  | { readonly kind: 'device-withdrawn'; readonly body: { readonly by: string; readonly reason?: string } }
  | {
      readonly kind: 'voucher-obtained'
      readonly body: { readonly voucher: string; readonly assertion: string; readonly at: number }
    }
  | {
      readonly kind: 'voucher-status-reported'
      readonly body: { readonly accepted: boolean; readonly reason?: string; readonly at: number }
    }
  | {
      readonly kind: 'credential-planned'
      readonly body: { readonly credential: string; readonly serialHex: string; readonly notAfter: number }
    }
  | {
      readonly kind: 'credential-issued'
      readonly body: { readonly credential: string; readonly certificateHash: string; readonly notAfter?: number }
    }
  | {
      readonly kind: 'credential-revoked'
      readonly body: { readonly credential: string; readonly reason: string; readonly by: string }
    }
  /** Of no use until released. */
  | { readonly kind: 'credential-held'; readonly body: { readonly credential: string; readonly by: string } }
  | { readonly kind: 'credential-released'; readonly body: { readonly credential: string; readonly by: string } }
  | {
      readonly kind: 'device-recalled'
      readonly body: {
        readonly recall: string
        readonly reason: string
        readonly reference: string
        readonly at: number
      }
    }
  | {
      readonly kind: 'components-stated'
      readonly body: {
        readonly snapshot: string
        readonly expected: string
        readonly verdict: ComponentVerdict
        readonly differences: readonly Difference[]
        readonly at: number
      }
    }
  | {
      readonly kind: 'device-provisioned'
      readonly body: {
        readonly displayName?: string
        readonly externalId?: string
        readonly removed?: true
        readonly by: string
      }
    }
  | { readonly kind: 'device-recall-lifted'; readonly body: { readonly recall: string; readonly at: number } }
  | {
      readonly kind: 'enroll-status-reported'
      readonly body: { readonly enrolled: boolean; readonly withNewCredential: boolean; readonly reason?: string }
    }
  | { readonly kind: 'device-connected'; readonly body: { readonly credential: string; readonly at: number } }
  | {
      readonly kind: 'onboarding-refused'
      readonly body: { readonly code: ErrorCode; readonly at: number; readonly note?: string }
    }
  | {
      readonly kind: 'evidence-recorded'
      readonly body: { readonly attempt: string; readonly transcript: string; readonly items: readonly EvidenceItem[] }
    }
  | AccessEvent
  | BootstrappingEvent
  | { readonly kind: 'network-access-granted'; readonly body: NetworkAccessGrant }
  | HistoryEvent
  | HoldEvent
  | LifeEvent

const deviceIds = new Recent<string>(1024)

/** The id of a device at a site, from what identifies it: 24 hex digits. */
export function deviceId(manufacturer: string, serial: string): string {
  const name = `${manufacturer}\0${serial}`
  let id = deviceIds.get(name)
  if (id === undefined) {
    id = hash('sha256', name, 'hex').slice(0, 24)
    deviceIds.set(name, id)
  }
  return id
}

/** The device after `event`; the first event of a stream is `device-expected` or `device-heard`. */
export function evolveDevice(device: Device | undefined, event: DeviceEvent): Device {
  if (device === undefined) return evolveDevice(newDevice(event), event)
  const next = { ...device, version: device.version + 1 }
  switch (event.kind) {
    case 'device-expected': {
      const { model, owner, declarationVersion, right, keyHash, mudUrl, intent, components } = event.body
      const standing = device.standing === 'waiting' ? 'expected' : device.standing
      // A manifest written before a transfer must not bring the former owner back.
      const before = device.standing === 'waiting' ? unawaited(next) : next
      const newest =
        declarationVersion >= device.declarationVersion
          ? intending(declaredTo(before, { owner, declarationVersion, right }), { declared: intent })
          : before
      return {
        ...intending(newest, { manifest: mudUrl }),
        model,
        standing,
        ...(keyHash === undefined ? {} : { expectedKeyHash: keyHash }),
        ...(components === undefined ? {} : { expectedComponents: components }),
      }
    }
    case 'device-heard': {
      const { attempt: id, protocol, address, at } = event.body
      return {
        ...next,
        rung: device.rung === 'expected' ? 'heard' : device.rung,
        attempt: { id, protocol, address, at },
        firstHeardAt: device.firstHeardAt ?? at,
        lastHeardAt: at,
      }
    }
    case 'identity-proven': {
      const { keyHash, mudUrl, until } = event.body
      // Another key under this serial proves a clone, and nothing about this device.
      if ((device.birthKeyHash ?? device.expectedKeyHash ?? keyHash) !== keyHash) return next
      return {
        ...intending(next, { certificate: mudUrl }),
        rung: higherRung(device.rung, 'authenticated'),
        birthKeyHash: keyHash,
        ...(until === undefined ? {} : { birthUntil: until }),
      }
    }
    case 'history-read': {
      const { attempt: _, domains: __, reason: ___, ...history } = event.body
      return { ...next, history }
    }
    case 'intent-stated':
      return intending(next, { request: event.body.mudUrl })
    case 'admission-decided': {
      const { verdict, code, at, terms } = event.body
      if (verdict === 'admit') {
        const granted = terms === undefined ? {} : { terms }
        return withoutStay(
          withoutRefusal({ ...unawaited(next), ...granted, rung: climbedRung(device.rung, 'authorized') }),
        )
      }
      const heard: Device = verdict === 'wait' ? { ...next, awaits: 'person' } : unawaited(next)
      return code === undefined ? heard : { ...heard, refusal: { code, at } }
    }
    case 'stay-decided': {
      const { verdict, basis, terms, revoke, at } = event.body
      const { version, policies } = basis
      return { ...next, ...(verdict === 'permit' ? { terms } : {}), stay: { verdict, version, policies, at, revoke } }
    }
    case 'posture-stated':
      return { ...next, posture: event.body.posture }
    case 'admission-granted':
      return { ...unawaited(next), standing: 'approved' }
    case 'admission-denied':
      return { ...unawaited(next), standing: 'denied' }
    case 'device-withdrawn':
      return { ...unawaited(next), standing: 'withdrawn' }
    case 'voucher-obtained':
      return {
        ...next,
        voucher: { id: event.body.voucher, assertion: event.body.assertion, obtainedAt: event.body.at },
      }
    case 'voucher-status-reported':
      return device.voucher === undefined
        ? next
        : { ...next, voucher: { ...device.voucher, accepted: event.body.accepted } }
    case 'credential-planned':
      return next
    case 'credential-issued': {
      const { credential, notAfter } = event.body
      return withoutRefusal({
        ...unwiped(withoutCredential(next)),
        credential,
        ...(notAfter === undefined ? {} : { credentialUntil: notAfter }),
        rung: climbedRung(device.rung, 'credentialed'),
      })
    }
    case 'credential-revoked':
      return device.credential === event.body.credential
        ? { ...withoutCredential(next), rung: lowerRung(device.rung, 'authenticated') }
        : next
    case 'credential-held':
      return device.credential === event.body.credential
        ? { ...next, rung: lowerRung(device.rung, 'authenticated') }
        : next
    case 'credential-released':
      // It was authorized when the credential was issued, and the credential is the same.
      return device.credential === event.body.credential
        ? { ...next, rung: higherRung(device.rung, 'credentialed') }
        : next
    case 'device-recalled': {
      const { recall } = event.body
      return { ...next, recalls: [...new Set([...(device.recalls ?? []), recall])] }
    }
    case 'components-stated': {
      const { snapshot: stated, verdict, differences, at } = event.body
      return { ...next, components: { stated, verdict, at, differences: differences.length } }
    }
    case 'device-provisioned': {
      const { by: _, ...provisioning } = event.body
      return { ...next, provisioning }
    }
    case 'device-recall-lifted': {
      const { recalls = [], ...rest } = next
      const left = recalls.filter(each => each !== event.body.recall)
      return left.length === 0 ? rest : { ...rest, recalls: left }
    }
    case 'enroll-status-reported':
      return next
    case 'device-connected':
      // A connection with a credential that was replaced or revoked is no success of this device.
      return device.credential === event.body.credential
        ? withoutRefusal({ ...unwiped(next), rung: climbedRung(device.rung, 'connected'), connectedAt: event.body.at })
        : next
    case 'onboarding-refused':
      return { ...next, refusal: { code: event.body.code, at: event.body.at } }
    case 'evidence-recorded':
      return next
    case 'network-access-granted':
    case 'access-granted':
    case 'access-refused':
    case 'access-ended':
      return next
    case 'device-held':
    case 'device-hold-lifted':
      return evolveHold(next, event)
    case 'bootstrapping-key-added':
    case 'bootstrapping-key-removed':
      return evolveBootstrapping(next, event)
    case 'bootstrapping-key-proven': {
      // A key that is not on record for this device proves nothing about it.
      const proven = device.bootstrappingKey === event.body.key
      return proven ? evolveBootstrapping({ ...next, rung: higherRung(device.rung, 'authenticated') }, event) : next
    }
    case 'birth-credential-expired':
    case 'device-wiped':
    case 'hand-over-begun':
    case 'hand-over-ended':
    case 'hand-over-transferred':
    case 'lifecycle-moved': {
      const lived = evolveLife(next, event)
      return lived.lifecycle !== device.lifecycle && lived.entered?.transition === 'T36' ? withoutTraces(lived) : lived
    }
  }
}

/** The fold. @throws TypeError when the stream does not begin with `device-expected` or `device-heard` */
export function foldDevice(events: readonly DeviceEvent[]): Device | undefined {
  return events.reduce<Device | undefined>(evolveDevice, undefined)
}

function newDevice(event: DeviceEvent): Device {
  if (event.kind !== 'device-expected' && event.kind !== 'device-heard') {
    throw new TypeError(`a device stream cannot begin with ${event.kind}`)
  }
  const { manufacturer, serial } = event.body
  return {
    id: deviceId(manufacturer, serial),
    manufacturer,
    serial,
    model: '',
    version: 0,
    // A site meets a device when it is acquired; what came before is in the manufacturer's ledger.
    lifecycle: event.kind === 'device-expected' ? (event.body.lifecycle ?? 'SC.SHL') : 'SC.SHL',
    rung: 'expected',
    standing: event.kind === 'device-expected' ? 'expected' : 'waiting',
    owner: '',
    declarationVersion: 0,
  }
}

/** Of a device that is somebody else's now, its history is kept in the ledger, and nothing of where it was at hand. */
function withoutTraces(device: Device): Device {
  const { attempt: _, voucher: __, connectedAt: ___, refusal: ____, history: _____, ...rest } = device
  return rest
}

/** With what one more source says; who says nothing takes nothing back. */
function intending(device: Device, heard: { readonly [K in keyof DeviceIntent]: DeviceIntent[K] | undefined }): Device {
  const told = Object.fromEntries(Object.entries(heard).filter(([, said]) => said !== undefined))
  if (Object.keys(told).length === 0) return device
  const intent: DeviceIntent = { ...device.intent, ...told }
  const { mudUrl } = judgeIntent(intent)
  return { ...device, intent, ...(mudUrl === undefined ? {} : { mudUrl }) }
}

/** What an earlier declaration allowed says nothing any more. */
function declaredTo(
  device: Device,
  { right, ...declared }: Pick<Device, 'owner' | 'declarationVersion'> & { readonly right: SiteRight | undefined },
): Device {
  const { right: _, ...rest } = device
  return { ...rest, ...declared, ...(right === undefined ? {} : { right }) }
}

function withoutRefusal(device: Device): Device {
  const { refusal: _, ...rest } = device
  return rest
}

function unawaited(device: Device): Device {
  const { awaits: _, ...rest } = device
  return rest
}

function withoutStay(device: Device): Device {
  const { stay: _, ...rest } = device
  return rest
}

function withoutCredential(device: Device): Device {
  const { credential: _, credentialUntil: __, ...rest } = device
  return rest
}
