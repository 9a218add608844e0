import { type Codec, decode, encode, type Infer } from '../der/codec.ts'
import { oid } from '../der/oid.ts'
import { octetString } from '../der/primitive.ts'
import { ia5String } from '../der/string.ts'
import { any, choice, element, explicit, implicit, sequence, sequenceOf } from '../der/structure.ts'
import { Name } from './name.ts'

/** RFC 5280 4.2.1.6; `value` is the DER of what the type defines. */
export const OtherName = sequence({ typeId: oid, value: explicit(0, any) })
export type OtherName = Infer<typeof OtherName>

/** RFC 5280 4.2.1.6, as `{ type, value }`. x400Address and ediPartyName are kept as their DER. */
export const GeneralName = choice({
  otherName: implicit(0, OtherName),
  rfc822Name: implicit(1, ia5String),
  dNSName: implicit(2, ia5String),
  x400Address: element(0xa3),
  directoryName: explicit(4, Name),
  ediPartyName: element(0xa5),
  uniformResourceIdentifier: implicit(6, ia5String),
  iPAddress: implicit(7, octetString),
  registeredID: implicit(8, oid),
})
export type GeneralName = Infer<typeof GeneralName>

export const GeneralNames = sequenceOf(GeneralName, { min: 1 })
export type GeneralNames = Infer<typeof GeneralNames>

/** A kind of otherName: its object identifier and the type of its value. */
export interface OtherNameKind<T> {
  readonly id: string
  readonly codec: Codec<T>
}

/** RFC 4108 5: the kind and serial number of a hardware module; BRSKI's fallback identity (RFC 8995 2.3.1). */
export const hardwareModuleName: OtherNameKind<{ readonly hwType: string; readonly hwSerialNum: Uint8Array }> = {
  id: '1.3.6.1.5.5.7.8.4',
  codec: sequence({ hwType: oid, hwSerialNum: octetString }),
}

/** RFC 8994 6.2.2.1. */
export const acpNodeName: OtherNameKind<string> = { id: '1.3.6.1.5.5.7.8.10', codec: ia5String }

export function otherName<T>(kind: OtherNameKind<T>, value: T): GeneralName {
  return { type: 'otherName', value: { typeId: kind.id, value: encode(kind.codec, value) } }
}

/** The values of all otherNames of one kind. Throws CodecError when one of them is malformed. */
export function otherNames<T>(names: readonly GeneralName[], kind: OtherNameKind<T>): T[] {
  return names
    .filter(name => name.type === 'otherName' && name.value.typeId === kind.id)
    .map(name => decode(kind.codec, (name.value as OtherName).value))
}
