import type { Certificate } from '../../codec/x509/certificate.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'

/** `error`: some honest peer refuses the device. `warning`: it works with effort. `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note'

/** One thing about an IDevID, in words for the engineer who set up its production line. */
export interface Finding {
  /** Kebab-case name; stays the same from version to version. */
  readonly rule: string
  readonly severity: Severity
  /** What is there, and what it would do in the field. */
  readonly message: string
  /** Where the standard says so. */
  readonly section: string
}

/** What the rules look at. */
export interface Inspection {
  readonly certificate: Certificate
  readonly anchors: readonly TrustAnchor[]
  readonly chain: readonly Certificate[]
  readonly others: readonly Certificate[]
  readonly at: Date
}
