import { extensionKinds, findExtension } from '../../codec/x509/extension.ts'
import type { Finding, Inspection } from './finding.ts'

/** Where the certificate sends a registrar: to the MASA and to the MUD file. */
export function urlFindings({ certificate }: Inspection): Finding[] {
  const findings: Finding[] = []
  for (const [name, kind, section] of [
    ['masa', extensionKinds.masaUrl, 'RFC 8995 section 2.3.2'],
    ['mud', extensionKinds.mudUrl, 'RFC 8520 section 11'],
  ] as const) {
    if (findExtension(certificate.extensions, kind)?.critical !== true) continue
    findings.push({
      rule: `${name}-url-critical`,
      severity: 'error',
      message: `the ${name.toUpperCase()} URL extension is critical: TLS stacks that do not know it refuse the device`,
      section,
    })
  }
  return [...findings, ...masaFindings(certificate.masaUrl), ...mudFindings(certificate.mudUrl)]
}

function masaFindings(value: string | undefined): Finding[] {
  const section = 'RFC 8995 section 2.3.2'
  const finding = (rule: string, severity: Finding['severity'], message: string): Finding => ({
    rule,
    severity,
    message,
    section,
  })
  if (value === undefined) {
    return [
      finding(
        'masa-url-missing',
        'warning',
        'no MASA URL: each site has to configure where vouchers for this maker come from',
      ),
    ]
  }
  // No "/": an authority, for which registrars put https:// in front and /.well-known/brski behind.
  const url = parse(value.includes('/') ? value : `https://${value}`)
  if (url === undefined) {
    return [
      finding('masa-url-form', 'error', 'the MASA URL is neither a host with an optional port nor a URL: no voucher'),
    ]
  }
  if (url.protocol !== 'https:') {
    return [
      finding('masa-url-not-https', 'error', `the MASA URL begins with ${url.protocol}: registrars use https only`),
    ]
  }
  const findings: Finding[] = []
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    findings.push(finding('masa-url-form', 'error', 'the MASA URL has user, query or fragment: registrars refuse it'))
  }
  const path = url.pathname.replace(/\/$/, '')
  if (path !== '' && path !== '/.well-known/brski') {
    findings.push(
      finding(
        'masa-url-path',
        'warning',
        `the MASA URL has the path ${path}: registrars append /.well-known/brski or drop it; a bare host is understood by all`,
      ),
    )
  }
  if (isLocal(url.hostname)) {
    findings.push(
      finding(
        'masa-url-address',
        'warning',
        `the MASA host ${url.hostname} is an address or a local name: registrars that guard against forged requests refuse it`,
      ),
    )
  }
  return findings
}

function mudFindings(value: string | undefined): Finding[] {
  const section = 'RFC 8520 section 11'
  if (value === undefined) {
    return [
      {
        rule: 'mud-url-missing',
        severity: 'note',
        message: 'no MUD URL: the network learns what the device may talk to by other means, or not at all',
        section,
      },
    ]
  }
  const url = parse(value)
  if (url?.protocol === 'https:') return []
  return [
    {
      rule: url === undefined ? 'mud-url-form' : 'mud-url-not-https',
      severity: 'error',
      message:
        url === undefined
          ? 'the MUD URL is not a URL: MUD managers ignore it'
          : `the MUD URL begins with ${url.protocol}: MUD managers take https only`,
      section,
    },
  ]
}

/** URL has brought every form of an address to dotted digits or brackets. */
function isLocal(host: string): boolean {
  return host.startsWith('[') || /^\d+(\.\d+){3}$/.test(host) || !host.includes('.') || host.endsWith('.local')
}

function parse(text: string): URL | undefined {
  // URL drops tabs and line ends and accepts them; an extension must not have them at all.
  return /[\p{Cc} ]/u.test(text) ? undefined : (URL.parse(text) ?? undefined)
}
