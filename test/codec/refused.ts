import assert from 'node:assert/strict'
import { CodecError, type CodecErrorCode } from '../../src/codec/error.ts'

/** Asserts that `call` throws a CodecError with this code. */
export function refused(code: CodecErrorCode, call: () => unknown): void {
  assert.throws(call, error => {
    assert.ok(error instanceof CodecError, `not a CodecError: ${String(error)}`)
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** Asserts that `call` returns or throws a CodecError whose offset lies within `size` bytes; true when it returned. */
export function total(call: () => unknown, size: number): boolean {
  try {
    call()
    return true
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    assert.ok(error.offset >= -1 && error.offset <= size, `offset ${error.offset} of ${size}: ${error.message}`)
    return false
  }
}
