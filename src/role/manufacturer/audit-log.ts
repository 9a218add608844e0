import type { IssuedVoucherRecord } from '../../domain/manufacture.ts'
import type { Tables } from '../../domain/port.ts'
import type { AuditEvent, AuditLog } from '../../protocol/brski/audit-log.ts'

/** Events in one answer; what has to stay is at most two of each domain (RFC 8995 section 5.8.1). */
const maxEvents = 1000
/** Vouchers of one device that are read for an answer. */
const maxEntries = 20_000
/** RFC 8995 section 5.8.1: the counters may stick there. */
const maxCount = 1024

/** The vouchers that were issued for a device, in no order; the newest are among them unless there are very many. */
export async function issuedFor(
  tables: Pick<Tables, 'issuedVoucher'>,
  serial: string,
): Promise<readonly IssuedVoucherRecord[]> {
  const all: IssuedVoucherRecord[] = []
  for (let after = ''; all.length < maxEntries; after = all.at(-1)?.id ?? '') {
    const page = await tables.issuedVoucher.find({ serial }, { after, limit: 1000 })
    all.push(...page)
    if (page.length < 1000) break
  }
  return all
}

/**
 * What a registrar is told (RFC 8995 section 5.8.1), oldest first. When it is too much, all but the newest nonced and the
 * newest nonceless event of each domain go, and are counted; when that is still too much, the oldest go as `arbitrary`.
 */
export function auditLogOf(entries: readonly IssuedVoucherRecord[]): Omit<AuditLog, 'version'> {
  const sorted = entries.toSorted((a, b) => a.loggedAt - b.loggedAt)
  if (sorted.length <= maxEvents) return { events: sorted.map(eventOf) }
  const newest = new Map<string, IssuedVoucherRecord>()
  const dropped = { nonced: 0, nonceless: 0 }
  for (const entry of sorted) {
    const kind = entry.nonce === null ? 'nonceless' : 'nonced'
    const key = `${kind} ${entry.domain}`
    if (newest.delete(key)) dropped[kind]++
    newest.set(key, entry)
  }
  const kept = [...newest.values()]
  return {
    events: kept.slice(-maxEvents).map(eventOf),
    truncation: {
      'nonced duplicates': Math.min(maxCount, dropped.nonced),
      'nonceless duplicates': Math.min(maxCount, dropped.nonceless),
      arbitrary: Math.min(maxCount, Math.max(0, kept.length - maxEvents)),
    },
  }
}

function eventOf({ loggedAt, domain, nonce, assertion }: IssuedVoucherRecord): AuditEvent {
  return { date: new Date(loggedAt), domainID: domain, nonce, assertion }
}
