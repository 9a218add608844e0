import type { Certificate } from '../codec/x509/certificate.ts'

/** A root that an operator chose to trust. Several anchors may share a name while a CA rolls its key over. */
export interface TrustAnchor {
  readonly name: string
  readonly certificate: Certificate
}
