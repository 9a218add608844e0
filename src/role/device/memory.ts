import { z } from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJson, encodeCanonicalJson } from '../../codec/json.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import type { Log } from '../../domain/port.ts'
import {
  decodePledgeRecord,
  emptyRecord,
  encodePledgeRecord,
  type PledgeRecord,
  withDeclaration,
  withoutCredential,
} from '../../protocol/brski/pledge-record.ts'
import type { DeviceStore } from './port.ts'

/** Name in the device store of all that the pledge machine remembers. */
export const memoryName = 'memory'

/** Name in the device store of the newest declaration's version: what a factory reset keeps beside the birth credential. */
export const ownershipName = 'ownership'

const Mark = z.strictObject({ version: z.literal(1), declarationVersion: z.int().nonnegative() })

/**
 * Undefined when no voucher has ever named one. Of a mark that cannot be read only this is left, that there was one: a
 * voucher without nonce then has to name a version.
 */
export async function readMark(store: DeviceStore): Promise<number | undefined> {
  const bytes = await store.read(ownershipName)
  if (bytes === undefined) return undefined
  try {
    return Mark.parse(decodeJson(bytes, { size: 200, depth: 1, count: 5 })).declarationVersion
  } catch (error) {
    if (error instanceof CodecError || error instanceof z.ZodError) return 0
    throw error
  }
}

/** Never a lower one. */
export async function writeMark(store: DeviceStore, declarationVersion: number): Promise<void> {
  if (declarationVersion <= ((await readMark(store)) ?? -1)) return
  await store.write(ownershipName, Buffer.from(encodeCanonicalJson({ version: 1, declarationVersion })))
}

interface Memory {
  readonly store: DeviceStore
  readonly keys: KeyStore
  readonly log: Log
}

/**
 * What the last run wrote, as far as it is of use: memory that cannot be read is like none, and of what speaks of a key
 * that is not there only the rest stays. The device then starts from its birth credential, which is always safe.
 */
export async function readMemory(memory: Memory): Promise<PledgeRecord | undefined> {
  const mark = await readMark(memory.store)
  const record = await readRecord(memory)
  return mark === undefined ? record : withDeclaration(record ?? emptyRecord, mark)
}

async function readRecord({ store, keys, log }: Memory): Promise<PledgeRecord | undefined> {
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

/** The mark first: whatever the device then forgets, it does not forget that an older right is void. */
export async function writeMemory({ store }: Pick<Memory, 'store'>, record: PledgeRecord): Promise<void> {
  if (record.declarationVersion !== undefined) await writeMark(store, record.declarationVersion)
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
