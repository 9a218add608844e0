import { CodecError } from '../error.ts'
import type { Codec } from './codec.ts'
import type { Writer } from './writer.ts'

/** RFC 5280 4.1.2.5: "no well-defined expiration date", 99991231235959Z. */
export const NO_EXPIRY: Date = new Date(Date.UTC(9999, 11, 31, 23, 59, 59))

const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

/**
 * RFC 5280 Time: UTCTime from 1950 to 2049, GeneralizedTime from 2050 on; seconds present, zone Z, no fraction. A
 * GeneralizedTime before 2050 is read too (other profiles write it, and it has one meaning). Milliseconds are dropped on
 * writing.
 */
export const time: Codec<Date> = {
  tags: [UTC_TIME, GENERALIZED_TIME],
  write(w, value) {
    writeTime(w, value, value.getUTCFullYear() >= 2050)
  },
  read(r) {
    const start = r.pos
    const tag = r.peek() === GENERALIZED_TIME ? GENERALIZED_TIME : UTC_TIME
    const content = r.content(tag)
    return parse(content, tag === GENERALIZED_TIME ? 4 : 2) ?? r.fail('bad-value', 'malformed time', start)
  },
}

/** GeneralizedTime whatever the year, where a type has no UTCTime (RFC 6960): seconds present, zone Z, no fraction. */
export const generalizedTime: Codec<Date> = {
  tags: [GENERALIZED_TIME],
  write(w, value) {
    writeTime(w, value, true)
  },
  read(r) {
    const start = r.pos
    return parse(r.content(GENERALIZED_TIME), 4) ?? r.fail('bad-value', 'malformed time', start)
  },
}

function writeTime(w: Writer, value: Date, generalized: boolean): void {
  const year = value.getUTCFullYear()
  if (!(year >= 1950 && year <= 9999)) throw new CodecError('bad-value', 'time outside 1950 to 9999')
  const mark = w.mark()
  w.octet(0x5a)
  digits(w, value.getUTCSeconds())
  digits(w, value.getUTCMinutes())
  digits(w, value.getUTCHours())
  digits(w, value.getUTCDate())
  digits(w, value.getUTCMonth() + 1)
  digits(w, year % 100)
  if (generalized) digits(w, Math.floor(year / 100))
  w.close(generalized ? GENERALIZED_TIME : UTC_TIME, mark)
}

function digits(w: Writer, value: number): void {
  w.octet(0x30 + (value % 10))
  w.octet(0x30 + Math.floor(value / 10))
}

function parse(content: Uint8Array, yearDigits: 2 | 4): Date | undefined {
  if (content.length !== yearDigits + 11 || content[yearDigits + 10] !== 0x5a) return undefined
  for (let i = 0; i < yearDigits + 10; i++) {
    const octet = content[i]!
    if (octet < 0x30 || octet > 0x39) return undefined
  }
  const at = (i: number) => (content[i]! - 0x30) * 10 + content[i + 1]! - 0x30
  let year = at(0)
  if (yearDigits === 4) year = year * 100 + at(2)
  else year += year < 50 ? 2000 : 1900
  const month = at(yearDigits)
  const day = at(yearDigits + 2)
  const hour = at(yearDigits + 4)
  const minute = at(yearDigits + 6)
  const second = at(yearDigits + 8)
  if (year < 1950 || hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC carries 31 February over into March: such a day does not exist.
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date : undefined
}
