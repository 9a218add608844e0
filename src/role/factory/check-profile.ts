import { NO_EXPIRY } from '../../codec/der/time.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds } from '../../codec/x509/extension.ts'
import { hardwareModuleName } from '../../codec/x509/general-name.ts'
import { attributeType, attributeValues } from '../../codec/x509/name.ts'
import type { Finding, Inspection } from './finding.ts'

const printableStringTag = 0x13
const year = 365.25 * 24 * 3600 * 1000

/** Who the certificate speaks of, for how long and for which use. */
export function profileFindings(inspection: Inspection): Finding[] {
  return [
    ...validityFindings(inspection),
    ...serialFindings(inspection.certificate),
    ...usageFindings(inspection.certificate),
    ...formFindings(inspection.certificate),
  ]
}

function validityFindings({ certificate, at }: Inspection): Finding[] {
  const { notBefore, notAfter } = certificate.validity
  const section = 'RFC 8995 section 2.6.2'
  const findings: Finding[] = []
  const until = notAfter.toISOString().slice(0, 10)
  if (notAfter < at) {
    findings.push({
      rule: 'expired',
      severity: 'error',
      message: `valid until ${until}: a site refuses the device unless it was told to ignore IDevID lifetimes`,
      section,
    })
  } else if (notAfter.getTime() !== NO_EXPIRY.getTime()) {
    const short = notAfter.getTime() - at.getTime() < 50 * year
    findings.push({
      rule: 'expiry-finite',
      severity: short ? 'warning' : 'note',
      message: short
        ? `valid until ${until}: a device that lies in stock or is resold after that cannot be onboarded`
        : `valid until ${until} where 99991231235959Z says "no end"; harmless, but not what readers look for`,
      section,
    })
  }
  if (notBefore > at) {
    findings.push({
      rule: 'not-yet-valid',
      severity: 'warning',
      message: `valid from ${notBefore.toISOString()}: refused until then, also by peers whose clocks lag`,
      section: 'RFC 5280 section 4.1.2.5',
    })
  }
  return findings
}

function serialFindings(certificate: Certificate): Finding[] {
  const section = 'RFC 8995 section 2.3.1'
  const attributes = certificate.subject.rdns.flat().filter(({ type }) => type === attributeType.serialNumber)
  const first = attributes[0]
  if (first === undefined) return [serialAbsent(certificate)]
  const findings: Finding[] = []
  if (attributes.length > 1) {
    findings.push({
      rule: 'serial-repeated',
      severity: 'error',
      message: `${attributes.length} serialNumber attributes: sites disagree about which one names the device`,
      section,
    })
  }
  const [text] = attributeValues(certificate.subject, 'serialNumber')
  if (text !== undefined && /^PID:.* SN:/.test(text)) {
    findings.push({
      rule: 'serial-pid-sn',
      severity: 'warning',
      message:
        'the serialNumber attribute reads "PID:… SN:…": vouchers and manifests name the device by the SN alone, so each site must switch on the quirk serial-pid-sn',
      section,
    })
  }
  if (text === undefined || text.trim() !== text || text === '') {
    findings.push({
      rule: 'serial-form',
      severity: 'error',
      message:
        'the serialNumber attribute is empty, has spaces around it or is no text: it never equals the one on record',
      section,
    })
  } else if (first.valueDer[0] !== printableStringTag) {
    findings.push({
      rule: 'serial-form',
      severity: 'note',
      message: 'the serialNumber attribute is not a PrintableString; some readers compare the string type too',
      section: 'RFC 5280 appendix A.1',
    })
  }
  return findings
}

function serialAbsent(certificate: Certificate): Finding {
  const hardware = certificate.subjectAltName?.some(
    name => name.type === 'otherName' && name.value.typeId === hardwareModuleName.id,
  )
  return hardware === true
    ? {
        rule: 'serial-hwmodule',
        severity: 'warning',
        message: 'the serial number stands only in a hardwareModuleName: registrars without that fallback refuse it',
        section: 'RFC 8995 section 2.3.1',
      }
    : {
        rule: 'serial-missing',
        severity: 'error',
        message: 'no serialNumber in the subject: no registrar can ask for a voucher',
        section: 'RFC 8995 section 2.3.1',
      }
}

function usageFindings(certificate: Certificate): Finding[] {
  const { keyUsage, extendedKeyUsage, basicConstraints } = certificate
  const findings: Finding[] = []
  if (basicConstraints?.cA === true || keyUsage?.includes('keyCertSign') === true) {
    findings.push({
      rule: 'is-ca',
      severity: 'error',
      message: 'the device holds the key of a certification authority and could make more devices',
      section: 'RFC 5280 section 4.2.1.9',
    })
  }
  if (keyUsage === undefined) {
    findings.push({
      rule: 'key-usage-missing',
      severity: 'warning',
      message: 'no keyUsage: works, but profiles that insist on digitalSignature refuse it',
      section: 'IEEE 802.1AR-2018 section 8.10',
    })
  } else if (!keyUsage.includes('digitalSignature')) {
    findings.push({
      rule: 'key-usage-no-signature',
      severity: 'error',
      message: 'keyUsage lacks digitalSignature: TLS client authentication and the signed voucher request are refused',
      section: 'RFC 8446 section 4.4.2.2',
    })
  }
  if (extendedKeyUsage !== undefined) {
    const usable = [extendedKeyUsageOid.clientAuth, extendedKeyUsageOid.anyExtendedKeyUsage] as readonly string[]
    const blocked = !extendedKeyUsage.some(purpose => usable.includes(purpose))
    findings.push({
      rule: blocked ? 'extended-key-usage-blocks-client' : 'extended-key-usage',
      severity: blocked ? 'error' : 'note',
      message: blocked
        ? 'extendedKeyUsage lacks clientAuth: TLS servers refuse the device'
        : 'extendedKeyUsage limits the birth certificate to the uses known today',
      section: 'RFC 5280 section 4.2.1.12',
    })
  }
  return findings
}

/** Critical extensions that every path validation handles (RFC 5280 section 6.1). */
const handled: ReadonlySet<string> = new Set(
  [
    extensionKinds.basicConstraints,
    extensionKinds.keyUsage,
    extensionKinds.extendedKeyUsage,
    extensionKinds.subjectAltName,
    extensionKinds.certificatePolicies,
  ].map(({ id }) => id),
)
const ownCritical: ReadonlySet<string> = new Set([extensionKinds.masaUrl.id, extensionKinds.mudUrl.id])

function formFindings(certificate: Certificate): Finding[] {
  const findings: Finding[] = []
  if (certificate.version !== 3) {
    findings.push({
      rule: 'version',
      severity: 'error',
      message: `version ${certificate.version} has no extensions: refused by every TLS stack of today`,
      section: 'RFC 5280 section 4.1.2.1',
    })
  }
  if (certificate.subject.rdns.length === 0) {
    findings.push({
      rule: 'subject-empty',
      severity: 'error',
      message: 'the subject is empty: nothing names the device',
      section: 'IEEE 802.1AR-2018 section 8.6',
    })
  }
  for (const { id, critical } of certificate.extensions) {
    if (!critical || handled.has(id) || ownCritical.has(id)) continue
    findings.push({
      rule: 'critical-unknown',
      severity: 'error',
      message: `extension ${id} is critical: whoever does not know it must refuse the device`,
      section: 'RFC 5280 section 4.2',
    })
  }
  if (certificate.der.length > 1500) {
    findings.push({
      rule: 'size',
      severity: 'warning',
      message: `${certificate.der.length} bytes: more than one frame, so that EAP and DTLS split it and lossy links lose it`,
      section: 'RFC 9191 section 3',
    })
  }
  const octets = certificate.serialNumber.length + (certificate.serialNumber[0]! >= 0x80 ? 1 : 0)
  if (octets > 20 || certificate.serialHex === '00') {
    findings.push({
      rule: 'certificate-number',
      severity: 'error',
      message: `certificate serial number of ${octets} octets: it must be positive and have at most 20`,
      section: 'RFC 5280 section 4.1.2.2',
    })
  }
  return findings
}
