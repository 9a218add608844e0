import { createPublicKey, randomBytes } from 'node:crypto'
import { signConnector } from '../../../src/protocol/dpp/connector.ts'
import { curveProfile, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame, type Frame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import type { ConfiguratorOptions } from '../../../src/protocol/dpp/reconfiguration-configurator.ts'
import type { EnrolleeOptions } from '../../../src/protocol/dpp/reconfiguration-enrollee.ts'

export interface Home {
  readonly csign: DppKeyPair
  readonly ppKey: DppKeyPair
}

export function home(curve: DppCurve = 'P-256'): Home {
  return { csign: generateDppKey(curve), ppKey: generateDppKey(curve) }
}

interface Terms {
  readonly netRole?: string
  readonly expiry?: Date
}

export function connectorOf(
  { csign }: Home,
  netAccessKey: DppKeyPair,
  { netRole = 'sta', expiry }: Terms = {},
): string {
  const fields = { groups: [{ groupId: '*', netRole }], netAccessKey, ...(expiry !== undefined && { expiry }) }
  return signConnector(fields, { key: csign.privateKey, csign })
}

/** A device that was configured by `owner`, with keys on `curve`. */
export function device(owner: Home, curve: DppCurve = 'P-256', terms?: Terms): EnrolleeOptions {
  const netAccessKey = generateDppKey(curve)
  return {
    csign: { key: owner.csign, kid: keyId(owner.csign) },
    ppKey: owner.ppKey,
    connector: connectorOf(owner, netAccessKey, terms),
    netAccessKey,
    identity: generateDppKey(owner.ppKey.curve),
    a: generateDppKey(owner.ppKey.curve),
    protocolKey: generateDppKey(curve),
    nonce: randomBytes(curveProfile(curve).nonceSize),
    version: 2,
    connectionStatus: { result: 10 },
  }
}

export function configurator(owner: Home, curve: DppCurve = 'P-256', terms?: Terms): ConfiguratorOptions {
  const netAccessKey = generateDppKey(curve)
  return {
    curve,
    csign: owner.csign,
    connector: connectorOf(owner, netAccessKey, { netRole: 'configurator', ...terms }),
    netAccessKey,
    nonce: randomBytes(curveProfile(curve).nonceSize),
    transaction: 1,
    version: 3,
  }
}

/** The public half of a key, as a peer has it. */
export function publicHalf({ curve, point, privateKey }: DppKeyPair) {
  return { curve, point, key: createPublicKey(privateKey) }
}

export function received(message: Uint8Array): { readonly type: 'received'; readonly frame: Frame } {
  return { type: 'received', frame: decodeFrame(message) }
}
