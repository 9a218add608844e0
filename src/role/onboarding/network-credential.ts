import { hash } from 'node:crypto'
import { isPrintable } from '../../codec/der/string.ts'
import { type Extension, extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { type VerifiedCsr, verifyCsr } from '../../crypto/csr.ts'
import { type Issuer, type PreparedCertificate, prepareCertificate, signCertificate } from '../../crypto/issue.ts'
import { ecProfile } from '../../crypto/signer.ts'
import { type CredentialPlan, type CredentialRecord, issueCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import type { NetworkAccess } from '../../domain/network-definition.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import { checkRecall } from '../supply-chain/recall-check.ts'
import { recordOnDevice } from './device-record.ts'
import { accessGranted } from './network-secret.ts'

const csrCodes = { malformed: 'csr-invalid', signature: 'csr-invalid', path: 'csr-invalid' } as const

/** A certificate dated slightly into the past is valid at once for a device whose clock runs behind. */
const backdating = 300_000

export interface CredentialIssuer {
  /**
   * The network credential for a CSR, DER. The same device with the same bytes gets the same certificate, also when the
   * process died between its record and its answer.
   */
  issue(request: CredentialRequest): Promise<Buffer>
}

export interface CredentialRequest {
  readonly device: string
  readonly csr: VerifiedCsr
  readonly plan: CredentialPlan
  /** What must hold of the device at the moment of issue; throws OnboardingError. */
  readonly authorize: (device: Device, tables: Tables) => void | Promise<void>
  /** Id of the credential that the device renews: it has to be in force at the moment of issue, too. */
  readonly renews?: string
  /** The wireless network that it is for, if it is for one. */
  readonly place?: { readonly network: string; readonly access: NetworkAccess }
}

/** Reads a CSR and checks all that can be checked without knowing who asks. Throws OnboardingError `csr-invalid`. */
export function openCsr(der: Uint8Array): VerifiedCsr {
  return withCodes(csrCodes, () => {
    const csr = verifyCsr(der)
    // EC alone; which curves, `verifyCsr` has seen to, and asking the key for its curve costs 0.01 ms.
    if (csr.publicKey.asymmetricKeyType !== 'ec') ecProfile(csr.publicKey)
    return csr
  })
}

export function createCredentialIssuer(options: {
  readonly store: Store
  readonly clock: Clock
  /** Read for each request: a site has several over the years. */
  readonly issuing: Issuer & { readonly name: string }
}): CredentialIssuer {
  const { store } = options
  return {
    async issue(request) {
      // One CA from plan to signature, whatever takes its place meanwhile.
      const { issuing } = options
      const record = await planned({ ...options, issuing }, request)
      if (record.certificate !== undefined) return Buffer.from(record.certificate, 'base64')
      const signed = await signCertificate(preparedAgain(record, issuing), issuing.signer)
      return store.transaction(tx => recordIssued(tx, record, signed, request))
    },
  }
}

/** The plan on record for this request, or a new one: the bytes to sign stand in the ledger before they are signed. */
async function planned(
  { store, clock, issuing }: Parameters<typeof createCredentialIssuer>[0],
  request: CredentialRequest,
): Promise<CredentialRecord> {
  const keyHash = hash('sha256', request.csr.request.spkiDer, 'hex')
  return store.transaction(async tx => {
    const at = clock()
    let known: CredentialRecord | undefined
    let record: CredentialRecord | undefined
    const decide = async (device: Device, ofKey: readonly CredentialRecord[]): Promise<DeviceEvent[]> => {
      await checkRight(tx, device, request)
      checkKey(device, keyHash, ofKey)
      const answer = previousAnswer(ofKey, request, { at, issuer: issuing.name })
      known = answer.known
      const place = request.place ?? (await placeBefore(tx, request))
      const terms = { ...request, ...(place === undefined ? {} : { place }) }
      record = known ?? newRecord(device, terms, { requestHash: answer.requestHash, keyHash, at, issuing })
      if (known !== undefined) return []
      const { id: credential, serialHex, notAfter } = record
      const granted = place === undefined ? [] : [accessGranted(credential, place.network, place.access)]
      return [{ kind: 'credential-planned', body: { credential, serialHex, notAfter } }, ...granted]
    }
    // One look finds all that this key ever got, the answer to this very request among it.
    await recordOnDevice(tx, request.device, decide, () => tx.credential.find({ keyHash }, { limit: 1000 }))
    if (record === undefined) throw new OnboardingError('internal')
    if (known === undefined) await insertPlan(tx, record)
    return record
  })
}

/** What a device renews is for the network that it was for. */
async function placeBefore(tx: Tx, { renews }: CredentialRequest): Promise<CredentialRequest['place']> {
  const { network, access } = (renews === undefined ? undefined : await tx.credential.get(renews)) ?? {}
  return network === undefined || access === undefined ? undefined : { network, access }
}

/**
 * One request, one credential. A device whose signatures are deterministic (RFC 6979) renews a key with the very bytes of
 * its last request, though: what has run out, was replaced, or is what is being renewed is not the answer but the
 * predecessor of it.
 */
function previousAnswer(
  ofKey: readonly CredentialRecord[],
  request: CredentialRequest,
  now: { readonly at: number; readonly issuer: string },
): { readonly known?: CredentialRecord; readonly requestHash: string } {
  const csrHash = hash('sha256', request.csr.request.der, 'hex')
  for (let place = request.device; ; ) {
    const requestHash = hash('sha256', `${place}\0${csrHash}`, 'hex')
    const known = ofKey.find(record => record.requestHash === requestHash)
    if (known === undefined) return { requestHash }
    if (!isSpent(known, request, now)) return { known, requestHash }
    place = known.id
  }
}

function isSpent(
  known: CredentialRecord,
  { renews }: CredentialRequest,
  { at, issuer }: { readonly at: number; readonly issuer: string },
): boolean {
  if (known.id === renews || known.revocationReason === 'superseded') return true
  // Another CA cannot sign what names this one as its issuer.
  return known.notAfter < at || (known.status === 'planned' && known.issuer !== issuer)
}

/** Asked before anything is planned and again before the signature counts: rights end in between, too. */
async function checkRight(tx: Tx, device: Device, { authorize, renews }: CredentialRequest): Promise<void> {
  await authorize(device, tx)
  await checkRecall(tx, device)
  if (renews === undefined) return
  const status = (await tx.credential.get(renews))?.status ?? 'unknown'
  if (status !== 'issued') throw new OnboardingError('credential-not-in-force', { credential: renews, status })
}

/** SP 1800-36: every credential is one device's own. A key that others have, or that was given up, gets none. */
function checkKey(device: Device, keyHash: string, ofKey: readonly CredentialRecord[]): void {
  if (device.birthKeyHash === keyHash) throw new OnboardingError('csr-reuses-birth-key', { device: device.id })
  const given = ofKey.find(record => record.status === 'revoked' && record.revocationReason !== 'superseded')
  if (given !== undefined) throw new OnboardingError('csr-invalid', { rule: 'key-in-use', status: given.status })
}

async function insertPlan(tx: Tx, record: CredentialRecord): Promise<void> {
  try {
    await tx.credential.insert(record)
  } catch (error) {
    if (!(error instanceof OnboardingError) || error.code !== 'store-exists') throw error
    // Of another device: a copied key, or a broken generator.
    throw new OnboardingError('csr-invalid', { rule: 'key-in-use' }, { cause: error })
  }
}

function newRecord(
  device: Device,
  request: CredentialRequest,
  facts: {
    readonly requestHash: string
    readonly keyHash: string
    readonly at: number
    readonly issuing: Issuer & { readonly name: string }
  },
): CredentialRecord {
  const { plan, csr } = request
  const { issuing, at } = facts
  const notBefore = at - backdating
  const lifetimeDays = device.terms?.lifetimeDays ?? plan.lifetimeDays
  const notAfter = Math.min(at + lifetimeDays * 86_400_000, issuing.certificate.validity.notAfter.getTime())
  const prepared = prepareCertificate({
    subject: subjectOf(device, plan),
    spkiDer: csr.request.spkiDer,
    issuer: issuing,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    extensions: [...credentialExtensions, ...statusExtensions(plan, issuing.name)],
  })
  return {
    id: prepared.hash,
    device: device.id,
    kind: 'network',
    status: 'planned',
    serialHex: prepared.serialHex,
    requestHash: facts.requestHash,
    keyHash: facts.keyHash,
    issuer: issuing.name,
    notBefore,
    notAfter,
    tbs: prepared.tbsDer.toString('base64'),
    ...request.place,
  }
}

/** The name is ours to give: identity comes from the birth certificate, never from the CSR. */
function subjectOf({ id, serial }: Device, { network }: CredentialPlan): Buffer {
  // X.520 wants a PrintableString of up to 64; makers write others, and the id names the device in any case.
  const fits = serial.length <= 64 && isPrintable(serial)
  return encodeName({ organizationName: network, commonName: id, serialNumber: fits ? serial : undefined })
}

/** RFC 5280 sections 4.2.1.13 and 4.2.2.1: where others find out what became of the credential. */
function statusExtensions({ statusUrl }: CredentialPlan, issuer: string): Extension[] {
  if (statusUrl === undefined) return []
  const at = (path: string) => ({ type: 'uniformResourceIdentifier', value: `${statusUrl}${path}` }) as const
  return [
    makeExtension(extensionKinds.cRLDistributionPoints, [
      { distributionPoint: { type: 'fullName', value: [at(`/crl/${issuer}.crl`)] } },
    ]),
    makeExtension(extensionKinds.authorityInfoAccess, [
      { accessMethod: '1.3.6.1.5.5.7.48.1', accessLocation: at('/ocsp') },
    ]),
  ]
}

const credentialExtensions = [
  makeExtension(extensionKinds.basicConstraints, { cA: false }),
  makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
  makeExtension(extensionKinds.extendedKeyUsage, [extendedKeyUsageOid.clientAuth]),
]

function preparedAgain(record: CredentialRecord, issuing: Issuer): PreparedCertificate {
  return {
    tbsDer: Buffer.from(record.tbs, 'base64'),
    hash: record.id,
    serialHex: record.serialHex,
    algorithm: issuing.signer.algorithm,
    issuerSpkiDer: issuing.certificate.spkiDer,
  }
}

async function recordIssued(
  tx: Tx,
  planned: CredentialRecord,
  certificate: Buffer,
  request: CredentialRequest,
): Promise<Buffer> {
  let current: CredentialRecord | undefined
  const decide = async (device: Device, found: CredentialRecord | undefined): Promise<DeviceEvent[]> => {
    await checkRight(tx, device, request)
    current = found
    return current?.certificate === undefined ? issued(device, planned, certificate) : []
  }
  await recordOnDevice(tx, planned.device, decide, () => tx.credential.get(planned.id))
  if (current === undefined) throw new OnboardingError('internal')
  // Two requests with the same bytes can both have found the plan; the first signature stays.
  if (current.certificate !== undefined) return Buffer.from(current.certificate, 'base64')
  await tx.credential.put(issueCredential(current, certificate.toString('base64')))
  return certificate
}

function issued(device: Device, { id, requestHash, notAfter }: CredentialRecord, certificate: Buffer): DeviceEvent[] {
  return [
    {
      kind: 'credential-issued',
      body: { credential: id, certificateHash: hash('sha256', certificate, 'hex'), notAfter },
    },
    {
      kind: 'evidence-recorded',
      body: {
        attempt: device.attempt?.id ?? '',
        transcript: requestHash,
        items: [{ step: 'credential-provisioned', result: 'pass', note: 'LDevID for a key made on the device' }],
      },
    },
  ]
}
