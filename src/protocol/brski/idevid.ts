import { CodecError } from '../../codec/error.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extensionKinds, extnValue, findExtension, makeExtension } from '../../codec/x509/extension.ts'
import { hardwareModuleName, otherNames } from '../../codec/x509/general-name.ts'
import { attributeValues } from '../../codec/x509/name.ts'
import { keyIdentifier } from '../../crypto/key.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type Quirk, Tolerance } from './quirk.ts'

/**
 * RFC 8995 section 2.3.1: the serialNumber attribute (2.5.4.5) of the subject, else the serial number of a
 * hardwareModuleName: as text when it is printable ASCII, else in upper-case hexadecimal. Throws OnboardingError
 * `idevid-serial-missing`, also when there are several to choose from, or one that people cannot read.
 * @param quirks a Tolerance to have used ones noted in it
 */
export function deviceSerialNumber(certificate: Certificate, quirks: readonly Quirk[] | Tolerance = []): string {
  const tolerance = quirks instanceof Tolerance ? quirks : new Tolerance(quirks)
  const named = attributeValues(certificate.subject, 'serialNumber')
  if (named.length > 0) return productSerial(only(named), tolerance)
  const modules = hardwareSerials(certificate)
  return only(modules.length > 0 && tolerance.accepts('serial-hwmodule') ? modules : [])
}

const maxSerial = 128

function only(values: readonly string[]): string {
  const value = values[0]
  if (value === undefined || value === '') throw new OnboardingError('idevid-serial-missing')
  if (values.length > 1)
    throw new OnboardingError('idevid-serial-missing', { reason: `${values.length} to choose from` })
  // X.520 allows 64 characters. What cannot be read can neither be expected nor approved, and looks like another one.
  if (value.length > maxSerial || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(value))
    throw new OnboardingError('idevid-serial-missing', { reason: 'not 1 to 128 visible characters' })
  return value
}

/** `PID:x SN:y`: product and serial number in one attribute. */
function productSerial(value: string, tolerance: Tolerance): string {
  const serial = /^PID:\S+ SN:(\S+)$/.exec(value)?.[1]
  return serial !== undefined && tolerance.accepts('serial-pid-sn') ? serial : value
}

function hardwareSerials({ subjectAltName = [] }: Certificate): string[] {
  try {
    return otherNames(subjectAltName, hardwareModuleName).map(({ hwSerialNum }) => serialText(Buffer.from(hwSerialNum)))
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new OnboardingError('idevid-serial-missing', { reason: 'malformed hardwareModuleName' }, { cause })
  }
}

function serialText(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  return /^[\x21-\x7e]+$/.test(text) ? text : bytes.toString('hex').toUpperCase()
}

/**
 * RFC 8366bis section 6.1: the whole extnValue of the AuthorityKeyIdentifier, OCTET STRING header and all; for an IDevID
 * without one, the same made from the SHA-1 of its own public key.
 */
export function idevidIssuer(certificate: Certificate): Buffer {
  const own = findExtension(certificate.extensions, extensionKinds.authorityKeyIdentifier)
  return extnValue(own ?? standIn(certificate))
}

function standIn({ spkiDer }: Certificate) {
  return makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: keyIdentifier(spkiDer) })
}
