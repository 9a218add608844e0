import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openRecord } from '../../../src/app/record.ts'
import type { KeyStore } from '../../../src/crypto/signer.ts'
import type { Store } from '../../../src/domain/port.ts'
import { setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import type { AuthorityOptions } from '../../../src/role/onboarding/authority-generation.ts'
import { silent } from '../../all-in-one/house.ts'
import { mortalKeys, mortalStore, type Strike } from './moment.ts'

export const clock = Date.now

/** The record and the keys of one party, that may die with its process. */
export interface Party {
  readonly name: string
  readonly store: Store
  readonly keys: KeyStore
  readonly seal: Awaited<ReturnType<typeof openRecord>>['sealKey']
  close(): Promise<void>
}

export async function openParty(data: string, name: string, strike: Strike = () => {}): Promise<Party> {
  const place = join(data, name)
  mkdirSync(place, { recursive: true, mode: 0o700 })
  const storeUrl = `sqlite:${join(place, 'record.db')}`
  const { keys, store, sealKey } = await openRecord({ data: place, storeUrl, clock, log: silent })
  return {
    name,
    store: mortalStore(store, name, strike),
    keys: mortalKeys(keys, strike),
    seal: sealKey,
    close: () => store.close(),
  }
}

export function authorityOf({ store, keys, name }: Party): AuthorityOptions {
  return { store, keys, clock, network: name, hosts: ['127.0.0.1'], curve: 'P-256' }
}

export const openAuthority = (party: Party) => setUpAuthority(authorityOf(party))

export async function unsoundLedgers(parties: readonly Party[]): Promise<string[]> {
  const found: string[] = []
  for (const { name, store } of parties) {
    const { integrity, completeness, firstBad } = await store.verify()
    if (integrity === 'pass' && completeness !== 'fail') continue
    found.push(`the ledger of the ${name} does not verify: ${JSON.stringify(firstBad)}`)
  }
  return found
}
