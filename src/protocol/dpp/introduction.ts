import { hash } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import {
  type AttributeList,
  type AttributeValue,
  decodeAttributes,
  dppStatus,
  encodeAttributes,
  octet,
} from './attribute.ts'
import { kept } from './authentication.ts'
import { type Connector, type ConnectorGroup, verifyConnector } from './connector.ts'
import { curveProfile } from './curve.ts'
import { dppFrame, encodeFrame } from './frame.ts'
import type { SigningKey } from './jwk.ts'
import { agree, type DppKeyPair } from './key.ts'
import { hkdf } from './key-schedule.ts'

/*
 * Network introduction (Easy Connect section 6.6): a station and an access point show each other Connectors of one
 * Configurator, and have a PMK without another message. Not for our server: it is what a Connector that we signed is good for,
 * and so what its tests and the simulated devices use.
 */

/** One party of it. */
export interface IntroductionOptions {
  readonly csign: SigningKey
  /** Own Connector, verified when it came, and the key in it. */
  readonly connector: Connector
  readonly netAccessKey: DppKeyPair
  /** Absent: a device without a clock. */
  readonly at?: Date
}

export interface Introduction {
  /** As long as a hash of the curve. */
  readonly pmk: Secret
  /** 16 octets. */
  readonly pmkid: Buffer
  readonly peer: Connector
}

/** Peer Discovery Request, a whole frame: what the station begins with. */
export function encodePeerDiscoveryRequest({ connector }: IntroductionOptions, transaction: number): Buffer {
  return frame(dppFrame.peerDiscoveryRequest, [
    ['transactionId', octet(transaction)],
    ...connectorAttributes(connector),
  ])
}

export interface PeerDiscoveryAnswer {
  readonly message: Buffer
  /** Absent: the peer is not let in, and `message` says why. */
  readonly introduction?: Introduction
}

/** What the access point answers. Throws CodecError for what cannot be read: that is not answered. */
export function answerPeerDiscovery(options: IntroductionOptions, attributes: Uint8Array): PeerDiscoveryAnswer {
  const list = decodeAttributes(attributes)
  const transaction = list.octet('transactionId')
  const text = connectorText(list)
  const answer = (status: number, more: readonly AttributeValue[]) =>
    frame(dppFrame.peerDiscoveryResponse, [['transactionId', octet(transaction)], ['status', octet(status)], ...more])
  const judged = judge(options, text, list)
  if (typeof judged === 'number') return { message: answer(judged, []) }
  return { message: answer(dppStatus.ok, connectorAttributes(options.connector)), introduction: judged }
}

/**
 * What the station makes of the answer. Throws CodecError for what cannot be read, and OnboardingError `connector-invalid`
 * when the peer refuses us or is none of ours (detail `status`).
 */
export function acceptPeerDiscovery(
  options: IntroductionOptions,
  transaction: number,
  attributes: Uint8Array,
): Introduction {
  const list = decodeAttributes(attributes)
  if (list.octet('transactionId') !== transaction) throw new CodecError('bad-value', 'the transaction is another')
  const status = list.octet('status')
  if (status !== dppStatus.ok) throw new OnboardingError('connector-invalid', { rule: 'refused-by-peer', status })
  const judged = judge(options, connectorText(list), list)
  if (typeof judged === 'number')
    throw new OnboardingError('connector-invalid', { rule: 'introduction', status: judged })
  return judged
}

/** The introduction, or the status that says why there is none. */
function judge(options: IntroductionOptions, text: string, list: AttributeList): Introduction | number {
  const { csign, connector: own, netAccessKey, at } = options
  const peer = verified(text, options)
  if (peer === undefined || peer.netAccessKey.curve !== netAccessKey.curve) return dppStatus.invalidConnector
  // Our own Connector, sent back, would agree with ourselves.
  if (peer.netAccessKey.point.equals(netAccessKey.point)) return dppStatus.invalidConnector
  if (own.kid !== csign.kid || (own.expiry !== undefined && at !== undefined && at >= own.expiry)) {
    return dppStatus.invalidConnector
  }
  // The version in the Connector is signed: an attribute that differs was changed on its way.
  if (peer.version !== undefined && list.get('protocolVersion')?.[0] !== peer.version) return dppStatus.noMatch
  if (!haveCommonGroup(own.groups, peer.groups)) return dppStatus.noMatch
  return introduce(netAccessKey, peer)
}

function verified(text: string, { csign, at }: IntroductionOptions): Connector | undefined {
  try {
    return verifyConnector(text, { csign: csign.key, kid: csign.kid, ...(at !== undefined && { at }) })
  } catch (error) {
    if (!(error instanceof OnboardingError)) throw error
    return undefined
  }
}

/** Groups match by identifier, or by `*` on one side; roles are station and access point. */
export function haveCommonGroup(own: readonly ConnectorGroup[], peer: readonly ConnectorGroup[]): boolean {
  return own.some(left =>
    peer.some(
      right =>
        (left.groupId === right.groupId || left.groupId === '*' || right.groupId === '*') &&
        ((left.netRole === 'sta' && right.netRole === 'ap') || (left.netRole === 'ap' && right.netRole === 'sta')),
    ),
  )
}

function introduce(own: DppKeyPair, peer: Connector): Introduction {
  const { curve } = own
  const { coordinateSize } = curveProfile(curve)
  const n = agree(own, peer.netAccessKey)
  const pmk = kept(hkdf(curve, undefined, n, 'DPP PMK'))
  n.fill(0)
  const both = [own, peer.netAccessKey].map(({ point }) => point.subarray(0, coordinateSize))
  const pmkid = hash('sha256', Buffer.concat(both.toSorted((a, b) => Buffer.compare(a, b))), 'buffer').subarray(0, 16)
  return { pmk, pmkid, peer }
}

function connectorText(list: AttributeList): string {
  return Buffer.from(list.need('connector')).toString('latin1')
}

function connectorAttributes({ text, version }: Connector): AttributeValue[] {
  const list: AttributeValue[] = [['connector', Buffer.from(text)]]
  if (version !== undefined) list.push(['protocolVersion', octet(version)])
  return list
}

function frame(type: number, list: readonly AttributeValue[]): Buffer {
  return encodeFrame({ kind: 'dpp', type, attributes: encodeAttributes(list) })
}
