import type { Store, Tx } from '../../src/domain/port.ts'

type Call = (...args: readonly unknown[]) => Promise<unknown>

/**
 * The store of a process that is held up at one point of its work until another process has done all of its own: before
 * the `point`-th step, counting what is asked within units of work up to the first that writes. What writes later holds
 * locks, and another process would wait for it.
 */
export function heldUp(
  store: Store,
  point: number,
  meanwhile: () => Promise<unknown>,
): { readonly store: Store; readonly wasHeldUp: () => boolean } {
  let steps = 0
  let held = false
  const step = async () => {
    if (steps++ !== point || held) return
    held = true
    await meanwhile()
  }
  const transaction: Store['transaction'] = work =>
    store.transaction(tx => {
      let wrote = false
      // What is asked together goes one way to the database: behind one that is held up, the others wait.
      let turn: Promise<void> = Promise.resolve()
      const before = (writes: boolean) => {
        turn = turn.then(async () => {
          if (!wrote) await step()
          if (writes) wrote = true
        })
        return turn
      }
      return work(stepping(tx, before))
    })
  return {
    store: new Proxy(store, {
      get: (target, name) => (name === 'transaction' ? transaction : Reflect.get(target, name)),
    }),
    wasHeldUp: () => held,
  }
}

const reading = new Set(['get', 'find', 'count'])

function stepping(tx: Tx, before: (writes: boolean) => Promise<void>): Tx {
  const stepped = (owner: object, name: string): Call => {
    const call = Reflect.get(owner, name) as Call
    return async (...args) => {
      await before(!reading.has(name))
      return call.apply(owner, args as unknown[])
    }
  }
  return new Proxy(tx, {
    get(target, noun) {
      const member = Reflect.get(target, noun) as object
      if (typeof member === 'function') return stepped(target, String(noun))
      return new Proxy(member, { get: (table, operation) => stepped(table, String(operation)) })
    },
  })
}

/** Runs `scene` with a hold-up at the first step, the second and so on, until there is no such step any more. */
export async function atEveryStep(
  scene: (hold: (store: Store, meanwhile: () => Promise<unknown>) => Store, point: number) => Promise<void>,
): Promise<number> {
  for (let point = 0; ; point++) {
    const holds: (() => boolean)[] = []
    await scene((store, meanwhile) => {
      const each = heldUp(store, point, meanwhile)
      holds.push(each.wasHeldUp)
      return each.store
    }, point)
    if (!holds.some(wasHeldUp => wasHeldUp())) return point
  }
}
