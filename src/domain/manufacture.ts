import type { ComponentList } from './component.ts'
/** The records that a manufacturer keeps: units made, batches, vouchers given. */

import type { LifecycleState, TransitionId } from './lifecycle.ts'

/** One finished device, with its birth certificate in it, as the factory knows it. Never holds the device's private key. */
export interface UnitRecord {
  /** Unique within the manufacturer. */
  readonly serial: string
  readonly model: string
  readonly batch: string
  /** IDevID, DER base64, and its chain up to but without the root. */
  readonly idevid: string
  readonly chain: readonly string[]
  /** SHA-256 of the SubjectPublicKeyInfo, hex; unique. */
  readonly keyHash: string
  /** `DPP:…;;` of its label, where it can be onboarded by Wi-Fi Easy Connect. */
  readonly bootstrappingUri?: string
  /** Where the key was made: on the device (CSR), in a hardware token, or by the simulator. */
  readonly keyOrigin: 'device' | 'pkcs11' | 'simulated'
  /** Current owner, as named in the newest declaration. */
  readonly owner: string
  /**
   * Domain ids (RFC 8995 section 5.8.2) whose registrars may onboard the device: those of the owner and of the authorized
   * onboarders, as the newest declaration says. The MASA asks this on every request, so it does not open the JWS again.
   */
  readonly domains: readonly string[]
  /** Newest device information declaration, JWS. */
  readonly declaration: string
  readonly declarationVersion: number
  /** Hash of the request that the newest declaration follows from, hex; absent when it was the manufacturer's own doing. */
  readonly change?: string
  readonly madeAt: number
  readonly withdrawnAt?: number
  /** Where it is in the supply chain; absent: where it was made (SC.MFG). */
  readonly lifecycle?: LifecycleState
  /** The step by which it came there. */
  readonly movedBy?: TransitionId
  /** Version of the stream `unit/<serial>`. */
  readonly version: number
}

/** A signed file that the manufacturer gave out: to one buyer, or to all. */
export interface PublicationRecord {
  /** Its number in the order of publication, twelve digits. */
  readonly id: string
  readonly kind: 'manifest' | 'recall'
  /** Id of the buyer; empty: all. */
  readonly buyer: string
  /** The manufacturer's name of the recall and the number of the notice about it; empty and 0 for a manifest. */
  readonly recall: string
  readonly number: number
  /** SHA-256 of the file, hex: its key among the documents. */
  readonly document: string
  readonly bytes: number
  readonly at: number
}

export interface BatchRecord {
  readonly id: string
  readonly model: string
  readonly count: number
  /** Units that have stored their IDevID, as of the last group. */
  readonly made: number
  /** What its units are made of, as the factory measured it. */
  readonly components?: ComponentList
  readonly startedAt: number
  readonly finishedAt?: number
}

/**
 * A voucher that the MASA logged before it signed it (RFC 8995 sections 5.6 and 5.8.1). All that a voucher says follows
 * from its entry and the request, so that it can be signed again; its bytes are not kept.
 */
export interface IssuedVoucherRecord {
  /** SHA-256 of the registrar voucher request, hex. */
  readonly id: string
  readonly serial: string
  /** Base64 SubjectKeyIdentifier of the pinned certificate, or SHA-256 of its SPKI (section 5.8.2). */
  readonly domain: string
  /** SHA-256 of the pinned certificate's SubjectPublicKeyInfo, hex: what `domain` only claims, this proves. */
  readonly domainKey: string
  readonly nonce: string | null
  readonly assertion: 'logged' | 'proximity' | 'verified'
  readonly loggedAt: number
  /** SHA-256 of the pledge's own request within the registrar's, hex; null when there was none. */
  readonly pledgeRequest: string | null
  /** Version of the declaration by which it was given. */
  readonly declarationVersion: number
}

/** A declaration that a newer one has superseded: the signed history of a unit's owners. The newest is in the unit. */
export interface FormerDeclarationRecord {
  /** `<serial>/<version>`, the version in ten digits. */
  readonly id: string
  readonly serial: string
  readonly declarationVersion: number
  /** JWS. */
  readonly declaration: string
}
