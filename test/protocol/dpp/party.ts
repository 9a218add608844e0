import { randomBytes } from 'node:crypto'
import {
  capability,
  type OwnBootstrapping,
  ownBootstrapping,
  type PeerBootstrapping,
} from '../../../src/protocol/dpp/authentication.ts'
import type { InitiatorOptions } from '../../../src/protocol/dpp/authentication-initiator.ts'
import type { ResponderOptions } from '../../../src/protocol/dpp/authentication-responder.ts'
import { curveProfile, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { type DppFrame, decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { RecordSplitter } from '../../../src/protocol/dpp/record.ts'
import { octets } from './vector.ts'

export const nonceOf = (curve: DppCurve) => randomBytes(curveProfile(curve).nonceSize)

/** What others have of a key of ours. */
export function scanned({ pair, hash }: OwnBootstrapping): PeerBootstrapping {
  return { key: pair, hash }
}

/** Fresh keys for both parties; the Initiator is the Configurator unless `over` says something else. */
export function initiatorOptions(responder: OwnBootstrapping, over: Partial<InitiatorOptions> = {}): InitiatorOptions {
  const { curve } = responder.pair
  return {
    responder: scanned(responder),
    own: ownBootstrapping(generateDppKey(curve)),
    protocolKey: generateDppKey(curve),
    nonce: nonceOf(curve),
    capabilities: capability.configurator,
    version: 3,
    ...over,
  }
}

export function responderOptions(curve: DppCurve, over: Partial<ResponderOptions> = {}): ResponderOptions {
  return {
    own: ownBootstrapping(generateDppKey(curve)),
    protocolKey: generateDppKey(curve),
    nonce: nonceOf(curve),
    capabilities: capability.enrollee,
    version: 3,
    ...over,
  }
}

/** A DPP frame, of a message without length in front. */
export function dppFrameOf(message: Uint8Array): DppFrame {
  const frame = decodeFrame(message)
  if (frame.kind !== 'dpp') throw new Error(`a ${frame.kind}`)
  return frame
}

/** The message in a recorded record. */
export function messageOf(data: string): Buffer {
  const [message] = new RecordSplitter().push(octets(data))
  if (message === undefined) throw new Error('no whole record')
  return message
}
