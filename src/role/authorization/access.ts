import { hash } from 'node:crypto'
import { Secret } from '../../crypto/secret.ts'
import type { RoleName } from '../../domain/authority.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Random, Store, Tx } from '../../domain/port.ts'
import type { AccessToken } from '../../domain/site.ts'

/** A token as text: `mrg_` and 43 characters of base64url, 256 bits. The prefix lets secret scanners find a leaked one. */
const tokenForm = /^mrg_[A-Za-z0-9_-]{43}$/

/** Who made the tokens that a site makes for itself: whoever is at its machine. */
export const siteParty = 'site'

/** Written with the first token: a site whose tokens were all lost or revoked must not open itself again. */
const bootstrapMark = 'first-administrator'

export interface Access {
  /** Who a bearer token speaks for. Throws OnboardingError `not-authenticated`. */
  authenticate(token: string): Promise<AccessToken>
  /** The secret is handed out this once; the record keeps its hash. */
  create(request: {
    readonly name: string
    /** The name when absent. */
    readonly party?: string
    readonly roles: readonly RoleName[]
    readonly lifetimeDays?: number
    readonly by: string
    /** `token/<id>` or `caller/<id>` of whoever makes it. */
    readonly madeBy?: string
  }): Promise<{ readonly token: AccessToken; readonly secret: Secret }>
  revoke(id: string, by: string): Promise<AccessToken>
  /** The first administrator token of a new site; undefined when there has ever been one. */
  bootstrap(): Promise<Secret | undefined>
}

export function createAccess(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
}): Access {
  const { store, clock } = options
  const access: Access = {
    async authenticate(token) {
      if (!tokenForm.test(token)) throw new OnboardingError('not-authenticated')
      // The look-up is by the hash of 256 random bits: its timing tells nothing that helps to guess one.
      const [record] = await store.read(tables =>
        tables.token.find({ hash: hash('sha256', token, 'hex') }, { limit: 1 }),
      )
      const ended = record?.revokedAt !== undefined || (record?.expiresAt ?? Number.POSITIVE_INFINITY) <= clock()
      if (record === undefined || ended) throw new OnboardingError('not-authenticated')
      return record
    },
    async create({ by, ...terms }) {
      const { record, text } = newToken(options, terms)
      await store.transaction(tx => recordToken(tx, record, by))
      return { token: record, secret: new Secret(text) }
    },
    revoke: (id, by) =>
      store.transaction(async tx => {
        const record = await tx.token.get(id)
        if (record === undefined) throw new OnboardingError('not-found', { token: id })
        if (record.revokedAt !== undefined) return record
        const revoked = { ...record, revokedAt: clock() }
        await tx.token.put(revoked)
        await tx.append(streamName('token', id), 1, [{ kind: 'token-revoked', body: { by } }])
        return revoked
      }),
    async bootstrap() {
      const { record, text } = newToken(options, {
        name: 'first-administrator',
        party: siteParty,
        roles: ['administrator'],
      })
      try {
        const made = await store.transaction(tx => appointFirst(tx, record))
        return made ? new Secret(text) : undefined
      } catch (error) {
        // Another process of a site that starts for the first time was faster.
        if (error instanceof OnboardingError && error.code === 'store-exists') return undefined
        throw error
      }
    },
  }
  return access
}

/** False when a first administrator was appointed before. */
async function appointFirst(tx: Tx, record: AccessToken): Promise<boolean> {
  if ((await tx.setting.get(bootstrapMark)) !== undefined) return false
  await tx.setting.insert({ name: bootstrapMark, value: record.id })
  await recordToken(tx, record, 'first start')
  return true
}

async function recordToken(tx: Tx, record: AccessToken, by: string): Promise<void> {
  await tx.token.insert(record)
  const { id, name, party = name, roles = [], hash: tokenHash, expiresAt, madeBy } = record
  // The hash of 256 random bits tells nothing, and without it somebody could put the hash of his own token in the row.
  const body = {
    ...{ name, party, roles: [...roles], tokenHash, by },
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(madeBy === undefined ? {} : { madeBy }),
  }
  await tx.append(streamName('token', id), 0, [{ kind: 'token-created', body }])
}

function newToken(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  terms: Pick<Parameters<Access['create']>[0], 'name' | 'party' | 'roles' | 'lifetimeDays' | 'madeBy'>,
): { readonly record: AccessToken; readonly text: string } {
  const text = `mrg_${Buffer.from(random(32)).toString('base64url')}`
  const { name, party = name, roles, lifetimeDays, madeBy } = terms
  const createdAt = clock()
  const record: AccessToken = {
    id: Buffer.from(random(9)).toString('hex'),
    name,
    party,
    roles: [...new Set(roles)],
    hash: hash('sha256', text, 'hex'),
    createdAt,
    ...(madeBy === undefined ? {} : { madeBy }),
    ...(lifetimeDays === undefined ? {} : { expiresAt: createdAt + lifetimeDays * 86_400_000 }),
  }
  return { record, text }
}
