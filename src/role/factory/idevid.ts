import { NO_EXPIRY } from '../../codec/der/time.ts'
import { type Extension, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { hardwareModuleName, otherName } from '../../codec/x509/general-name.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { type PreparedCertificate, prepareCertificate } from '../../crypto/issue.ts'
import type { Manufacturer } from './manufacturer-setup.ts'

/** A product as its birth certificates describe it. */
export interface Model {
  /** Product id; stands as commonName in every IDevID, so at most 64 characters. */
  readonly name: string
  /** https URL of the MUD file (RFC 8520). */
  readonly mudUrl?: string
  /** Object identifier of the hardware: adds a hardwareModuleName, for readers that look for the serial there (RFC 4108). */
  readonly hardwareType?: string
}

/**
 * An IDevID before its signature (RFC 8995 section 2.3, IEEE 802.1AR section 8): no end, the serial number in the subject.
 * keyUsage is digitalSignature alone: TLS 1.3 and ECDHE need no more, and a key that also agrees keys is harder to reason
 * about. There is no extendedKeyUsage, since a birth certificate outlives today's list of uses.
 */
export function prepareIdevid(
  { name, masa, idevid }: Manufacturer,
  unit: { readonly model: Model; readonly serial: string; readonly spkiDer: Uint8Array; readonly notBefore: number },
): PreparedCertificate {
  const { model, serial, spkiDer, notBefore } = unit
  return prepareCertificate({
    subject: encodeName({ organizationName: name, commonName: model.name, serialNumber: serial }),
    spkiDer,
    issuer: idevid,
    notBefore: new Date(notBefore),
    notAfter: NO_EXPIRY,
    extensions: [...modelExtensions(masa.extension, model), ...serialExtensions(model, serial)],
  })
}

const made = new WeakMap<Model, { readonly masa: string; readonly extensions: readonly Extension[] }>()

/** What is alike in all units of a model, kept: a batch has thousands. */
function modelExtensions(masa: string, model: Model): readonly Extension[] {
  const known = made.get(model)
  if (known?.masa === masa) return known.extensions
  const extensions = [
    makeExtension(extensionKinds.basicConstraints, { cA: false }),
    makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
    makeExtension(extensionKinds.masaUrl, masa),
    ...(model.mudUrl === undefined ? [] : [makeExtension(extensionKinds.mudUrl, model.mudUrl)]),
  ]
  made.set(model, { masa, extensions })
  return extensions
}

function serialExtensions({ hardwareType }: Model, serial: string): Extension[] {
  if (hardwareType === undefined) return []
  const name = otherName(hardwareModuleName, { hwType: hardwareType, hwSerialNum: Buffer.from(serial, 'latin1') })
  return [makeExtension(extensionKinds.subjectAltName, [name])]
}
