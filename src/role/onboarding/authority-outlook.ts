import type { Certificate } from '../../codec/x509/certificate.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { SiteAuthority } from './authority.ts'

const day = 86_400_000
/** The last moment at which a device with power renews by itself, as a part of the lifetime; `renewalDue` of the pledge. */
const lastRenewal = 0.7

/** Credentials in force below one issuing CA. */
export interface IssuerLoad {
  readonly name: string
  readonly credentials: number
  readonly devices: readonly string[]
  /** By then all of them have been renewed by devices that have power; milliseconds since 1970. */
  readonly renewedBy?: number
  /** The end of the last one. */
  readonly lastEnds?: number
}

/** How the renewals of a site are going. */
export interface RenewalOutlook {
  /** In force. */
  readonly inForce: number
  /** Past the moment at which its device should have renewed it: the device is off, away, or in trouble. */
  readonly overdue: number
  /** Ran out and was never renewed. */
  readonly expired: number
  /** Should be renewed within a week. */
  readonly dueThisWeek: number
  readonly issuers: readonly IssuerLoad[]
}

/** Goes through every credential that was not revoked. */
export async function renewalOutlook({
  store,
  clock,
}: {
  readonly store: Store
  readonly clock: Clock
}): Promise<RenewalOutlook> {
  const at = clock()
  const loads = new Map<string, { credentials: number; devices: Set<string>; renewedBy: number; lastEnds: number }>()
  let [inForce, overdue, expired, dueThisWeek] = [0, 0, 0, 0]
  for await (const record of issued(store)) {
    if (record.notAfter < at) {
      expired++
      continue
    }
    inForce++
    const renewedBy = lastRenewalOf(record)
    if (renewedBy < at) overdue++
    else if (renewedBy < at + 7 * day) dueThisWeek++
    const load = loads.get(record.issuer) ?? { credentials: 0, devices: new Set(), renewedBy: 0, lastEnds: 0 }
    load.credentials++
    load.devices.add(record.device)
    load.renewedBy = Math.max(load.renewedBy, renewedBy)
    load.lastEnds = Math.max(load.lastEnds, record.notAfter)
    loads.set(record.issuer, load)
  }
  const issuers = [...loads].map(([name, { devices, ...load }]) => ({ name, devices: [...devices], ...load }))
  return { inForce, overdue, expired, dueThisWeek, issuers }
}

function lastRenewalOf({ notBefore, notAfter }: CredentialRecord): number {
  return Math.round(notBefore + (notAfter - notBefore) * lastRenewal)
}

async function* issued(store: Store): AsyncGenerator<CredentialRecord> {
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.credential.find({ status: 'issued' }, { after, limit: 1000 }))
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    after = last.id
  }
}

export type AuthorityWarning =
  | {
      readonly type: 'successor-due' | 'ending' | 'ended' | 'key-elsewhere'
      readonly name: string
      readonly at: number
    }
  | { readonly type: 'renewals-overdue'; readonly count: number }

/** What somebody should know of the certificates of this site. */
export function authorityWarnings(
  authority: SiteAuthority,
  { overdue }: Pick<RenewalOutlook, 'overdue'>,
  at: number,
): readonly AuthorityWarning[] {
  const warnings: AuthorityWarning[] = []
  const newest = authority.generations[0]
  for (const name of authority.overdue) warnings.push({ type: 'successor-due', name, at })
  const watch = (name: string, { validity }: Certificate) => {
    const end = validity.notAfter.getTime()
    if (end < at) warnings.push({ type: 'ended', name, at: end })
    else if (end - at < 365 * day) warnings.push({ type: 'ending', name, at: end })
  }
  watch('root', authority.root)
  if (newest !== undefined) {
    watch(newest.name, newest.certificate)
    if (newest.issuer === undefined) warnings.push({ type: 'key-elsewhere', name: newest.name, at })
  }
  if (overdue > 0) warnings.push({ type: 'renewals-overdue', count: overdue })
  return warnings
}
