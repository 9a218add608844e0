import { describe } from 'node:test'
import { needsPostgres } from '../../postgres.ts'
import { postgresPlace, sqlitePlace } from '../../store.ts'
import { storeAttacks } from './attack.ts'
import { storeBackups } from './backup.ts'
import { storeContract } from './contract.ts'
import { storeModel } from './model.ts'

void describe('the store over PostgreSQL', needsPostgres(), () => {
  storeContract(postgresPlace)
  storeAttacks(postgresPlace)
  storeBackups(postgresPlace, sqlitePlace)
  storeBackups(sqlitePlace, postgresPlace)
  storeModel(postgresPlace, 20)
})
