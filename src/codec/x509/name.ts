import { type Codec, decode, encode } from '../der/codec.ts'
import { oid } from '../der/oid.ts'
import { directoryString, ia5String, printableString, utf8String } from '../der/string.ts'
import { any, sequence, sequenceOf, setOf, signed } from '../der/structure.ts'
import { CodecError } from '../error.ts'

/** X.520 attribute types by their standard names; also RFC 4519 (domainComponent, userId) and PKCS #9 (emailAddress). */
export const attributeType = {
  commonName: '2.5.4.3',
  surname: '2.5.4.4',
  serialNumber: '2.5.4.5',
  countryName: '2.5.4.6',
  localityName: '2.5.4.7',
  stateOrProvinceName: '2.5.4.8',
  streetAddress: '2.5.4.9',
  organizationName: '2.5.4.10',
  organizationalUnitName: '2.5.4.11',
  title: '2.5.4.12',
  givenName: '2.5.4.42',
  dnQualifier: '2.5.4.46',
  pseudonym: '2.5.4.65',
  organizationIdentifier: '2.5.4.97',
  userId: '0.9.2342.19200300.100.1.1',
  domainComponent: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
} as const

export type AttributeTypeName = keyof typeof attributeType

/** One attribute of a name. */
export interface AttributeTypeAndValue {
  /** Object identifier. */
  readonly type: string
  /** The text, when the value is a string; other values have only `valueDer`. */
  readonly value: string | undefined
  readonly valueDer: Uint8Array
}

/** A distinguished name with the exact bytes it was read from. */
export interface Name {
  readonly der: Uint8Array
  /** Relative distinguished names as in the encoding, the most significant first. */
  readonly rdns: readonly (readonly AttributeTypeAndValue[])[]
}

const rdnSequence = sequenceOf(setOf(sequence({ type: oid, value: any }), { min: 1 }))
const signedName = signed(rdnSequence)

/** Codec of a Name; writes `der`. */
export const Name: Codec<Name> = {
  tags: signedName.tags,
  write(w, { der }) {
    any.write(w, der)
  },
  read(r) {
    const { der, value } = signedName.read(r)
    return { der, rdns: value.map(rdn => rdn.map(readAttribute)) }
  },
}

const stringTags = new Set(directoryString.tags)

function readAttribute({ type, value }: { type: string; value: Uint8Array }): AttributeTypeAndValue {
  return { type, value: stringTags.has(value[0]!) ? decode(directoryString, value) : undefined, valueDer: value }
}

export function decodeName(der: Uint8Array): Name {
  return decode(Name, der)
}

/** Values by standard name; a list makes one RDN of each of its values. Written in the order of the members. */
export type NameFields = { readonly [K in AttributeTypeName]?: string | readonly string[] | undefined }

// RFC 5280 appendix A: the attributes that are not DirectoryStrings.
const PRINTABLE = new Set<string>(['serialNumber', 'countryName', 'dnQualifier'])
const IA5 = new Set<string>(['domainComponent', 'emailAddress'])
// The same appendix: upper bounds in characters.
const BOUND: { readonly [K in AttributeTypeName]?: number } = { countryName: 2, commonName: 64, serialNumber: 64 }

/**
 * DER of a Name with one attribute in each RDN. Throws CodecError `bad-value` for text that its attribute cannot hold
 * (serialNumber and countryName are PrintableStrings) or that is empty or too long.
 *
 * @example encodeName({ organizationName: 'Example', serialNumber: 'JADA123456789' })
 */
export function encodeName(fields: NameFields): Buffer {
  const rdns: { type: string; value: Uint8Array }[][] = []
  for (const name of Object.keys(fields) as AttributeTypeName[]) {
    const given = fields[name]
    const values = given === undefined ? [] : typeof given === 'string' ? [given] : given
    for (const value of values) rdns.push([{ type: attributeType[name], value: encodeValue(name, value) }])
  }
  return encode(rdnSequence, rdns)
}

function encodeValue(name: AttributeTypeName, value: string): Buffer {
  if (attributeType[name] === undefined) throw new CodecError('bad-value', `unknown attribute ${name}`)
  if (value === '' || value.length > (BOUND[name] ?? 256)) throw new CodecError('bad-value', `length of ${name}`)
  return encode(PRINTABLE.has(name) ? printableString : IA5.has(name) ? ia5String : utf8String, value)
}

/** All texts that `name` has for an attribute; several are possible, and who identifies by one should insist on one. */
export function attributeValues(name: Name, type: AttributeTypeName): string[] {
  const id = attributeType[type]
  const values: string[] = []
  for (const rdn of name.rdns) {
    for (const attribute of rdn) {
      if (attribute.type === id && attribute.value !== undefined) values.push(attribute.value)
    }
  }
  return values
}

// RFC 4514 3, then descriptors registered with IANA (RFC 4520).
const shortName = new Map<string, string>([
  ...Object.entries(attributeType).map(([name, id]) => [id, name] as const),
  [attributeType.commonName, 'CN'],
  [attributeType.localityName, 'L'],
  [attributeType.stateOrProvinceName, 'ST'],
  [attributeType.organizationName, 'O'],
  [attributeType.organizationalUnitName, 'OU'],
  [attributeType.countryName, 'C'],
  [attributeType.streetAddress, 'STREET'],
  [attributeType.domainComponent, 'DC'],
  [attributeType.userId, 'UID'],
])

/** RFC 4514 text, the least significant RDN first: `CN=reg,O=Example`. Safe to print: control characters are escaped. */
export function formatName(name: Name): string {
  return name.rdns
    .map(rdn => rdn.map(formatAttribute).join('+'))
    .reverse()
    .join(',')
}

function formatAttribute({ type, value, valueDer }: AttributeTypeAndValue): string {
  const short = shortName.get(type)
  // RFC 4514 2.4: a value without a string form, or of a type without a short name, is the hexadecimal of its DER.
  if (short === undefined || value === undefined) return `${short ?? type}=#${Buffer.from(valueDer).toString('hex')}`
  return `${short}=${escapeValue(value)}`
}

function escapeValue(value: string): string {
  return value
    .replace(/["+,;<>\\]|^[ #]| $/g, '\\$&')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, c => Buffer.from(c, 'utf8').toString('hex').replace(/../g, '\\$&'))
}

/**
 * A key under which names are equal exactly when RFC 5280 7.1 calls them so: letter case, runs of spaces, the string type
 * and compatibility forms do not count.
 */
export function nameKey(name: Name): string {
  return JSON.stringify(name.rdns.map(rdn => rdn.map(normalAttribute).sort(compareText)))
}

function normalAttribute({ type, value, valueDer }: AttributeTypeAndValue): string {
  if (value === undefined) return `${type}#${Buffer.from(valueDer).toString('hex')}`
  // RFC 4518 2: map, fold (through upper case, so that sharp s is ss), normalise, then insignificant spaces.
  const text = value
    .replace(/\p{Cf}|\p{Variation_Selector}|\u034F|\uFFFC/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replace(/\s+/g, ' ')
    .trim()
  return `${type}=${text}`
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

export function sameName(a: Name, b: Name): boolean {
  return Buffer.compare(a.der, b.der) === 0 || nameKey(a) === nameKey(b)
}
