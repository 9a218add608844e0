import { Recent } from '../../crypto/recent.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { ArtifactFormat } from './artifact.ts'

/** RFC 8995 section 8.3.1. */
export const brskiRoot = '/.well-known/brski'

/** Paths of registrar and MASA (RFC 8995 sections 5.2 to 5.9); the cBRSKI short names are for CoAP only. */
export const brskiPath = {
  requestVoucher: `${brskiRoot}/requestvoucher`,
  voucherStatus: `${brskiRoot}/voucher_status`,
  requestAuditLog: `${brskiRoot}/requestauditlog`,
  enrollStatus: `${brskiRoot}/enrollstatus`,
} as const

/** Media types of what goes over these paths. Voucher bodies are binary, never base64. */
export const brskiMediaType = {
  'voucher-cms+json': 'application/voucher-cms+json',
  'voucher-jws+json': 'application/voucher-jws+json',
  'voucher+cose': 'application/voucher+cose',
  telemetry: 'application/json',
  auditLog: 'application/json',
} as const

const formats = new Map<string, ArtifactFormat>(
  (['voucher-cms+json', 'voucher-jws+json', 'voucher+cose'] as const).map(format => [brskiMediaType[format], format]),
)

export function mediaTypeOf(format: ArtifactFormat): string {
  return brskiMediaType[format]
}

/** The container that a Content-Type names; parameters do not count. Undefined for any other type. */
export function formatOf(contentType: string): ArtifactFormat | undefined {
  return formats.get(contentType.split(';', 1)[0]!.trim().toLowerCase())
}

/**
 * RFC 8995 section 5.2: the formats that an Accept header allows, best first; none absent means `fallback`, the format of
 * the request (BRSKI-PRM section 7.3.1). Quality values order, 0 excludes; an empty list has to be answered with 406.
 */
export function acceptedFormats(accept: string | undefined, fallback: ArtifactFormat): readonly ArtifactFormat[] {
  if (accept === undefined || accept === brskiMediaType[fallback] || accept.trim() === '') return [fallback]
  const quality = new Map<ArtifactFormat, number>()
  for (const range of accept.split(',').slice(0, 32)) {
    const [type, ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    const q = Number(parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? 1)
    const named = type === '*/*' || type === 'application/*' ? fallback : formats.get(type!)
    if (named !== undefined && q <= 1) quality.set(named, Math.max(q, quality.get(named) ?? 0))
  }
  return [...quality]
    .filter(([, q]) => q > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([format]) => format)
}

/**
 * Base URL of a MASA from the extension of the IDevID or from configuration, without a trailing slash. RFC 8995 section
 * 2.3.2: a value without "/" is an authority. Whether the address may be asked at all (private ranges) is the client's to
 * decide when it has resolved the name. Throws OnboardingError `masa-unknown` when there is none, `masa-address-refused`.
 */
export function masaBaseUrl(value: string | undefined): string {
  if (value === undefined || value === '') throw new OnboardingError('masa-unknown')
  let url = baseUrls.get(value)
  if (url === undefined) {
    url = readBaseUrl(value)
    baseUrls.set(value, url)
  }
  return url
}

/** A maker has one for all of its devices. */
const baseUrls = new Recent<string>(256)

function readBaseUrl(value: string): string {
  const text = value.includes('/') ? value : `https://${value}${brskiRoot}`
  // URL forgives white space, backslashes and a missing host; a certificate has no need of that.
  const url = /^https:\/\/[^/\\\s][^\\\s]*$/.test(text) && URL.canParse(text) ? new URL(text) : undefined
  // No user, query or fragment: paths are appended, and a secret does not belong in a certificate.
  if (url === undefined || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new OnboardingError('masa-address-refused', { url: value.slice(0, 200) })
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}
