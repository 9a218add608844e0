import { CodecError } from '../../codec/error.ts'
import { OnboardingError } from '../../domain/error.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import type { ConnectionStatus } from '../../protocol/dpp/configuration-message.ts'
import { verifyConnector } from '../../protocol/dpp/connector.ts'
import { decodeFrame } from '../../protocol/dpp/frame.ts'
import {
  acceptPeerDiscovery,
  answerPeerDiscovery,
  encodePeerDiscoveryRequest,
  type IntroductionOptions,
} from '../../protocol/dpp/introduction.ts'
import type { StoredNetworks } from './enrollee-memory.ts'

/**
 * Tries to join: station and access point show each other their Connectors, as on the air, and agree on a key. The radio is
 * simulated, what they check is not. `noAccessPoint` when either has no Connector.
 */
export function introduce(station: StoredNetworks, accessPoint: StoredNetworks, at: Date): ConnectionStatus {
  const ssid = station.networks[0]?.ssid
  const status = (result: number): ConnectionStatus => ({ result, ...(ssid !== undefined && { ssid }) })
  try {
    const [own, peer] = [station, accessPoint].map(party => introductionOf(party, at))
    if (own === undefined || peer === undefined) return status(dppStatus.noAccessPoint)
    const transaction = 1
    const answered = answerPeerDiscovery(peer, attributesOf(encodePeerDiscoveryRequest(own, transaction)))
    const accepted = acceptPeerDiscovery(own, transaction, attributesOf(answered.message))
    const agreed = answered.introduction?.pmk.equals(accepted.pmk) === true
    return status(agreed ? dppStatus.ok : dppStatus.authenticationFailure)
  } catch (error) {
    if (error instanceof OnboardingError || error instanceof CodecError) return status(dppStatus.invalidConnector)
    throw error
  }
}

function introductionOf({ networks, netAccessKey }: StoredNetworks, at: Date): IntroductionOptions | undefined {
  const credential = networks.find(({ cred }) => cred.connector !== undefined)?.cred.connector
  if (credential === undefined) return undefined
  const { csign: key, kid, signedConnector } = credential
  return { csign: { key, kid }, connector: verifyConnector(signedConnector, { csign: key, kid, at }), netAccessKey, at }
}

function attributesOf(message: Uint8Array): Uint8Array {
  const frame = decodeFrame(message)
  return frame.kind === 'dpp' ? frame.attributes : new Uint8Array()
}
