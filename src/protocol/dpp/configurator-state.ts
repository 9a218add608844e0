import type { AuthenticatedSession, AuthenticationFailure, PeerBootstrapping } from './authentication.ts'
import type { Requested as InitiatorRequested } from './authentication-initiator.ts'
import type { Awaiting, Responded } from './authentication-responder.ts'
import type { ConnectionStatus } from './configuration-message.ts'
import type { ConfigurationRequest } from './configuration-request.ts'
import type { DppKeyPair, DppPublicKey } from './key.ts'

/** The Enrollee is proving who it is: we have asked, or answered. */
export interface Authenticating {
  readonly type: 'authenticating'
  readonly party: InitiatorRequested | Awaiting | Responded
}

/** The Enrollee has yet to ask: for the first time, or again with what was missing. */
export interface Authenticated {
  readonly type: 'authenticated'
  readonly session: AuthenticatedSession
  /** NEW_KEY_NEEDED was said: our key, which the Enrollee's new one has to be on the curve of. */
  readonly ourNewKey?: DppKeyPair
  /** What it has proven to hold, when that is no longer its protocol key. */
  readonly netAccessKey?: DppPublicKey
  /** What was asked and answered before, in case it is asked again. */
  readonly last?: Answered
}

/** A Configuration Request, as it came, and what it was answered with. */
export interface Answered {
  readonly attributes: Uint8Array
  readonly response: Uint8Array
}

/** The caller is deciding what the Enrollee gets. */
export interface Requested {
  readonly type: 'requested'
  readonly session: AuthenticatedSession
  readonly netAccessKey: DppPublicKey
  readonly attributes: Uint8Array
  readonly dialogToken: number
  readonly enrolleeNonce: Uint8Array
}

/** The configuration was sent. */
export interface Configured {
  readonly type: 'configured'
  readonly session: AuthenticatedSession
  readonly enrolleeNonce: Uint8Array
  readonly last: Answered
  readonly connectionStatus: boolean
}

/** The Enrollee has taken it, and is to say whether it could connect. */
export interface Connecting {
  readonly type: 'connecting'
  readonly session: AuthenticatedSession
  readonly enrolleeNonce: Uint8Array
}

/** Over: the connection may be closed. */
export interface Finished {
  readonly type: 'finished'
  readonly outcome: ConfigurationOutcome
}

export type ConfigurationOutcome =
  /** The Enrollee has it, and says so; or is of version 1, and says nothing. */
  | 'accepted'
  /** The Enrollee does not want it. */
  | 'rejected'
  /** Sent, and nothing heard of it. */
  | 'unconfirmed'
  /** We gave nothing. */
  | 'refused'

/** Over: the connection is to be closed, without an answer. */
export interface Failed {
  readonly type: 'failed'
  readonly reason: AuthenticationFailure | 'closed'
  /** What the Enrollee said, of `dppStatus`. */
  readonly status?: number
  readonly detail?: string
}

export type State = Authenticating | Authenticated | Requested | Configured | Connecting | Finished | Failed

export type Input =
  /** A frame without the length in front. */
  | { readonly type: 'received'; readonly message: Uint8Array }
  /** The code of an Initiator that was asked to wait. */
  | { readonly type: 'initiator-scanned'; readonly initiator: PeerBootstrapping }
  /** The same device came on a new connection: the Authentication Request goes out again, as it was. */
  | { readonly type: 'request-lost' }
  | {
      readonly type: 'configuration-granted'
      /** One to ten, as `encodeConfigurationObject` writes them for this version. */
      readonly objects: readonly Uint8Array[]
      /** Ask the Enrollee how connecting went. Only on direct connections: a relay closes before it knows. */
      readonly connectionStatus?: boolean
    }
  /** For another Configurator: DPPEnvelopedData. */
  | { readonly type: 'backup-granted'; readonly envelopedData: Uint8Array }
  /** A certification request is missing. `csrAttributes`: base64 text of CsrAttrs. */
  | { readonly type: 'csr-needed'; readonly csrAttributes: Uint8Array }
  /** The network wants a netAccessKey on the curve of `key`, which was made for this. Only version 3 can do that. */
  | { readonly type: 'new-key-needed'; readonly key: DppKeyPair }
  /** `status` of `dppStatus`, not OK. */
  | { readonly type: 'configuration-refused'; readonly status: number }
  | { readonly type: 'timed-out' }
  | { readonly type: 'closed' }

export type Effect =
  | { readonly type: 'send'; readonly message: Buffer }
  /** A person has to scan our code at the Enrollee: leave it more time. */
  | { readonly type: 'peer-pending' }
  | { readonly type: 'authenticated'; readonly session: AuthenticatedSession }
  /** What is this Enrollee to get? Answer with one of the four inputs. */
  | {
      readonly type: 'configuration-requested'
      readonly session: AuthenticatedSession
      readonly request: ConfigurationRequest
      /** For the Connector: the Enrollee has proven that it holds the private half. */
      readonly netAccessKey: DppPublicKey
    }
  /** The Configuration Result; of version 1, which has none, that the configuration went out. */
  | { readonly type: 'configuration-resulted'; readonly status: number }
  | { readonly type: 'connection-reported'; readonly status: ConnectionStatus }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}
