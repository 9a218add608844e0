import { hash } from 'node:crypto'
import { decodeJws } from '../../codec/jws.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { prepareCrl, signCrl } from '../../crypto/crl.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { decodeDeclaration } from '../../domain/declaration.ts'
import { declarationType, openSigned, signDeclaration } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import type { Store, Tables, Tx } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'
import { delegateIssuer, delegateRecordName } from '../factory/delegate.ts'
import type { FactoryOffice } from '../factory/sale.ts'

export interface DelegateRevocation {
  readonly name: string
  /** Declarations of the delegate that were in force, and are the manufacturer's own now. */
  readonly resigned: number
  /** Number of the revocation list that tells of it. */
  readonly crl: number
}

type Office = FactoryOffice & { readonly keys: KeyStore }

const groupSize = 64
const skew = 300_000

/**
 * Ends the right of a delegate to sign, before its year ends. From the first step on nothing is signed in its name; then what
 * it signed and is in force is signed by the manufacturer, word for word; then the revocation list goes out, with every
 * manifest. So no honest declaration is ever refused for it. Run again after a crash, it goes on.
 *
 * Throws OnboardingError `not-found`, `issuer-key-missing`.
 */
export async function revokeDelegate(
  office: Office,
  { name, by }: { readonly name: string; readonly by: string },
  onProgress: (done: number, of: number) => void = () => {},
): Promise<DelegateRevocation> {
  const { store, clock } = office
  // Asked for first: without the key nothing has begun.
  const issuer = await delegateIssuer(office)
  const id = delegateRecordName(name)
  const record = await store.transaction(async tx => {
    const known = await issuerNamed(tx, id)
    if (known.revokedAt !== undefined) return known
    const revoked = { ...known, revokedAt: clock() }
    return recordOnIssuer(tx, revoked, { kind: 'issuer-revoked', body: { name: id, by } })
  })
  const resigned = await signAnew(office, record.certificate, onProgress)
  return { name, resigned, crl: await publishList(office, issuer) }
}

async function issuerNamed(tables: Pick<Tables, 'issuer'>, name: string): Promise<IssuerRecord> {
  const record = await tables.issuer.get(name)
  if (record === undefined) throw new OnboardingError('not-found', { delegate: name })
  return record
}

async function recordOnIssuer(tx: Tx, next: IssuerRecord, event: NewEvent): Promise<IssuerRecord> {
  const version = await tx.append(streamName('issuer', next.name), next.version ?? 1, [event])
  await tx.issuer.put({ ...next, version })
  return { ...next, version }
}

/** The same declaration, the same version: to whoever has it nothing has changed but who vouches for it. */
async function signAnew(
  { store, manufacturer }: Office,
  certificate: string,
  onProgress: (done: number, of: number) => void,
): Promise<number> {
  const total = await store.read(tables => tables.unit.count())
  const isTheirs = ({ declaration }: UnitRecord) => {
    const { signer } = openSigned(Buffer.from(declaration), declarationType)
    return Buffer.from(signer.der).toString('base64') === certificate
  }
  let [resigned, done] = [0, 0]
  for await (const page of allUnits(store)) {
    for (let first = 0; first < page.length; first += groupSize) {
      const group = page.slice(first, first + groupSize)
      const theirs = group.filter(isTheirs)
      const signed = await Promise.all(
        theirs.map(async unit => {
          const { payload } = decodeJws(Buffer.from(unit.declaration))
          const declaration = await signDeclaration(decodeDeclaration(payload), manufacturer.manifest)
          return { unit, declaration: declaration.toString('utf8') }
        }),
      )
      await store.transaction(async tx => {
        for (const { unit, declaration } of signed) await replaceSignature(tx, unit, declaration)
      })
      resigned += theirs.length
      done += group.length
      onProgress(done, total)
    }
  }
  return resigned
}

async function* allUnits(store: Store): AsyncGenerator<readonly UnitRecord[]> {
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.unit.find({}, { after, limit: 1000 }))
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    after = last.serial
  }
}

async function replaceSignature(tx: Tx, { serial, declarationVersion }: UnitRecord, declaration: string) {
  const unit = await tx.unit.get(serial)
  // Changed meanwhile: by the manufacturer, since nobody signs for the delegate any more.
  if (unit === undefined || unit.declarationVersion !== declarationVersion) return
  const body = { declarationHash: hash('sha256', declaration) }
  const version = await tx.append(streamName('unit', serial), unit.version, [{ kind: 'declaration-resigned', body }])
  await tx.unit.put({ ...unit, declaration, version })
}

/** All that were ever revoked; until the CA itself ends, since who takes a list keeps it. @returns its number */
async function publishList(
  { store, clock }: Office,
  issuer: Awaited<ReturnType<typeof delegateIssuer>>,
): Promise<number> {
  const { name, certificate, signer } = issuer
  const { number, revoked } = await store.transaction(async tx => {
    const record = await issuerNamed(tx, name)
    const all = await tx.issuer.find({}, { limit: 1000 })
    const number = record.crlNumber + 1
    await recordOnIssuer(tx, { ...record, crlNumber: number }, { kind: 'crl-numbered', body: { number } })
    return { number, revoked: all.filter(each => each.revokedAt !== undefined) }
  })
  const at = clock()
  const nextUpdate = certificate.validity.notAfter
  const prepared = prepareCrl({
    issuer: { certificate, signer },
    number: BigInt(number),
    thisUpdate: new Date(at - skew),
    nextUpdate,
    revoked: revoked.map(({ certificate: text, revokedAt = at }) => ({
      serialNumber: Buffer.from(decodeCertificate(Buffer.from(text, 'base64')).serialHex, 'hex'),
      revocationDate: new Date(revokedAt),
      reason: 'privilegeWithdrawn' as const,
    })),
  })
  const crl = await signCrl(prepared, signer)
  await store.transaction(async tx => {
    const record = await issuerNamed(tx, name)
    // A slower one must not put an older list over a newer.
    if (record.crlNumber !== number) return
    const crlNextUpdate = nextUpdate.getTime()
    const next = { ...record, crl: crl.toString('base64'), crlPublished: number, crlNextUpdate }
    await recordOnIssuer(tx, next, { kind: 'crl-published', body: { number, sha256: hash('sha256', crl) } })
  })
  return number
}

/** Throws OnboardingError `delegate-revoked` for one whose right has ended. `certificate`: DER. */
export async function requireDelegate(tables: Pick<Tables, 'issuer'>, certificate: Uint8Array): Promise<void> {
  const text = Buffer.from(certificate).toString('base64')
  for (const { name, certificate: known, revokedAt } of await tables.issuer.find({}, { limit: 1000 })) {
    if (known === text && revokedAt !== undefined) throw new OnboardingError('delegate-revoked', { name })
  }
}
