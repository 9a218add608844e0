import { type CsrAttrs, requestedKey } from '../../codec/csrattrs.ts'
import { encode } from '../../codec/der/codec.ts'
import { oid } from '../../codec/der/oid.ts'
import { isPrintable, printableString, utf8String } from '../../codec/der/string.ts'
import { any, sequence, sequenceOf, setOf } from '../../codec/der/structure.ts'
import { CodecError } from '../../codec/error.ts'
import { keyOid } from '../../codec/x509/algorithm.ts'
import type { Extension } from '../../codec/x509/extension.ts'
import { attributeType } from '../../codec/x509/name.ts'
import type { Curve } from '../../crypto/signer.ts'

/** What a client can put into a request when the server leaves it the choice. */
export interface CsrDefaults {
  /** Name in DER. */
  readonly subject: Uint8Array
  /** Of the device; fills the places that a template leaves open. */
  readonly serialNumber: string
  readonly curve: Curve
  /** All that its key store can do. */
  readonly curves: readonly Curve[]
  /** To be asked for unless the server wants something else under the same identifier: the names of a renewal. */
  readonly extensions?: readonly Extension[]
}

/** The request to be made; key and signature are added by whoever holds the key. */
export interface CsrPlan {
  readonly curve: Curve
  readonly subject: Uint8Array
  readonly extensions: readonly Extension[]
}

const curveByOid: ReadonlyMap<string, Curve> = new Map([
  [keyOid.secp256r1, 'P-256'],
  [keyOid.secp384r1, 'P-384'],
  [keyOid.secp521r1, 'P-521'],
])

/**
 * A request that follows the server's CSR attributes (RFC 7030 section 4.5.2, RFC 9908 section 3), which the registrar of
 * RFC 8995 section 5.9.2 insists on. Throws CodecError `unsupported` for a key that this client cannot make.
 */
export function planCsr(attrs: CsrAttrs | undefined, defaults: CsrDefaults): CsrPlan {
  const { subject, curve, extensions = [] } = defaults
  if (attrs === undefined) return { curve, subject, extensions }
  const wanted = attrs.template === undefined ? attrs.extensions : filledExtensions(attrs)
  const own = extensions.filter(({ id }) => !wanted.some(extension => extension.id === id))
  return {
    curve: chosenCurve(attrs, defaults),
    subject: attrs.template?.subject === undefined ? subject : filledSubject(attrs.template.subject, defaults),
    extensions: [...wanted, ...own],
  }
}

function chosenCurve(attrs: CsrAttrs, { curve, curves }: CsrDefaults): Curve {
  const wanted = requestedKey(attrs)
  if (wanted === undefined) return curve
  if (wanted.algorithm !== keyOid.ecPublicKey) throw new CodecError('unsupported', `key type ${wanted.algorithm}`)
  if (wanted.curve === undefined) return curve
  const found = curveByOid.get(wanted.curve)
  if (found === undefined || !curves.includes(found)) throw new CodecError('unsupported', `curve ${wanted.curve}`)
  return found
}

const rdnSequence = sequenceOf(setOf(sequence({ type: oid, value: any }), { min: 1 }))

type SubjectTemplate = NonNullable<NonNullable<CsrAttrs['template']>['subject']>

/** RFC 9908 section 3.4: what the server left open is ours to say, and what we cannot say is left out. */
function filledSubject(template: SubjectTemplate, { serialNumber, subject }: CsrDefaults): Uint8Array {
  const rdns = template
    .map(rdn =>
      rdn.flatMap(({ type, value }) => {
        const filled = value ?? ownValue(type, serialNumber)
        return filled === undefined ? [] : [{ type, value: filled }]
      }),
    )
    .filter(rdn => rdn.length > 0)
  return rdns.length === 0 ? subject : encode(rdnSequence, rdns)
}

function ownValue(type: string, serialNumber: string): Uint8Array | undefined {
  if (type !== attributeType.serialNumber && type !== attributeType.commonName) return undefined
  return encode(isPrintable(serialNumber) ? printableString : utf8String, serialNumber)
}

function filledExtensions({ templateExtensions }: CsrAttrs): Extension[] {
  return templateExtensions.flatMap(({ id, critical, value }) => (value === undefined ? [] : [{ id, critical, value }]))
}
