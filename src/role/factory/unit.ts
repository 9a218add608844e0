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
import { claimBootstrappingKey, fieldsOf, requireUsable } from './bootstrapping.ts'
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

/** A unit that holds its birth certificate, and is not on record as finished yet. */
export interface CertifiedUnit {
  readonly credential: CredentialRecord
  /** DER. */
  readonly idevid: Uint8Array
  /** Version of the unit's stream. */
  readonly version: number
  /** `DPP:…;;` */
  readonly bootstrappingUri?: string
}

/**
 * One unit, from wherever it was left: certificate planned, signed and recorded, then handed to the device. Each step is
 * on record before the next can be seen by anybody. The caller records the unit as finished; until then the handing over
 * is repeated. Undefined: finished before.
 */
export async function certifyUnit(work: Work, serial: string, index: number): Promise<CertifiedUnit | undefined> {
  const { store, port, manufacturer } = work
  const known = await store.read(async tables => {
    if ((await tables.unit.get(serial)) !== undefined) return 'finished'
    const plans = await tables.credential.find({ device: serial })
    return issuedOf(plans)
  })
  if (known === 'finished') return undefined
  const unit = known ?? (await issueIdevid(work, serial))
  const chain = manufacturer.idevid.chain.map(({ der }) => der)
  await port.install(serial, unit.idevid, chain, [manufacturer.masaRoot.der])
  const bootstrappingUri = await bootstrappingOf(work, serial, index)
  return bootstrappingUri === undefined ? unit : { ...unit, bootstrappingUri }
}

/** Held against what its label will have to do, before anything is printed. */
async function bootstrappingOf(work: Work, serial: string, index: number): Promise<string | undefined> {
  const { dpp, port, store } = work
  if (dpp === undefined) return undefined
  if (port.bootstrap === undefined) throw new OnboardingError('internal', { serial, port: 'bootstrap' })
  const fields = fieldsOf(dpp, serial, index)
  const text = await port.bootstrap(serial, dpp.curve, fields)
  await claimBootstrappingKey(store, requireUsable(text, serial, dpp, fields), serial)
  return text
}

function issuedOf(plans: readonly CredentialRecord[]): CertifiedUnit | undefined {
  const credential = plans.find(({ status }) => status === 'issued')
  if (credential?.certificate === undefined) return undefined
  return { credential, idevid: Buffer.from(credential.certificate, 'base64'), version: plans.length + 1 }
}

async function issueIdevid(work: Work, serial: string): Promise<CertifiedUnit> {
  const { manufacturer, store, model, port } = work
  const request = openUnitCsr(await port.csr(serial, model.name), serial)
  const plan = await store.transaction(tx => planUnit(tx, work, serial, request))
  if ('idevid' in plan) return plan
  const { signer } = manufacturer.idevid
  const certificate = await signCertificate(preparedAgain(plan.record, manufacturer), signer)
  return store.transaction(tx => recordIssued(tx, plan, certificate))
}

/** Certificates begin a little earlier, for peers whose clocks lag. */
const skew = 300_000

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
async function planUnit(tx: Tx, work: Work, serial: string, request: UnitRequest): Promise<Plan | CertifiedUnit> {
  const plans = await tx.credential.find({ device: serial })
  const issued = issuedOf(plans)
  if (issued !== undefined) return issued
  const open = plans.find(({ status }) => status === 'planned')
  // The bytes to sign name their issuer: a plan for a CA that was replaced meanwhile cannot be kept.
  const usable = open?.keyHash === request.keyHash && open.issuer === work.manufacturer.idevid.name
  if (open !== undefined && usable) return { record: open, version: plans.length }
  const [holder] = await tx.credential.find({ keyHash: request.keyHash }, { limit: 1 })
  if (holder !== undefined && holder.device !== serial) {
    throw new OnboardingError('unit-key-reused', { serial, other: holder.device })
  }
  // Nobody has seen a certificate for the plan before: the unit was wiped on the line and made a new key.
  if (open !== undefined) await tx.credential.put({ ...open, status: 'superseded' })
  const record = planRecord(work, serial, request, plans.length)
  const { id: credential, serialHex, keyHash } = record
  const body = { batch: work.batch, model: work.model.name, credential, serialHex, keyHash }
  const version = await tx.append(streamName('unit', serial), plans.length, [{ kind: 'unit-planned', body }])
  await tx.credential.insert(record)
  return { record, version }
}

function planRecord(work: Work, serial: string, request: UnitRequest, earlier: number): CredentialRecord {
  const { manufacturer, model, clock } = work
  const notBefore = clock() - skew
  const prepared = prepareIdevid(manufacturer, { model, serial, spkiDer: request.spkiDer, notBefore })
  return {
    id: prepared.hash,
    device: serial,
    kind: 'birth',
    status: 'planned',
    serialHex: prepared.serialHex,
    requestHash: hash('sha256', `${serial}\0${request.csrHash}\0${earlier}`),
    keyHash: request.keyHash,
    issuer: manufacturer.idevid.name,
    notBefore,
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

async function recordIssued(tx: Tx, plan: Plan, certificate: Buffer): Promise<CertifiedUnit> {
  const { id, device } = plan.record
  const current = await tx.credential.get(id)
  // Two lines on one batch: the first signature stays, the other was seen by nobody.
  if (current?.certificate !== undefined) {
    return { credential: current, idevid: Buffer.from(current.certificate, 'base64'), version: plan.version + 1 }
  }
  if (current?.status !== 'planned') throw new OnboardingError('unit-key-changed', { serial: device })
  const credential = issueCredential(current, certificate.toString('base64'))
  await tx.credential.put(credential)
  const body = { credential: id, certificateHash: hash('sha256', certificate) }
  const version = await tx.append(streamName('unit', device), plan.version, [{ kind: 'unit-certified', body }])
  return { credential, idevid: certificate, version }
}

/** The record of a unit that holds its certificate, with the first declaration: the manufacturer owns it. */
export async function finishedUnit(work: Work, certified: CertifiedUnit): Promise<UnitRecord> {
  const { manufacturer, model, clock } = work
  const { credential, idevid, version, bootstrappingUri } = certified
  const at = clock()
  const { name, party: owner, manifest } = manufacturer
  const declared = newDeclaration({ manufacturer: name, serial: credential.device, model: model.name, owner, at })
  const declaration = await signDeclaration(declared, manifest)
  return {
    serial: credential.device,
    model: model.name,
    batch: work.batch,
    idevid: Buffer.from(idevid).toString('base64'),
    chain: manufacturer.idevid.chain.map(({ der }) => Buffer.from(der).toString('base64')),
    keyHash: credential.keyHash,
    ...(bootstrappingUri === undefined ? {} : { bootstrappingUri }),
    keyOrigin: work.keyOrigin,
    owner: owner.id,
    domains: declaredDomains(declared),
    declaration: declaration.toString('utf8'),
    declarationVersion: declared.version,
    madeAt: at,
    version: version + 1,
  }
}

/** How many of them were not on record. */
export async function recordFinished(tx: Tx, units: readonly UnitRecord[]): Promise<number> {
  let made = 0
  for (const unit of units) {
    const { serial, batch, owner, declaration, declarationVersion, domains, version } = unit
    const { keyHash, keyOrigin, bootstrappingUri } = unit
    if ((await tx.unit.get(serial)) !== undefined) continue
    const declarationHash = hash('sha256', declaration)
    const bootstrapping = bootstrappingUri === undefined ? {} : { bootstrappingUri }
    const keys = { keyHash, keyOrigin, ...bootstrapping }
    const body = { batch, owner, declarationVersion, declarationHash, domains, ...keys }
    await tx.append(streamName('unit', serial), version - 1, [{ kind: 'unit-made', body }])
    await tx.unit.insert(unit)
    made++
  }
  return made
}
