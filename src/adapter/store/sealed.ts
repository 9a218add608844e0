import { hash } from 'node:crypto'
import * as z from 'zod'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Store, Table, Tables } from '../../domain/port.ts'
import { openSealed, seal } from '../key/seal.ts'

const Box = z.strictObject({ nonce: z.base64(), box: z.base64() })

interface Declared {
  readonly declaration: string
}

/** As it lies in the table: the box, and the hash that the ledger knows the declaration by. */
interface Kept extends Declared {
  readonly declarationHash: string
}

/**
 * The store with the signed declarations of units, old and new, sealed by `key` (AES-256-GCM). Whoever gets at the database,
 * or a copy of it, and not at the keys cannot read them, nor put one in the place of another. In the clear stay what the MASA
 * searches by and what the ledger says: serial number, id of the owner, hashes of keys.
 *
 * Reads throw OnboardingError `ledger-altered` for a declaration that was not sealed here, for this unit and version.
 */
export function sealDeclarations(store: Store, key: Secret): Store {
  const tablesOf = <T extends Tables>(tables: T): T =>
    new Proxy(tables, {
      get(target, name) {
        if (name === 'unit') return sealedTable(target.unit, ({ serial }) => `unit/${serial}`, key)
        if (name === 'formerDeclaration') return sealedTable(target.formerDeclaration, ({ id }) => `former/${id}`, key)
        return Reflect.get(target, name) as unknown
      },
    })
  return new Proxy(store, {
    get(target, name) {
      if (name === 'transaction') {
        const transaction: Store['transaction'] = work => target.transaction(tx => work(tablesOf(tx)))
        return transaction
      }
      if (name === 'read') {
        const read: Store['read'] = work => target.read(tables => work(tablesOf(tables)))
        return read
      }
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}

function sealedTable<T extends Declared, Index extends string>(
  table: Table<T, Index>,
  nameOf: (record: T) => string,
  key: Secret,
): Table<T, Index> {
  const close = (record: T): T => {
    const declarationHash = hash('sha256', record.declaration)
    const box = seal(key, Buffer.from(record.declaration), contextOf(nameOf(record), declarationHash))
    return { ...record, declaration: JSON.stringify(box), declarationHash }
  }
  const open = (kept: T): T => {
    const { declarationHash, ...record } = kept as T & Partial<Kept>
    const plain = openBox(key, kept.declaration, contextOf(nameOf(kept), declarationHash ?? ''))
    if (plain === undefined || hash('sha256', plain) !== declarationHash) {
      throw new OnboardingError('ledger-altered', { record: nameOf(kept) })
    }
    return { ...record, declaration: plain } as unknown as T
  }
  return {
    async get(id) {
      const kept = await table.get(id)
      return kept === undefined ? undefined : open(kept)
    },
    insert: record => table.insert(close(record)),
    put: record => table.put(close(record)),
    remove: id => table.remove(id),
    find: async (filter, page) => (await table.find(filter, page)).map(open),
    count: filter => table.count(filter),
  }
}

function contextOf(name: string, declarationHash: string): string {
  return `mooring declaration 1\n${name}\n${declarationHash}`
}

function openBox(key: Secret, text: string, context: string): string | undefined {
  try {
    return openSealed(key, Box.parse(JSON.parse(text)), context)?.toString('utf8')
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}
