import { CodecError } from '../../codec/error.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { chainFindings } from './check-chain.ts'
import { keyFindings } from './check-key.ts'
import { profileFindings } from './check-profile.ts'
import { urlFindings } from './check-url.ts'
import type { Finding, Inspection, Severity } from './finding.ts'

export interface CheckOptions {
  /** Roots that buyers will be given. With them the whole path is validated. */
  readonly anchors?: readonly TrustAnchor[]
  /** Intermediates that the device sends along, in any order. */
  readonly chain?: readonly Certificate[]
  /** IDevIDs of other units, among which no key may come again. */
  readonly others?: readonly Certificate[]
  /** Default: now. */
  readonly at?: Date
}

const order: readonly Severity[] = ['error', 'warning', 'note']

/**
 * What a birth certificate would meet in the field, worst first; an empty list is a good certificate. Never throws on
 * account of the certificate: one that cannot be read is the finding `unreadable`.
 */
export function checkIdevid(certificateDer: Uint8Array, options: CheckOptions = {}): readonly Finding[] {
  let certificate: Certificate
  try {
    certificate = decodeCertificate(certificateDer)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return [
      {
        rule: 'unreadable',
        severity: 'error',
        message: `strict readers stop at ${error.message}: the device cannot open a TLS connection`,
        section: 'RFC 5280 section 4.1',
      },
    ]
  }
  const { anchors = [], chain = [], others = [], at = new Date() } = options
  const inspection: Inspection = { certificate, anchors, chain, others, at }
  const findings = [profileFindings, urlFindings, keyFindings, chainFindings].flatMap(find => find(inspection))
  return findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
}
