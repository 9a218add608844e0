import { type Codec, decode, encode, type Infer } from './der/codec.ts'
import { oid } from './der/oid.ts'
import { bitString, boolean, octetString, smallInteger } from './der/primitive.ts'
import { any, choice, defaulted, implicit, optional, sequence, sequenceOf, setOf } from './der/structure.ts'
import { CodecError } from './error.ts'
import { Attribute, requestAttribute } from './pkcs10.ts'
import { AlgorithmIdentifier, keyOid } from './x509/algorithm.ts'
import { type Extension, Extensions, refuseDuplicates } from './x509/extension.ts'

/** RFC 7030 4.5.2. */
const AttrOrOID = choice({ oid, attribute: Attribute })
const AttrOrOIDs = sequenceOf(AttrOrOID)
export type AttrOrOID = Infer<typeof AttrOrOID>

/** RFC 9908 3.4: an attribute of the subject; without `value` the client fills it in. */
export const SingleAttributeTemplate = sequence({ type: oid, value: optional(any) })

/** RFC 9908 3.4: an extension of the request; without `value` the client fills it in. */
export const ExtensionTemplate = sequence({
  id: oid,
  critical: defaulted(boolean, false),
  value: optional(octetString),
})
export type ExtensionTemplate = Infer<typeof ExtensionTemplate>

/** RFC 9908 3.4; `subjectPublicKey` is a placeholder that only tells the size of an RSA key. */
export const CertificationRequestInfoTemplate = sequence({
  version: smallInteger,
  subject: optional(sequenceOf(setOf(SingleAttributeTemplate, { min: 1 }))),
  subjectPKInfo: optional(
    implicit(0, sequence({ algorithm: AlgorithmIdentifier, subjectPublicKey: optional(bitString) })),
  ),
  attributes: implicit(1, setOf(Attribute)),
})
export type CertificationRequestInfoTemplate = Infer<typeof CertificationRequestInfoTemplate>

/** id-aa-certificationRequestInfoTemplate and id-aa-extensionReqTemplate (RFC 9908 6). */
export const csrAttribute = {
  certificationRequestInfoTemplate: '1.2.840.113549.1.9.16.2.61',
  extensionReqTemplate: '1.2.840.113549.1.9.16.2.62',
} as const

/** What an EST server wants in a request. Byte values are views into what was decoded. */
export interface CsrAttrs {
  /** Bare object identifiers: "include this", whatever it names. */
  readonly oids: readonly string[]
  /** Attributes with values, those below included. Types that the client does not know are to be ignored (RFC 7030 4.5.2). */
  readonly attributes: readonly Attribute[]
  /** Of the extensionRequest attribute: to be copied into the request as they are (RFC 9908 3.2). */
  readonly extensions: readonly Extension[]
  /**
   * Bare object identifiers inside extensionRequest, as RFC 7030's own example had them. RFC 9908 5.2 calls that wrong;
   * they are read and never written.
   */
  readonly extensionOids: readonly string[]
  /** When there is one, it rules over all else (RFC 9908 3.4). */
  readonly template: CertificationRequestInfoTemplate | undefined
  /** Of the template's attributes. */
  readonly templateExtensions: readonly ExtensionTemplate[]
}

const LIMITS = { size: 0x1_0000, depth: 16, count: 1000 }

/** Reads the DER of CsrAttrs (RFC 7030 4.5.2 as RFC 8951 3.2 and RFC 9908 correct it). Throws CodecError. */
export function decodeCsrAttrs(der: Uint8Array): CsrAttrs {
  const items = decode(AttrOrOIDs, der, LIMITS)
  const attributes = items.filter(item => item.type === 'attribute').map(item => item.value as Attribute)
  const template = soleValue(
    attributes,
    csrAttribute.certificationRequestInfoTemplate,
    CertificationRequestInfoTemplate,
  )
  return {
    oids: items.filter(item => item.type === 'oid').map(item => item.value as string),
    attributes,
    ...readExtensionRequest(attributes),
    template,
    templateExtensions: template === undefined ? [] : readTemplateExtensions(template),
  }
}

function readExtensionRequest(attributes: readonly Attribute[]): Pick<CsrAttrs, 'extensions' | 'extensionOids'> {
  const found = only(attributes, requestAttribute.extensionRequest)
  if (found === undefined) return { extensions: [], extensionOids: [] }
  if (found.values.every(value => value[0] === 0x06)) {
    return { extensions: [], extensionOids: found.values.map(value => decode(oid, value)) }
  }
  const extensions = soleValue(attributes, requestAttribute.extensionRequest, Extensions) ?? []
  refuseDuplicates(extensions)
  return { extensions, extensionOids: [] }
}

function readTemplateExtensions(template: CertificationRequestInfoTemplate): readonly ExtensionTemplate[] {
  if (template.version !== 0) throw new CodecError('unsupported', 'version of the request template')
  const { attributes } = template
  const templates = soleValue(attributes, csrAttribute.extensionReqTemplate, sequenceOf(ExtensionTemplate, { min: 1 }))
  const extensions = soleValue(attributes, requestAttribute.extensionRequest, Extensions)
  // RFC 9908 3.4
  if (templates !== undefined && extensions !== undefined) {
    throw new CodecError('duplicate', 'extensionRequest beside extensionReqTemplate')
  }
  const list = templates ?? extensions ?? []
  refuseDuplicates(list)
  return list
}

function only(attributes: readonly Attribute[], type: string): Attribute | undefined {
  const [first, second] = attributes.filter(attribute => attribute.type === type)
  if (second !== undefined) throw new CodecError('duplicate', `attribute ${type} is there twice`)
  return first
}

function soleValue<T>(attributes: readonly Attribute[], type: string, codec: Codec<T>): T | undefined {
  const values = only(attributes, type)?.values
  if (values === undefined) return undefined
  if (values.length > 1) throw new CodecError('duplicate', `attribute ${type} has two values`)
  return decode(codec, values[0]!, LIMITS)
}

/** What a server writes. `extensions` and `template` become attributes of their own. */
export interface CsrAttrsFields {
  readonly oids?: readonly string[]
  readonly attributes?: readonly Attribute[]
  readonly extensions?: readonly Extension[]
  readonly template?: CertificationRequestInfoTemplate
}

/** DER of CsrAttrs. Throws CodecError `bad-value` or `duplicate`. */
export function encodeCsrAttrs(fields: CsrAttrsFields): Buffer {
  const attributes = [...(fields.attributes ?? [])]
  if (fields.extensions !== undefined) {
    refuseDuplicates(fields.extensions)
    attributes.push({ type: requestAttribute.extensionRequest, values: [encode(Extensions, fields.extensions)] })
  }
  if (fields.template !== undefined) {
    const value = encode(CertificationRequestInfoTemplate, fields.template)
    attributes.push({ type: csrAttribute.certificationRequestInfoTemplate, values: [value] })
  }
  for (const { type } of attributes) only(attributes, type)
  return encode(AttrOrOIDs, [
    ...(fields.oids ?? []).map(value => ({ type: 'oid' as const, value })),
    ...attributes.map(value => ({ type: 'attribute' as const, value })),
  ])
}

/** The kind of key that a server asks for. `curve` is the object identifier of a named curve. */
export type KeyRequest = { readonly algorithm: string; readonly curve?: string; readonly rsaBits?: number }

/**
 * The key asked for by an attribute (RFC 9908 3.1: ecPublicKey with a curve, rsaEncryption with a size) or by the
 * template's algorithm. Undefined: the client chooses.
 */
export function requestedKey({ attributes, template }: CsrAttrs): KeyRequest | undefined {
  const algorithm = template?.subjectPKInfo?.algorithm
  if (algorithm !== undefined) {
    const { parameters } = algorithm
    const curve = algorithm.algorithm === keyOid.ecPublicKey && parameters ? decode(oid, parameters) : undefined
    return { algorithm: algorithm.algorithm, ...(curve !== undefined && { curve }) }
  }
  const curve = soleValue(attributes, keyOid.ecPublicKey, oid)
  if (curve !== undefined) return { algorithm: keyOid.ecPublicKey, curve }
  const rsaBits = soleValue(attributes, keyOid.rsaEncryption, smallInteger)
  return rsaBits === undefined ? undefined : { algorithm: keyOid.rsaEncryption, rsaBits }
}
