/** One policy of a text, with all that stands before it. Offsets count UTF-16 units. */
export interface Piece {
  readonly text: string
  readonly start: number
}

export interface Scan {
  readonly pieces: readonly Piece[]
  /** Deepest nesting of brackets. */
  readonly depth: number
  /** Where the deepest bracket opens. */
  readonly deepest: number
}

// Cedar has line comments only; a string that does not end goes to the end of the text, and Cedar will say so.
const token = /\/\/[^\n]*|"(?:[^"\\]|\\[\s\S])*(?:"|$)|[([{]|[)\]}]|;/g

/**
 * Cuts a text into its policies. Cedar alone decides what is a policy; this finds where each begins and how deep it goes,
 * before a parser that has no limit of its own sees it.
 */
export function scanPolicies(source: string): Scan {
  const pieces: Piece[] = []
  let start = 0
  let level = 0
  let depth = 0
  let deepest = 0
  for (const { 0: found, index } of source.matchAll(token)) {
    if (/^[([{]$/.test(found)) level++
    else if (/^[)\]}]$/.test(found)) level = Math.max(0, level - 1)
    if (level > depth) {
      depth = level
      deepest = index
    }
    if (found !== ';' || level > 0) continue
    pieces.push({ text: source.slice(start, index + 1), start })
    start = index + 1
  }
  const rest = source.slice(start)
  // Comments alone are no policy.
  if (rest.replace(/\/\/[^\n]*/g, '').trim() !== '') pieces.push({ text: rest, start })
  return { pieces, depth, deepest }
}

/** Line and column, from 1. */
export function placeOf(source: string, offset: number): { readonly line: number; readonly column: number } {
  const before = source.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}

/** Where the policy itself begins, behind comments and space. */
export function beginningOf({ text, start }: Piece): number {
  return start + (/^(?:\s|\/\/[^\n]*(?:\n|$))*/.exec(text)?.[0].length ?? 0)
}
