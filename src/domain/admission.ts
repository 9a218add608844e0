import type { CredentialPlan } from './credential.ts'
import type { ErrorCode } from './error.ts'

/** The one question that every protocol asks (docs/architecture.md). */
export interface AdmissionRequest {
  readonly identity: ProvenIdentity
  readonly network: { readonly id: string; readonly protocol: OnboardingProtocol }
  /** What the protocol has established so far, beyond the identity. */
  readonly evidence: {
    /** Correlates the events of one attempt. */
    readonly attempt: string
    /** SHA-256 of the messages so far, hex. */
    readonly transcript: string
    readonly address: string
    /** The identity was only named so far. Who would be let in is told to go on and prove it; nothing is granted. */
    readonly claimed?: true
  }
  /** MUD URL that the device conveyed in the encrypted channel; it is held against what its maker signed. */
  readonly intent?: string
  /** Where it stands: `certificate` binds it to the device, `request` is the device's own word; the latter when absent. */
  readonly intentFrom?: 'certificate' | 'request'
}

export type OnboardingProtocol = 'brski' | 'dpp' | 'thread' | 'fdo' | 'matter'

/** An identity that the protocol has verified: path and proof of possession; or possession of a key on record. */
export interface ProvenIdentity {
  /** Name of the trusted manufacturer whose anchor the chain ends in. */
  readonly manufacturer: string
  readonly serial: string
  /** SHA-256 of certificate and of SubjectPublicKeyInfo, hex. */
  readonly certificateHash: string
  readonly keyHash: string
  /** Proven without a certificate, which then has no hash: `keyHash` is that of a bootstrapping key on record. */
  readonly bootstrapping?: BootstrappingProof
  /** End of the birth certificate's lifetime, milliseconds; absent where it has none or the site looks past it. */
  readonly until?: number
}

export interface BootstrappingProof {
  /** What the device is on record for: `manifest/<hash>` or `by <caller>`. */
  readonly source: string
  /** The device has shown that it knows the key of this network, too. */
  readonly mutual: boolean
}

/** Why a decision fell as it did; shown to people and kept in the record. */
export interface AdmissionReason {
  readonly rule:
    | 'manufacturer-trusted'
    | 'device-expected'
    | 'device-approved'
    | 'ownership'
    | 'identity-unique'
    | 'standing'
    | 'lifecycle'
    | 'recall'
    | 'intent'
    | 'policy'
  readonly holds: boolean
  readonly note: string
}

export type AdmissionDecision =
  | {
      readonly verdict: 'admit'
      readonly device: string
      readonly plan: CredentialPlan
      /** The device got a voucher here before: this may be a request that was answered already. */
      readonly hadVoucher: boolean
      /** Policies decide by what the MASA has logged: read it before the voucher is handed on, and ask once more. */
      readonly asksHistory?: true
      readonly reasons: readonly AdmissionReason[]
    }
  | {
      readonly verdict: 'wait'
      readonly device: string
      readonly code: ErrorCode
      readonly retryAfterSeconds: number
      readonly reasons: readonly AdmissionReason[]
    }
  | {
      readonly verdict: 'refuse'
      readonly device: string
      readonly code: ErrorCode
      readonly reasons: readonly AdmissionReason[]
    }

/** Implemented by role/authorization, called by role/onboarding. */
export interface Admission {
  admit(request: AdmissionRequest): Promise<AdmissionDecision>
}
