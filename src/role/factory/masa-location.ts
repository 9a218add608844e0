import { CodecError } from '../../codec/error.ts'
import type { GeneralName } from '../../codec/x509/general-name.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { OnboardingError } from '../../domain/error.ts'

/** Where a manufacturer's MASA is, as its devices and its TLS certificate say it. */
export interface MasaLocation {
  /** Of the IDevID extension: the authority alone where that says it all (RFC 8995 section 2.3.2). */
  readonly extension: string
  /** For the subjectAltName of the MASA's TLS certificate. */
  readonly host: GeneralName
  /** `https://host[:port]/.well-known/brski`, or the path that was given. */
  readonly baseUrl: string
}

const defaultPath = '/.well-known/brski'

/** `masa.example`, `masa.example:9443` or an https URL. Throws OnboardingError `input-invalid`. */
export function masaLocation(masaUrl: string): MasaLocation {
  const refuse = (rule: string) => new OnboardingError('input-invalid', { field: 'masaUrl', rule })
  const url = URL.parse(masaUrl.includes('/') ? masaUrl : `https://${masaUrl}`)
  if (url === null || url.hostname === '' || !/^[\x21-\x7e]{1,200}$/.test(masaUrl)) throw refuse('not a host or URL')
  if (url.protocol !== 'https:') throw refuse('https only')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw refuse('no user, query or fragment')
  }
  const path = url.pathname.replace(/\/+$/, '')
  const usual = path === '' || path === defaultPath
  try {
    return {
      extension: usual ? url.host : `https://${url.host}${path}`,
      host: hostName(url.hostname.replace(/^\[|\]$/g, '')),
      baseUrl: `https://${url.host}${usual ? defaultPath : path}`,
    }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw refuse(error.message)
  }
}
