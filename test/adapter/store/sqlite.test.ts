import { sqlitePlace } from '../../store.ts'
import { storeContract } from './contract.ts'

storeContract(sqlitePlace)
