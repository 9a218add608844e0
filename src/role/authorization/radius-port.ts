import type { RadiusPacket } from '../../codec/radius.ts'
import type { Secret } from '../../crypto/secret.ts'

/** An access point, switch or gateway that may ask. */
export interface RadiusClient {
  readonly id: string
  readonly secret: Secret
}

/** A request whose sender has proven that it knows the secret. */
export interface RadiusRequest {
  readonly client: RadiusClient
  readonly address: string
  readonly packet: RadiusPacket
}

/** Answers with a sealed packet, or with nothing. */
export type RadiusService = (request: RadiusRequest) => Promise<Buffer | undefined>
