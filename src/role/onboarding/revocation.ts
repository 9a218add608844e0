import { hash } from 'node:crypto'
import type { RevocationReason } from '../../codec/crl.ts'
import { prepareCrl, signCrl } from '../../crypto/crl.ts'
import type { Issuer } from '../../crypto/issue.ts'
import { type CredentialRecord, type CredentialStatus, revokeCredential } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import type { Clock, Endpoint, Store, Tx } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'
import { recordOnDevice } from './device-record.ts'

const hour = 3_600_000

export interface RevocationOptions {
  readonly store: Store
  readonly clock: Clock
  readonly issuing: Issuer & { readonly name: string }
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
  /** The newest CRL in DER; made anew when more than half of its life is over. */
  crl(): Promise<Buffer>
  /** Serves the CRL, to anybody: `/crl/<issuer>.crl` (RFC 5280 section 4.2.1.13). */
  readonly endpoint: Endpoint
}

export function createRevocation(options: RevocationOptions): Revocation {
  const { store, clock, issuing } = options
  const path = `/crl/${issuing.name}.crl`
  let underWay: Promise<Buffer> | undefined

  async function crl(): Promise<Buffer> {
    const record = await store.read(tables => tables.issuer.get(issuing.name))
    if (record?.crl !== undefined && isCurrent(record)) return Buffer.from(record.crl, 'base64')
    underWay ??= publish(options).finally(() => {
      underWay = undefined
    })
    return underWay
  }

  /** Not when a revocation came whose CRL was lost in a crash, nor when it is of a time that the clock has left again. */
  function isCurrent({ crlNumber, crlPublished, crlNextUpdate = 0 }: IssuerRecord): boolean {
    const left = crlNextUpdate - clock()
    return crlPublished === crlNumber && left > options.crlValidity / 2 && left <= options.crlValidity
  }

  return {
    crl,
    async publishWith(occasion) {
      await publish(options, occasion)
    },
    async revoke(credential, reason, by) {
      let revoked: CredentialRecord | undefined
      await publish(options, async tx => {
        revoked = await recordRevocation(tx, credential, { reason, by, at: clock() })
      })
      if (revoked === undefined) throw new OnboardingError('internal')
      return revoked
    },
    endpoint: {
      async handle(request) {
        if (request.path !== path) return undefined
        if (request.method !== 'GET') return { status: 405, headers: { allow: 'GET' } }
        return { status: 200, headers: { 'content-type': 'application/pkix-crl' }, body: await crl() }
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
  occasion: (tx: Tx) => Promise<void> = async () => {},
): Promise<Buffer> {
  const { store, clock, issuing, crlValidity } = options
  const { number, revoked } = await store.transaction(async tx => {
    await occasion(tx)
    const record = await issuerRecord(tx, issuing.name)
    const number = record.crlNumber + 1
    await recordOnIssuer(tx, { ...record, crlNumber: number }, { kind: 'crl-numbered', body: { number } })
    return { number, revoked: await revokedCredentials(tx, issuing.name, clock() - crlValidity) }
  })
  const thisUpdate = clock()
  const nextUpdate = thisUpdate + crlValidity
  const prepared = prepareCrl({
    issuer: issuing,
    number: BigInt(number),
    thisUpdate: new Date(thisUpdate),
    nextUpdate: new Date(nextUpdate),
    revoked,
  })
  const crl = await signCrl(prepared, issuing.signer)
  await store.transaction(async tx => {
    const record = await issuerRecord(tx, issuing.name)
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
