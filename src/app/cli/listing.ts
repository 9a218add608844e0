import type { Command } from 'commander'
import { count } from './command.ts'

/** Options of a list. */
export interface ListOptions {
  readonly limit: number
}

export function withLimit(command: Command): Command {
  return command.option('--limit <count>', 'how many at most', count(1, 1_000_000), 100)
}

export interface Listed<T> {
  readonly items: readonly T[]
  /** There are more. */
  readonly more: boolean
}

/** Pages of the API, put together up to the limit. */
export async function listed<T>(
  { limit }: ListOptions,
  page: (place: {
    limit: number
    after?: string
  }) => Promise<{ readonly items: readonly T[]; readonly next?: string | undefined }>,
): Promise<Listed<T>> {
  const items: T[] = []
  let after: string | undefined
  // One more than is shown tells whether there are more.
  while (items.length <= limit) {
    const wanted = Math.min(1000, limit + 1 - items.length)
    const found = await page({ limit: wanted, ...(after === undefined ? {} : { after }) })
    items.push(...found.items)
    after = found.next
    if (after === undefined) break
  }
  return { items: items.slice(0, limit), more: items.length > limit }
}

/** The text of a list: the table, or what an empty one means, and a word when it was cut. */
export function listText<T>({ items, more }: Listed<T>, render: (items: readonly T[]) => string, none: string): string {
  if (items.length === 0) return none
  return more ? `${render(items)}\n\n(the first ${items.length}; more with --limit)` : render(items)
}
