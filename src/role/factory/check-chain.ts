import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName, sameName } from '../../codec/x509/name.ts'
import { PathError, type PathErrorCode, validatePath } from '../../crypto/path.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { Finding, Inspection } from './finding.ts'

const section = 'RFC 5280 section 6.1'
const year = 365.25 * 24 * 3600 * 1000

/** Whether what the device sends leads to a root that a buyer can be given, and for how long. */
export function chainFindings(inspection: Inspection): Finding[] {
  const { certificate, chain } = inspection
  if (sameName(certificate.issuer, certificate.subject)) {
    const message = 'issuer and subject are the same: no anchor vouches for the device'
    return [{ rule: 'self-issued', severity: 'error', message, section }]
  }
  return [...pathFindings(inspection), ...identifierFindings(certificate, chain), ...sizeFindings(inspection)]
}

function pathFindings({ certificate, anchors, chain, at }: Inspection): Finding[] {
  if (anchors.length === 0 && chain.length === 0) {
    const message = 'chain not checked: give the issuing certificates and the root'
    return [{ rule: 'chain-absent', severity: 'note', message, section }]
  }
  // Without roots we can still say whether the certificate that was sent along issued this one.
  const roots: readonly TrustAnchor[] =
    anchors.length > 0 ? anchors : chain.map(sent => ({ name: formatName(sent.subject), certificate: sent }))
  try {
    // That the leaf has run out is a finding of its own.
    const { path, anchor } = validatePath({
      chain: [certificate, ...chain],
      anchors: roots,
      at,
      ignoreLeafLifetime: true,
    })
    return [...path.slice(1), anchor.certificate].flatMap(issuer => lifetimeFindings(issuer, at))
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    const rule = error.code === 'untrusted' ? 'chain-incomplete' : 'chain-refused'
    return [{ rule, severity: 'error', message: `${error.message}: ${consequence(error.code)}`, section }]
  }
}

function consequence(code: PathErrorCode): string {
  if (code === 'untrusted')
    return 'a site that has only the root cannot tell whose device this is; send every intermediate'
  if (code === 'bad-signature')
    return 'an issuer of that name is known and did not sign this; names alone prove nothing'
  return `path validation ends with ${code}`
}

function lifetimeFindings(issuer: Certificate, at: Date): Finding[] {
  const { notAfter } = issuer.validity
  if (notAfter.getTime() - at.getTime() >= 15 * year) return []
  const until = notAfter.toISOString().slice(0, 10)
  const message = `${formatName(issuer.subject)} ends on ${until}: from then on most peers refuse every device below it`
  return [{ rule: 'chain-ends-early', severity: 'warning', message, section: 'RFC 8995 section 2.6.2' }]
}

function identifierFindings(certificate: Certificate, chain: readonly Certificate[]): Finding[] {
  const wanted = certificate.authorityKeyIdentifier?.keyIdentifier
  const issuers = chain.filter(sent => sameName(sent.subject, certificate.issuer))
  if (wanted === undefined || issuers.length === 0) return []
  if (issuers.some(({ subjectKeyIdentifier: own }) => own === undefined || Buffer.compare(own, wanted) === 0)) return []
  const message = 'the AuthorityKeyIdentifier is not the SubjectKeyIdentifier of the issuer: OpenSSL finds no issuer'
  return [{ rule: 'aki-mismatch', severity: 'error', message, section: 'RFC 5280 section 4.2.1.1' }]
}

function sizeFindings({ certificate, chain }: Inspection): Finding[] {
  const bytes = chain.reduce((sum, sent) => sum + sent.der.length, certificate.der.length)
  if (bytes <= 4096) return []
  const message = `${bytes} bytes of certificates in each handshake: slow over EAP, and beyond the buffers of small devices`
  return [{ rule: 'chain-size', severity: 'warning', message, section: 'RFC 9191 section 3' }]
}

/** For callers that have DER: anchors and chains as `checkIdevid` takes them. Throws CodecError. */
export function anchorsOf(ders: readonly Uint8Array[]): TrustAnchor[] {
  return ders.map(der => {
    const certificate = decodeCertificate(der)
    return { name: formatName(certificate.subject), certificate }
  })
}
