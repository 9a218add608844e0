import { hash } from 'node:crypto'
import type { RevocationReason } from '../../codec/crl.ts'
import { prepareCrl, signCrl } from '../../crypto/crl.ts'
import { type CredentialRecord, type CredentialStatus, revokeCredential } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import type { Clock, Endpoint, Store, Tx } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'
import type { NamedIssuer } from './authority.ts'
import { recordOnDevice } from './device-record.ts'

const hour = 3_600_000

export interface RevocationOptions {
  readonly store: Store
  readonly clock: Clock
  /** The CAs whose keys are here, newest first. */
  readonly issuers: () => readonly NamedIssuer[]
  /** Validity of a CRL, milliseconds. */
  readonly crlValidity: number
}

export interface Revocation {
  /**
   * Ends a credential. It is refused from the moment this resolves; the CRL that says so is published with it. Repeating
   * it changes nothing. Throws OnboardingError `not-found`.
   */
  revoke(credential: string, reason: RevocationReason, by: string): Promise<CredentialRecord>
  /**
   * As part of what else `occasion` writes: the credentials that it revokes, holds or releases, and a CRL that says so.
   * It is a unit of work.
   */
  publishWith(occasion: (tx: Tx) => Promise<void>): Promise<void>
  /**
   * The newest CRL of an issuing CA, of the newest one when none is named, in DER; made anew when more than half of its
   * life is over. Throws OnboardingError `not-found`.
   */
  crl(issuer?: string): Promise<Buffer>
  /** Serves the CRL, to anybody: `/crl/<issuer>.crl` (RFC 5280 section 4.2.1.13). */
  readonly endpoint: Endpoint
}

const path = /^\/crl\/([a-z0-9-]{1,40})\.crl$/

export function createRevocation(options: RevocationOptions): Revocation {
  const { store, clock, issuers } = options
  const underWay = new Map<string, Promise<Buffer>>()

  async function crl(name = issuers()[0]?.name ?? ''): Promise<Buffer> {
    const record = await store.read(tables => tables.issuer.get(name))
    if (record?.crl !== undefined && isCurrent(record)) return Buffer.from(record.crl, 'base64')
    const issuing = issuers().find(issuer => issuer.name === name)
    if (issuing === undefined) throw new OnboardingError('not-found', { issuer: name })
    const already = underWay.get(name)
    if (already !== undefined) return already
    const started = publish(options, [issuing])
      .then(([list]) => list ?? Buffer.alloc(0))
      .finally(() => underWay.delete(name))
    underWay.set(name, started)
    return started
  }

  /** Not when a revocation came whose CRL was lost in a crash, nor when it is of a time that the clock has left again. */
  function isCurrent({ crlNumber, crlPublished, crlNextUpdate = 0 }: IssuerRecord): boolean {
    const left = crlNextUpdate - clock()
    return crlPublished === crlNumber && left > options.crlValidity / 2 && left <= options.crlValidity
  }

  return {
    crl,
    async publishWith(occasion) {
      // Whose credentials they are shows only within.
      await publish(options, issuers(), occasion)
    },
    async revoke(credential, reason, by) {
      let revoked: CredentialRecord | undefined
      const occasion = async (tx: Tx) => {
        revoked = await recordRevocation(tx, credential, { reason, by, at: clock() })
      }
      const found = await store.read(tables => tables.credential.get(credential))
      // The key of an old CA may be gone from here; the record refuses the credential all the same.
      const issuing = issuers().filter(({ name }) => name === found?.issuer)
      await publish(options, issuing, occasion)
      if (revoked === undefined) throw new OnboardingError('internal')
      return revoked
    },
    endpoint: {
      async handle(request) {
        const name = path.exec(request.path)?.[1]
        if (name === undefined) return undefined
        if (!issuers().some(issuer => issuer.name === name)) return undefined
        if (request.method !== 'GET') return { status: 405, headers: { allow: 'GET' } }
        return { status: 200, headers: { 'content-type': 'application/pkix-crl' }, body: await crl(name) }
      },
    },
  }
}

async function recordRevocation(
  tx: Tx,
  id: string,
  { reason, by, at }: { readonly reason: RevocationReason; readonly by: string; readonly at: number },
): Promise<CredentialRecord> {
  const found = await tx.credential.get(id)
  if (found === undefined) throw new OnboardingError('not-found', { credential: id })
  let current = found
  await recordOnDevice(tx, found.device, async () => {
    current = (await tx.credential.get(id)) ?? found
    return current.status === 'revoked' ? [] : [{ kind: 'credential-revoked', body: { credential: id, reason, by } }]
  })
  if (current.status === 'revoked') return current
  const revoked = revokeCredential(current, { at, reason })
  await tx.credential.put(revoked)
  return revoked
}

/**
 * The number is taken, on record, before anything is signed under it: no two CRLs share one (RFC 5280 section 5.2.3).
 * With it goes what the CRL is for: whoever finds a number without its CRL knows that there is something to tell.
 */
async function publish(
  options: RevocationOptions,
  issuers: readonly NamedIssuer[],
  occasion: (tx: Tx) => Promise<void> = async () => {},
): Promise<Buffer[]> {
  const { store, clock, crlValidity } = options
  const numbered = await store.transaction(async tx => {
    await occasion(tx)
    const lists: Numbered[] = []
    for (const issuer of issuers) {
      const record = await issuerRecord(tx, issuer.name)
      const number = record.crlNumber + 1
      await recordOnIssuer(tx, { ...record, crlNumber: number }, { kind: 'crl-numbered', body: { number } })
      lists.push({ issuer, number, revoked: await revokedCredentials(tx, issuer.name, clock() - crlValidity) })
    }
    return lists
  })
  return Promise.all(numbered.map(list => signNumbered(options, list)))
}

interface Numbered {
  readonly issuer: NamedIssuer
  readonly number: number
  readonly revoked: Awaited<ReturnType<typeof revokedCredentials>>
}

async function signNumbered({ store, clock, crlValidity }: RevocationOptions, list: Numbered): Promise<Buffer> {
  const { issuer, number, revoked } = list
  const thisUpdate = clock()
  const nextUpdate = thisUpdate + crlValidity
  const prepared = prepareCrl({
    issuer,
    number: BigInt(number),
    thisUpdate: new Date(thisUpdate),
    nextUpdate: new Date(nextUpdate),
    revoked,
  })
  const crl = await signCrl(prepared, issuer.signer)
  await store.transaction(async tx => {
    const record = await issuerRecord(tx, issuer.name)
    // A slower one must not put an older list over a newer.
    if (record.crlNumber !== number) return
    const next = { ...record, crl: crl.toString('base64'), crlPublished: number, crlNextUpdate: nextUpdate }
    await recordOnIssuer(tx, next, { kind: 'crl-published', body: { number, sha256: hash('sha256', crl, 'hex') } })
  })
  return crl
}

/** By its stream, so that of two at once neither takes the other's number, nor puts it back. */
async function recordOnIssuer(tx: Tx, next: IssuerRecord, event: NewEvent): Promise<void> {
  const version = await tx.append(streamName('issuer', next.name), next.version ?? 1, [event])
  await tx.issuer.put({ ...next, version })
}

async function issuerRecord(tx: Tx, name: string): Promise<IssuerRecord> {
  const record = await tx.issuer.get(name)
  if (record === undefined) throw new OnboardingError('not-found', { issuer: name })
  return record
}

/** RFC 5280 section 3.3: what has expired need not stay, once it has been told of. */
async function revokedCredentials(tx: Tx, issuer: string, since: number) {
  const revoked: { serialNumber: Buffer; revocationDate: Date; reason: RevocationReason }[] = []
  for await (const record of withStatus(tx, ['revoked', 'held'])) {
    if (record.issuer !== issuer || record.notAfter < since) continue
    const held = record.status === 'held'
    revoked.push({
      serialNumber: Buffer.from(record.serialHex, 'hex'),
      revocationDate: new Date((held ? record.heldAt : record.revokedAt) ?? 0),
      reason: held ? 'certificateHold' : (record.revocationReason ?? 'unspecified'),
    })
  }
  return revoked
}

async function* withStatus(tx: Tx, statuses: readonly CredentialStatus[]): AsyncGenerator<CredentialRecord> {
  for (const status of statuses) {
    for (let after = ''; ; ) {
      const page = await tx.credential.find({ status }, { after, limit: 1000 })
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < 1000) break
      after = last.id
    }
  }
}

/** A day: short enough that a lost network hears of a revocation, long enough for a weekend of a small machine. */
export const defaultCrlValidity = 24 * hour
