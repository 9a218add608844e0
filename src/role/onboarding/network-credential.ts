import { hash } from 'node:crypto'
import { isPrintable } from '../../codec/der/string.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { type VerifiedCsr, verifyCsr } from '../../crypto/csr.ts'
import { type Issuer, type PreparedCertificate, prepareCertificate, signCertificate } from '../../crypto/issue.ts'
import { ecProfile } from '../../crypto/signer.ts'
import { type CredentialPlan, type CredentialRecord, issueCredential } from '../../domain/credential.ts'
import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { recordOnDevice } from './device-record.ts'

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
  /** Correlates the evidence. */
  readonly attempt: string
  /** What must hold of the device at the moment of issue; throws OnboardingError. */
  readonly authorize: (device: Device) => void
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
  readonly issuing: Issuer & { readonly name: string }
}): CredentialIssuer {
  const { store, issuing } = options
  return {
    async issue(request) {
      const record = await planned(options, request)
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
  const requestHash = hash('sha256', `${request.device}\0${hash('sha256', request.csr.request.der, 'hex')}`, 'hex')
  const keyHash = hash('sha256', request.csr.request.spkiDer, 'hex')
  return store.transaction(async tx => {
    const [known] = await tx.credential.find({ requestHash }, { limit: 1 })
    if (known !== undefined) return repeated(tx, known, request)
    let record: CredentialRecord | undefined
    await recordOnDevice(tx, request.device, device => {
      request.authorize(device)
      if (device.birthKeyHash === keyHash) throw new OnboardingError('csr-reuses-birth-key', { device: device.id })
      record = newRecord(device, request, { requestHash, keyHash, at: clock(), issuing })
      const { id: credential, serialHex, notAfter } = record
      return [{ kind: 'credential-planned', body: { credential, serialHex, notAfter } }]
    })
    if (record === undefined) throw new OnboardingError('internal')
    await insertPlan(tx, record)
    return record
  })
}

/** A repeated request is answered from the record, but only while the device still has the right to it. */
async function repeated(tx: Tx, known: CredentialRecord, request: CredentialRequest): Promise<CredentialRecord> {
  const device = await tx.device.get(known.device)
  if (device === undefined) throw new OnboardingError('device-not-found', { device: known.device })
  request.authorize(device)
  if (known.status === 'planned' || known.status === 'issued') return known
  throw new OnboardingError('csr-invalid', { rule: 'key-in-use', status: known.status })
}

async function insertPlan(tx: Tx, record: CredentialRecord): Promise<void> {
  try {
    await tx.credential.insert(record)
  } catch (error) {
    if (!(error instanceof OnboardingError) || error.code !== 'store-exists') throw error
    // SP 1800-36: every credential is one device's own. The same key again means a copied key or a broken generator.
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
  const notAfter = Math.min(at + plan.lifetimeDays * 86_400_000, issuing.certificate.validity.notAfter.getTime())
  const prepared = prepareCertificate({
    subject: subjectOf(device, plan),
    spkiDer: csr.request.spkiDer,
    issuer: issuing,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    extensions: credentialExtensions,
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
  }
}

/** The name is ours to give: identity comes from the birth certificate, never from the CSR. */
function subjectOf({ id, serial }: Device, { network }: CredentialPlan): Buffer {
  // X.520 wants a PrintableString of up to 64; makers write others, and the id names the device in any case.
  const fits = serial.length <= 64 && isPrintable(serial)
  return encodeName({ organizationName: network, commonName: id, serialNumber: fits ? serial : undefined })
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
  const current = await tx.credential.get(planned.id)
  if (current === undefined) throw new OnboardingError('internal')
  // Two requests with the same bytes can both have found the plan; the first signature stays.
  if (current.certificate !== undefined) return Buffer.from(current.certificate, 'base64')
  await tx.credential.put(issueCredential(current, certificate.toString('base64')))
  await recordOnDevice(tx, planned.device, () => [
    {
      kind: 'credential-issued',
      body: { credential: planned.id, certificateHash: hash('sha256', certificate, 'hex') },
    },
    {
      kind: 'evidence-recorded',
      body: {
        attempt: request.attempt,
        transcript: planned.requestHash,
        items: [{ step: 'credential-provisioned', result: 'pass', note: 'LDevID for a key made on the device' }],
      },
    },
  ])
  return certificate
}
