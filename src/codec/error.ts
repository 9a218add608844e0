/** Why a decoder refused its input (or an encoder its value). Closed: callers switch on it. */
export type CodecErrorCode =
  /** The input, or the element that encloses the next one, ends too early. */
  | 'truncated'
  /** Bytes are left after the last element that belongs there. */
  | 'trailing-bytes'
  /** Valid, but not the one shortest form that the encoding rules allow. */
  | 'not-minimal'
  /** Another element was expected here. */
  | 'bad-tag'
  /** The element is of the right kind and its content is not allowed. */
  | 'bad-value'
  /** Text that is not in its alphabet or framing: base64, PEM, UTF-8. */
  | 'bad-encoding'
  /** Elements that must be sorted are not. */
  | 'bad-order'
  /** Something that may occur once occurs again. */
  | 'duplicate'
  /** A limit of the decoder: bytes, nesting, number of elements. */
  | 'too-large'
  | 'too-deep'
  | 'too-many'
  /** Well-formed, but this software does not handle it. */
  | 'unsupported'

/** The only error that `decodeX` and `encodeX` throw. */
export class CodecError extends Error {
  readonly code: CodecErrorCode
  /** Byte of the input at which it was noticed; -1 when encoding. */
  readonly offset: number

  constructor(code: CodecErrorCode, message: string, offset = -1) {
    super(offset < 0 ? message : `${message} (at byte ${offset})`)
    this.name = 'CodecError'
    this.code = code
    this.offset = offset
  }
}
