import { CodecError } from '../../codec/error.ts'
import type { Random } from '../../domain/port.ts'
import { decodeAttributes, dppStatus, encodeAttributes } from '../../protocol/dpp/attribute.ts'
import { capability, peerBootstrapping, protocolVersion } from '../../protocol/dpp/authentication.ts'
import { begin } from '../../protocol/dpp/authentication-initiator.ts'
import {
  readAuthenticationRequest,
  sealAuthenticationConfirm,
  sealAuthenticationResponse,
} from '../../protocol/dpp/authentication-message.ts'
import { curveProfile } from '../../protocol/dpp/curve.ts'
import { decodeFrame, dppFrame, encodeFrame } from '../../protocol/dpp/frame.ts'
import { generateDppKey } from '../../protocol/dpp/key.ts'
import { type BootstrappingUri, chirpHash, keyHash } from '../../protocol/dpp/uri.ts'
import type { EnrolleeConnection, EnrolleeTransport } from './enrollee-port.ts'

/**
 * What a counterfeit makes of a code that it has photographed, for want of the key that belongs to it:
 * - `forged-response`: it announces itself as the device, and answers the request, which it cannot open, with an
 *   Authentication Response under a key that it made up;
 * - `forged-confirm`: it begins with a Configurator whose code it knows, under the name of the device, and confirms with a
 *   tag that it made up.
 */
export type CounterfeitTrick =
  | { readonly kind: 'forged-response' }
  | { readonly kind: 'forged-confirm'; readonly configurator: BootstrappingUri }

export interface CounterfeitOptions {
  readonly photographed: BootstrappingUri
  readonly transport: EnrolleeTransport
  readonly random: Random
  readonly timeoutMs: number
}

/** How far it came: `answered` when the Configurator said anything after the forgery. */
export type CounterfeitEnd = 'unreachable' | 'ignored' | 'dropped' | 'answered'

/** One visit at a Controller, until that has closed the connection. Rejects for nothing that the other side does. */
export async function counterfeit(
  address: string,
  trick: CounterfeitTrick,
  options: CounterfeitOptions,
): Promise<CounterfeitEnd> {
  const connection = await options.transport.connect(address, options.timeoutMs).catch(() => undefined)
  if (connection === undefined) return 'unreachable'
  try {
    const forgery = await (trick.kind === 'forged-response'
      ? forgedResponse(connection, options)
      : forgedConfirm(connection, trick.configurator, options))
    if (forgery === undefined) return 'ignored'
    connection.send(forgery)
    return (await connection.receive(options.timeoutMs)) === undefined ? 'dropped' : 'answered'
  } catch (error) {
    if (error instanceof CodecError) return 'ignored'
    throw error
  } finally {
    connection.close()
  }
}

async function forgedResponse(
  connection: EnrolleeConnection,
  { photographed, random, timeoutMs }: CounterfeitOptions,
): Promise<Buffer | undefined> {
  const attributes = encodeAttributes([['responderBootstrappingKeyHash', chirpHash(photographed)]])
  connection.send(encodeFrame({ kind: 'dpp', type: dppFrame.presenceAnnouncement, attributes }))
  const request = await connection.receive(timeoutMs)
  const frame = request && decodeFrame(request)
  if (frame?.kind !== 'dpp' || frame.type !== dppFrame.authenticationRequest) return undefined
  readAuthenticationRequest(decodeAttributes(frame.attributes))
  const { nonceSize, hashSize } = curveProfile(photographed.curve)
  // The I-nonce is in what it cannot open: it has to guess that, too.
  return sealAuthenticationResponse(random(hashSize), {
    responderHash: keyHash(photographed),
    responderProtocolKey: generateDppKey(photographed.curve).point,
    version: protocolVersion,
    responderNonce: random(nonceSize),
    initiatorNonce: random(nonceSize),
    capabilities: capability.enrollee,
    wrappedTag: random(hashSize + 20),
  })
}

async function forgedConfirm(
  connection: EnrolleeConnection,
  configurator: BootstrappingUri,
  { photographed, random, timeoutMs }: CounterfeitOptions,
): Promise<Buffer | undefined> {
  const { curve } = configurator
  const { nonceSize, hashSize } = curveProfile(curve)
  const responder = peerBootstrapping(configurator)
  const initiatorHash = keyHash(photographed)
  const begun = begin({
    responder,
    own: { pair: generateDppKey(curve), hash: initiatorHash },
    protocolKey: generateDppKey(curve),
    nonce: random(nonceSize),
    capabilities: capability.enrollee,
    version: protocolVersion,
  })
  for (const effect of begun.effects) if (effect.type === 'send') connection.send(effect.message)
  const response = await connection.receive(timeoutMs)
  const frame = response && decodeFrame(response)
  if (frame?.kind !== 'dpp' || frame.type !== dppFrame.authenticationResponse) return undefined
  // L takes the private half of the device's key: without it, ke and the tag are guesses.
  return sealAuthenticationConfirm(random(hashSize), {
    status: dppStatus.ok,
    responderHash: responder.hash,
    initiatorHash,
    value: random(hashSize),
  })
}
