import type { RoleName } from '../../domain/authority.ts'
import type { Tables } from '../../domain/port.ts'
import { tokenParty, tokenRoles } from '../../domain/site.ts'
import { siteParty } from './access.ts'

/** What is known of a token or of somebody with a certificate. */
export interface Standing {
  readonly party: string
  readonly roles: readonly RoleName[]
  readonly since: number
  /** `token/<id>` or `caller/<id>` of whoever let in; absent: the site itself. */
  readonly madeBy?: string | undefined
  readonly ended: boolean
}

/** @param id `token/<id>` or `caller/<id>` */
export async function standingOf(tables: Tables, id: string, at: number): Promise<Standing | undefined> {
  const [noun, key = ''] = id.split('/')
  if (noun === 'token') {
    const token = await tables.token.get(key)
    if (token === undefined) return undefined
    const { createdAt, madeBy, revokedAt, expiresAt } = token
    const ended = revokedAt !== undefined || (expiresAt !== undefined && expiresAt <= at)
    return { party: tokenParty(token), roles: tokenRoles(token), since: createdAt, madeBy, ended }
  }
  const caller = noun === 'caller' ? await tables.caller.get(key) : undefined
  if (caller === undefined) return undefined
  const { party, roles, addedAt, madeBy, removedAt, expiresAt } = caller
  const ended = removedAt !== undefined || (expiresAt !== undefined && expiresAt <= at)
  return { party, roles, since: addedAt, madeBy, ended }
}

const maxSteps = 64

/**
 * The people that somebody may be: the own party and, step by step, of whoever let it in, as far back as four eyes are on. Who
 * makes a token sees it, so a token made since then is no second person beside its maker.
 * @param since when four eyes were switched on; whoever was there before is believed to be who he says
 * @returns undefined when it leads nowhere or too far
 */
export async function peopleBehind(
  tables: Tables,
  id: string,
  { since, at }: { readonly since: number; readonly at: number },
): Promise<ReadonlySet<string> | undefined> {
  const people = new Set<string>()
  let next: string | undefined = id
  for (let step = 0; step < maxSteps; step++) {
    const standing: Standing | undefined = await standingOf(tables, next, at)
    if (standing === undefined) return undefined
    people.add(standing.party)
    if (standing.since < since) return people
    if (standing.madeBy === undefined) return people.add(siteParty)
    next = standing.madeBy
  }
  return undefined
}

/** Every party that somebody speaks for now whose roles are `suitable`. */
export async function partiesNow(
  tables: Tables,
  at: number,
  suitable: (roles: readonly RoleName[]) => boolean,
): Promise<ReadonlySet<string>> {
  const parties = new Set<string>()
  const add = async (id: string) => {
    const standing = await standingOf(tables, id, at)
    if (standing !== undefined && !standing.ended && suitable(standing.roles)) parties.add(standing.party)
  }
  for (const noun of ['token', 'caller'] as const) {
    for (let after = ''; ; ) {
      const page: readonly { readonly id: string }[] = await tables[noun].find({}, { after, limit: 1000 })
      for (const { id } of page) await add(`${noun}/${id}`)
      if (page.length < 1000) break
      after = page.at(-1)!.id
    }
  }
  return parties
}
