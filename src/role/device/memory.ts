import { CodecError } from '../../codec/error.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import type { Log } from '../../domain/port.ts'
import {
  decodePledgeRecord,
  encodePledgeRecord,
  type PledgeRecord,
  withoutCredential,
} from '../../protocol/brski/pledge-record.ts'
import type { DeviceStore } from './port.ts'

/** Name in the device store of all that the pledge machine remembers. */
export const memoryName = 'memory'

interface Memory {
  readonly store: DeviceStore
  readonly keys: KeyStore
  readonly log: Log
}

/**
 * What the last run wrote, as far as it is of use: memory that cannot be read is like none, and of what speaks of a key
 * that is not there only the rest stays. The device then starts from its birth credential, which is always safe.
 */
export async function readMemory({ store, keys, log }: Memory): Promise<PledgeRecord | undefined> {
  const bytes = await store.read(memoryName)
  if (bytes === undefined) return undefined
  try {
    return withKeysOnly(decodePledgeRecord(bytes), new Set(await keys.list()))
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    log.warn({ reason: error.message }, 'device memory cannot be read')
    return undefined
  }
}

export async function writeMemory({ store }: Memory, record: PledgeRecord): Promise<void> {
  await store.write(memoryName, encodePledgeRecord(record))
}

function withKeysOnly(record: PledgeRecord, labels: ReadonlySet<string>): PledgeRecord {
  const attempts = record.attempts.map(attempt => {
    const { enrolment, ...rest } = attempt
    return enrolment === undefined || labels.has(enrolment.keyLabel) ? attempt : rest
  })
  const { credential, renewal } = record
  const whole = { ...record, attempts }
  if (credential !== undefined && !labels.has(credential.keyLabel)) return withoutCredential(whole)
  if (renewal === undefined || labels.has(renewal.keyLabel)) return whole
  const { renewal: _, ...rest } = whole
  return rest
}
