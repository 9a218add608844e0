import { describe } from 'node:test'
import { sqlitePlace } from '../../store.ts'
import { storeAttacks } from './attack.ts'
import { storeContract } from './contract.ts'

void describe('the store over SQLite', () => {
  storeContract(sqlitePlace)
  storeAttacks(sqlitePlace)
})
