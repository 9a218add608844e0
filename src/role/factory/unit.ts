import { hash } from 'node:crypto'
import { NO_EXPIRY } from '../../codec/der/time.ts'
import { keyOid } from '../../codec/x509/algorithm.ts'
import { attributeValues } from '../../codec/x509/name.ts'
import { verifyCsr } from '../../crypto/csr.ts'
import { type PreparedCertificate, signCertificate } from '../../crypto/issue.ts'
import { type CredentialRecord, issueCredential } from '../../domain/credential.ts'
import { signDeclaration } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { withCodes } from '../../domain/failure.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import { declaredDomains, newDeclaration } from '../../domain/ownership.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import type { BatchTerms } from './batch.ts'
import { prepareIdevid } from './idevid.ts'
import type { UnitPort } from './line.ts'
import type { Manufacturer } from './manufacturer-setup.ts'

export interface Line {
  readonly manufacturer: Manufacturer
  readonly store: Store
  readonly clock: Clock
  readonly port: UnitPort
}

type Work = BatchTerms & Line

/**
 * One unit, from wherever it was left: certificate planned, signed and recorded, then handed to the device. Each step is
 * on record before the next can be seen by anybody. The caller records the installation: until then it is repeated.
 */
export async function makeUnit(work: Work, serial: string): Promise<void> {
  const { store, port, manufacturer } = work
  const known = await store.read(tables => tables.unit.get(serial))
  const unit = known ?? (await certifyUnit(work, serial))
  if (unit.installedAt !== undefined) return
  const anchors = [manufacturer.masaRoot.der]
  await port.install(serial, fromBase64(unit.idevid), unit.chain.map(fromBase64), anchors)
}

async function certifyUnit(work: Work, serial: string): Promise<UnitRecord> {
  const { manufacturer, store, clock, model, port } = work
  const request = openUnitCsr(await port.csr(serial, model.name), serial)
  const plan = await store.transaction(tx => planUnit(tx, work, serial, request))
  if ('unit' in plan) return plan.unit
  const { idevid, manifest } = manufacturer
  const declared = newDeclaration({
    manufacturer: manufacturer.name,
    serial,
    model: model.name,
    owner: manufacturer.party,
    at: clock(),
  })
  const [certificate, declaration] = await Promise.all([
    signCertificate(preparedAgain(plan.record, manufacturer), idevid.signer),
    signDeclaration(declared, manifest),
  ])
  const made: UnitRecord = {
    serial,
    model: model.name,
    batch: work.batch,
    idevid: certificate.toString('base64'),
    chain: idevid.chain.map(({ der }) => Buffer.from(der).toString('base64')),
    keyHash: plan.record.keyHash,
    keyOrigin: work.keyOrigin,
    owner: declared.owner.id,
    domains: declaredDomains(declared),
    declaration: declaration.toString('utf8'),
    declarationVersion: declared.version,
    madeAt: clock(),
    version: plan.version + 1,
  }
  return store.transaction(tx => recordMade(tx, plan, made, hash('sha256', certificate)))
}

interface UnitRequest {
  readonly spkiDer: Uint8Array
  readonly keyHash: string
  readonly csrHash: string
}

const csrCodes = { malformed: 'csr-invalid', signature: 'csr-invalid', path: 'csr-invalid' } as const

/** Proof of possession, and a key that every TLS peer takes. What else the CSR asks for is ours to decide. */
function openUnitCsr(der: Uint8Array, serial: string): UnitRequest {
  const { request } = withCodes(csrCodes, () => verifyCsr(der))
  if (request.publicKeyAlgorithm.algorithm !== keyOid.ecPublicKey) {
    throw new OnboardingError('csr-invalid', { rule: 'key-type', serial })
  }
  const named = attributeValues(request.subject, 'serialNumber')
  if (named.some(text => text !== serial)) {
    throw new OnboardingError('csr-invalid', {
      rule: 'serial-differs',
      serial,
      requested: named.join(' ').slice(0, 80),
    })
  }
  return {
    spkiDer: request.spkiDer,
    keyHash: hash('sha256', request.spkiDer),
    csrHash: hash('sha256', request.der),
  }
}

interface Plan {
  readonly record: CredentialRecord
  /** Version of the unit's stream after the plan. */
  readonly version: number
}

/** Serial number, key and the bytes to sign go on record before the signature (persist before sign). */
async function planUnit(
  tx: Tx,
  work: Work,
  serial: string,
  request: UnitRequest,
): Promise<Plan | { readonly unit: UnitRecord }> {
  const plans = await tx.credential.find({ device: serial })
  if (plans.some(({ status }) => status === 'issued')) return { unit: await madeUnit(tx, serial) }
  const open = plans.find(({ status }) => status === 'planned')
  if (open?.keyHash === request.keyHash) return { record: open, version: plans.length }
  const [holder] = await tx.credential.find({ keyHash: request.keyHash }, { limit: 1 })
  if (holder !== undefined && holder.device !== serial) {
    throw new OnboardingError('unit-key-reused', { serial, other: holder.device })
  }
  // Nobody has seen a certificate for the plan before: the unit was wiped on the line and made a new key.
  if (open !== undefined) await tx.credential.put({ ...open, status: 'superseded' })
  const record = planRecord(work, serial, request, plans.length)
  await tx.credential.insert(record)
  const { id: credential, serialHex, keyHash } = record
  const body = { batch: work.batch, model: work.model.name, credential, serialHex, keyHash }
  const version = await tx.append(streamName('unit', serial), plans.length, [{ kind: 'unit-planned', body }])
  return { record, version }
}

function planRecord(work: Work, serial: string, request: UnitRequest, earlier: number): CredentialRecord {
  const { manufacturer, model, clock } = work
  const at = clock()
  const prepared = prepareIdevid(manufacturer, { model, serial, spkiDer: request.spkiDer, at })
  return {
    id: prepared.hash,
    device: serial,
    kind: 'birth',
    status: 'planned',
    serialHex: prepared.serialHex,
    requestHash: hash('sha256', `${serial}\0${request.csrHash}\0${earlier}`),
    keyHash: request.keyHash,
    issuer: manufacturer.idevid.name,
    notBefore: at,
    notAfter: NO_EXPIRY.getTime(),
    tbs: prepared.tbsDer.toString('base64'),
  }
}

function preparedAgain({ id, tbs, serialHex }: CredentialRecord, { idevid }: Manufacturer): PreparedCertificate {
  return {
    tbsDer: Buffer.from(tbs, 'base64'),
    hash: id,
    serialHex,
    algorithm: idevid.signer.algorithm,
    issuerSpkiDer: idevid.certificate.spkiDer,
  }
}

async function recordMade(tx: Tx, plan: Plan, made: UnitRecord, certificateHash: string): Promise<UnitRecord> {
  const { serial } = made
  const current = await tx.credential.get(plan.record.id)
  // Two lines on one batch: the first signature stays, the other was seen by nobody.
  if (current?.status === 'issued') return madeUnit(tx, serial)
  if (current?.status !== 'planned') throw new OnboardingError('unit-key-changed', { serial })
  await tx.credential.put(issueCredential(current, made.idevid))
  await tx.unit.insert(made)
  const { keyHash, keyOrigin, owner, declarationVersion } = made
  await tx.append(streamName('unit', serial), plan.version, [
    { kind: 'unit-made', body: { certificateHash, keyHash, keyOrigin, owner, declarationVersion } },
  ])
  return made
}

async function madeUnit(tx: Tx, serial: string): Promise<UnitRecord> {
  const unit = await tx.unit.get(serial)
  if (unit === undefined) throw new OnboardingError('internal', { serial })
  return unit
}

/** What `makeUnit` handed over is now known to be on the device. One transaction for a group. */
export async function recordInstalled(tx: Tx, at: number, serials: readonly string[]): Promise<void> {
  for (const serial of serials) {
    const unit = await madeUnit(tx, serial)
    if (unit.installedAt !== undefined) continue
    const event = { kind: 'unit-installed', body: {} }
    const version = await tx.append(streamName('unit', serial), unit.version, [event])
    await tx.unit.put({ ...unit, installedAt: at, version })
  }
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
