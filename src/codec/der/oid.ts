import { CodecError } from '../error.ts'
import type { Codec } from './codec.ts'

// Longest content and largest arc accepted: 2.25.<UUID> (X.667) needs 128 bits in 19 octets.
const MAX_OCTETS = 64
const MAX_ARC_OCTETS = 19
const MAX_CACHED = 512

const encoded = new Map<string, Buffer>()
const decoded = new Map<string, string>()

/** OBJECT IDENTIFIER in dotted decimal. */
export const oid: Codec<string> = {
  tags: [0x06],
  write(w, value, tag = 0x06) {
    let content = encoded.get(value)
    if (content === undefined) {
      content = oidContent(value)
      keep(encoded, value, content)
    }
    const mark = w.mark()
    w.octets(content)
    w.close(tag, mark)
  },
  read(r, tag = 0x06) {
    const start = r.pos
    const content = r.content(tag)
    if (content.length > MAX_OCTETS) r.fail('too-large', 'OBJECT IDENTIFIER too long', start)
    const key = content.toString('latin1')
    let text = decoded.get(key)
    if (text === undefined) {
      text = dotted(content) ?? r.fail('bad-value', 'malformed OBJECT IDENTIFIER', start)
      keep(decoded, key, text)
    }
    return text
  },
}

// Peers choose what is looked up, so the caches are bounded: a full one starts again.
function keep<K, V>(cache: Map<K, V>, key: K, value: V): void {
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(key, value)
}

/** Content octets of an OBJECT IDENTIFIER (X.690 8.19). */
function oidContent(text: string): Buffer {
  const refuse = () => new CodecError('bad-value', `not an OBJECT IDENTIFIER: ${text.slice(0, 80)}`)
  if (text.length > 256 || !/^[012](\.(0|[1-9]\d*))+$/.test(text)) throw refuse()
  const [root, second, ...rest] = text.split('.').map(BigInt) as [bigint, bigint, ...bigint[]]
  if (root < 2n && second > 39n) throw refuse()
  const octets: number[] = []
  for (const arc of [root * 40n + second, ...rest]) {
    const septets = [Number(arc & 0x7fn)]
    for (let more = arc >> 7n; more > 0n; more >>= 7n) septets.unshift(Number(more & 0x7fn) | 0x80)
    if (septets.length > MAX_ARC_OCTETS) throw refuse()
    octets.push(...septets)
  }
  if (octets.length > MAX_OCTETS) throw refuse()
  return Buffer.from(octets)
}

/** Dotted form of content octets, or undefined when they are not in the one DER form. */
function dotted(content: Uint8Array): string | undefined {
  if (content.length === 0 || content[content.length - 1]! >= 0x80) return undefined
  const arcs: bigint[] = []
  for (let i = 0; i < content.length; ) {
    const first = i
    // X.690 8.19.2: a leading 0x80 would be padding.
    if (content[i] === 0x80) return undefined
    let arc = 0n
    do arc = (arc << 7n) | BigInt(content[i]! & 0x7f)
    while (content[i++]! >= 0x80)
    if (i - first > MAX_ARC_OCTETS) return undefined
    arcs.push(arc)
  }
  const [head, ...rest] = arcs as [bigint, ...bigint[]]
  const root = head >= 80n ? 2n : head / 40n
  return [root, head - root * 40n, ...rest].join('.')
}
