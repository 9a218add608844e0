import type { Certificate } from '../../codec/x509/certificate.ts'
import type { StoreCondition } from '../../domain/condition.ts'
import type { OnboardingError } from '../../domain/error.ts'
import type { Checkpoint, Clock, Store, Table, Tables } from '../../domain/port.ts'
import type { Host } from './host.ts'

/** Whose directory it is. */
export type Party = 'site' | 'manufacturer'

/** What a check may read of a record. */
export type RecordView = Pick<Store, 'read' | 'history' | 'condition' | 'verify'>

/** A site while it runs, as the process that serves it knows it. */
export interface Running {
  /** Where devices reach it. */
  readonly host: string
  readonly port: number
  /** Where access points reach it, if it has Easy Connect. */
  readonly dppPort?: number
  readonly registrar: Certificate
  readonly root: Certificate
  /** Issuing authorities whose keys are here: they make revocation lists. */
  readonly issuers: readonly string[]
  readonly issuing: Certificate
  /** How others reach OCSP, if there is any: it stands in credentials. */
  readonly statusUrl?: string
}

export interface ExaminationTerms {
  /** Verify the whole record, not its end alone. */
  readonly full: boolean
  /** Ask manufacturers' services, which tells them that somebody is here. */
  readonly network: boolean
  /** What ends within so many days is told. */
  readonly days: number
  /** A checkpoint that was kept elsewhere. */
  readonly anchor?: Checkpoint | undefined
}

/** What is examined: a site or a manufacturer, running or not, from its own machine or through its API. */
export interface Patient {
  readonly party: Party
  readonly clock: Clock
  readonly host: Host
  readonly terms: ExaminationTerms
  /** Data directory, where it is on this machine and known. */
  readonly data?: string | undefined
  /** The record, or why it cannot be read. */
  readonly record: RecordView | Error
  readonly running?: Running | undefined
  /** Where a site that ran from here answered last, for one that does not answer. */
  readonly access?: string | undefined
  /** Of a manufacturer: where its MASA is known to be. */
  readonly masaUrl?: string | undefined
}

/** What came of asking one MASA. */
export interface MasaProbe {
  readonly name: string
  readonly url: string
  readonly failure?: OnboardingError
  readonly milliseconds: number
  /** The time that its answer gives, milliseconds since 1970. Not to be trusted. */
  readonly date?: number
}

/** A patient whose record can be read. */
export interface ReadablePatient extends Patient {
  readonly record: RecordView
  /** Read once for all checks. */
  readonly condition: () => Promise<StoreCondition>
  /** The MASAs, asked once for all checks; none unless the terms allow it. */
  readonly probes: () => Promise<readonly MasaProbe[]>
}

export const day = 86_400_000
export const hour = 3_600_000

type Row<N extends keyof Tables> = Tables[N] extends { get(key: string): Promise<infer T> } ? NonNullable<T> : never

type Paged<T> = Pick<Table<T, string>, 'find'>

/** Tables that checks go through, with their keys. */
const keys = {
  device: 'id',
  credential: 'id',
  issuer: 'name',
  token: 'id',
  manufacturer: 'name',
  recall: 'id',
  subscription: 'manufacturer',
  callerAuthority: 'name',
  caller: 'id',
  confirmation: 'id',
} as const satisfies { readonly [N in keyof Tables]?: keyof Row<N> }

/** Every row of a table, a page at a time, so that other work gets its turn. */
export async function* everyRow<N extends keyof typeof keys>(
  { record }: ReadablePatient,
  noun: N,
  filter: Readonly<Record<string, string>> = {},
): AsyncGenerator<Row<N>> {
  for (let after = ''; ; ) {
    const page = await record.read(tables =>
      (tables[noun] as unknown as Paged<Row<N>>).find(filter, { after, limit: 500 }),
    )
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < 500) return
    after = (last as Readonly<Record<string, unknown>>)[keys[noun]] as string
  }
}
