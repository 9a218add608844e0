import { describe } from 'node:test'
import { sqlitePlace } from '../../store.ts'
import { storeAttacks } from './attack.ts'
import { storeBackups } from './backup.ts'
import { storeContract } from './contract.ts'
import { storeModel } from './model.ts'

void describe('the store over SQLite', () => {
  storeContract(sqlitePlace)
  storeAttacks(sqlitePlace)
  storeBackups(sqlitePlace, sqlitePlace)
  storeModel(sqlitePlace, 100)
})
