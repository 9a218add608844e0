import type { KeyStore } from '../../../src/crypto/signer.ts'
import type { Store } from '../../../src/domain/port.ts'

/** Called at each moment at which a process could die: it may not return. */
export type Strike = (moment: string) => void

/** A store at whose every transaction the process may die: before it, with all of it written, and right after its commit. */
export function mortalStore(store: Store, name: string, strike: Strike): Store {
  const transaction: Store['transaction'] = async work => {
    strike(`before a transaction of the ${name}`)
    const done = await store.transaction(async tx => {
      const result = await work(tx)
      strike(`before a commit of the ${name}`)
      return result
    })
    strike(`after a commit of the ${name}`)
    return done
  }
  return new Proxy(store, {
    get(target, member) {
      if (member === 'transaction') return transaction
      const value: unknown = Reflect.get(target, member)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** The same for keys that are made. */
export function mortalKeys(keys: KeyStore, strike: Strike): KeyStore {
  return {
    kind: keys.kind,
    hardwareBacked: keys.hardwareBacked,
    async generate(label, curve) {
      strike(`before the key ${label}`)
      const signer = await keys.generate(label, curve)
      strike(`after the key ${label}`)
      return signer
    },
    open: label => keys.open(label),
    ...(keys.tlsKey === undefined ? {} : { tlsKey: label => keys.tlsKey!(label) }),
    list: () => keys.list(),
    remove: label => keys.remove(label),
  }
}
