import { CodecError } from '../../codec/error.ts'
import type { VerifiedCsr } from '../../crypto/csr.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { Admission, AdmissionDecision, AdmissionRequest } from '../../domain/admission.ts'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import type { CredentialPlan } from '../../domain/credential.ts'
import type { Device } from '../../domain/device.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import type { ConfigurationRequest } from '../../protocol/dpp/configuration-request.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { type DppPublicKey, exportSpki } from '../../protocol/dpp/key.ts'
import { keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import type { DeviceConfiguration, MadeConfiguration } from './device-configuration.ts'
import { recordOnDevice } from './device-record.ts'
import type { NetworkConfiguration } from './network-definition.ts'
import { requireReturning } from './returning-credential.ts'
import { checkOwner, checkStanding, checkStay } from './standing.ts'

/** One attempt of a device that is known by its bootstrapping key. */
export interface EnrolleeAttempt {
  readonly key: BootstrappingKeyRecord
  /** Names the attempt: SHA-256 of what began it, hex. */
  readonly id: string
  /** SHA-256 of all messages so far, hex. */
  readonly transcript: string
  readonly address: string
  /** Id of the credential that it comes back by, and that has to allow that until the end. */
  readonly connector?: string
}

/** What a device asks for once both have proven who they are. */
export interface EnrolleeWish {
  readonly mutual: boolean
  readonly request: ConfigurationRequest
  readonly version: number
  /** Its netAccessKey, if it gets one. */
  readonly protocolKey: DppPublicKey
  /** Verifies its certification request against this exchange. Throws CodecError or CryptoError. */
  readonly openCsr: (pkcs10: Uint8Array) => VerifiedCsr
}

/** Let in, and waiting for what the configuration still needs of the device. */
export interface AdmittedEnrollee {
  readonly device: string
  readonly plan: CredentialPlan
}

export type EnrolleeAnswer =
  | ({ readonly type: 'configured' } & MadeConfiguration)
  | { readonly type: 'csr-needed'; readonly admitted: AdmittedEnrollee }
  | { readonly type: 'new-key-needed'; readonly curve: DppCurve; readonly admitted: AdmittedEnrollee }
  /** `status`: of `dppStatus`, all that the device learns of the reason. */
  | { readonly type: 'refused'; readonly status: number; readonly code: ErrorCode }

export interface EnrolleeDecisions {
  /**
   * Whether to answer somebody who only named a key: who would not be let in now is not told so, since the device would take it
   * for the last word.
   */
  knock(attempt: EnrolleeAttempt): Promise<AdmissionDecision>
  /** @param admitted when it asks again, with what was missing */
  configure(attempt: EnrolleeAttempt, wish: EnrolleeWish, admitted?: AdmittedEnrollee): Promise<EnrolleeAnswer>
}

export interface EnrolleeDecisionOptions {
  readonly store: Store
  readonly clock: Clock
  readonly admission: Admission
  readonly configuration: DeviceConfiguration
  /** Identifier of the site's network, as in BRSKI. */
  readonly network: string
  readonly owners: readonly string[]
  /** Of the site; the decision says what of it is this device's own. */
  readonly plan: CredentialPlan
  /** Throws OnboardingError `rate-limited`. */
  readonly limit: (device: string) => void
}

export function createEnrolleeDecisions(options: EnrolleeDecisionOptions): EnrolleeDecisions {
  const { admission } = options
  return {
    async knock(attempt) {
      const request = await requestOf(options, attempt, false)
      return admission.admit({ ...request, evidence: { ...request.evidence, claimed: true } })
    },
    async configure(attempt, wish, admitted) {
      try {
        return await configure(options, attempt, wish, admitted)
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        if (error.code.startsWith('store-')) throw error
        await recordFailure(options, attempt, error)
        const status = error.code === 'csr-invalid' ? dppStatus.csrBad : dppStatus.configureFailure
        return { type: 'refused', status, code: error.code }
      }
    },
  }
}

async function requestOf(
  { store, network }: EnrolleeDecisionOptions,
  { key, id, transcript, address }: EnrolleeAttempt,
  mutual: boolean,
): Promise<AdmissionRequest> {
  const device = await store.read(tables => tables.device.get(key.device))
  if (device === undefined) throw new OnboardingError('bootstrapping-key-unknown', { key: key.id })
  const { manufacturer, serial } = device
  const { source } = key
  return {
    identity: { manufacturer, serial, certificateHash: '', keyHash: key.id, bootstrapping: { source, mutual } },
    network: { id: network, protocol: 'dpp' },
    evidence: { attempt: id, transcript, address },
  }
}

async function configure(
  options: EnrolleeDecisionOptions,
  attempt: EnrolleeAttempt,
  wish: EnrolleeWish,
  before: AdmittedEnrollee | undefined,
): Promise<EnrolleeAnswer> {
  const { key } = attempt
  options.limit(key.device)
  const netRole = roleOf(key, wish.request)
  // The key of its label is what everybody knows it by; a credential for it could be asked for by who copied that.
  if (keyHash({ publicKey: exportSpki(wish.protocolKey) }).toString('hex') === key.id) {
    throw new OnboardingError('dpp-key-in-use', { device: key.device })
  }
  const admitted = before ?? (await admit(options, attempt, wish))
  if ('type' in admitted) return admitted
  const configuration = await options.configuration.find(needOf(key, wish, netRole, admitted))
  if (configuration.newKeyNeeded) {
    return { type: 'new-key-needed', curve: configuration.netAccessKeyCurve, admitted }
  }
  if (configuration.akm === 'dot1x' && wish.request.pkcs10 === undefined) return { type: 'csr-needed', admitted }
  const made = await options.configuration.make({
    ...admitted,
    attempt: attempt.id,
    configuration,
    netAccessKey: wish.protocolKey,
    version: wish.version,
    bootstrapping: key,
    ...csrOf(configuration, wish),
    async authorize(device, tables) {
      checkEnrollee(device, key, options.owners)
      const { network } = configuration
      // Nobody was to be on it any more when it was removed.
      if ((await tables.network.get(network))?.status !== 'active')
        throw new OnboardingError('network-undefined', { network })
      if (attempt.connector !== undefined)
        await requireReturning(tables, await tables.credential.get(attempt.connector))
    },
  })
  return { type: 'configured', ...made }
}

async function admit(
  options: EnrolleeDecisionOptions,
  attempt: EnrolleeAttempt,
  { mutual, request: asked }: EnrolleeWish,
): Promise<AdmittedEnrollee | Extract<EnrolleeAnswer, { type: 'refused' }>> {
  const request = await requestOf(options, attempt, mutual)
  const decision = await options.admission.admit({ ...request, ...intentOf(asked) })
  if (decision.verdict === 'admit') return { device: decision.device, plan: { ...options.plan, ...decision.plan } }
  const { configurePending, configureFailure } = dppStatus
  const status = decision.verdict === 'wait' ? configurePending : configureFailure
  return { type: 'refused', status, code: decision.code }
}

function intentOf({ mudurl }: ConfigurationRequest): Pick<AdmissionRequest, 'intent' | 'intentFrom'> {
  return mudurl === undefined ? {} : { intent: mudurl, intentFrom: 'request' }
}

/** Whoever gets the Connector of an access point is one to every device: only those that a person named as such. */
function roleOf(key: BootstrappingKeyRecord, { netRole }: ConfigurationRequest): 'sta' | 'ap' {
  if (netRole === key.netRole) return netRole
  throw new OnboardingError('dpp-role-refused', { key: key.id, asked: netRole, recorded: key.netRole })
}

function needOf(
  key: BootstrappingKeyRecord,
  { request, version, protocolKey }: EnrolleeWish,
  netRole: 'sta' | 'ap',
  { plan }: AdmittedEnrollee,
) {
  const { mac } = parseBootstrappingUri(key.uri)
  const passwordIds = version >= 3 && ((request.capabilities ?? 0) & 1) === 1
  return { netRole, plan, version, curve: protocolKey.curve, mac, passwordIds }
}

function csrOf({ akm }: NetworkConfiguration, { request, openCsr }: EnrolleeWish): { readonly csr?: VerifiedCsr } {
  if (akm !== 'dot1x' || request.pkcs10 === undefined) return {}
  try {
    return { csr: openCsr(request.pkcs10) }
  } catch (error) {
    if (!(error instanceof CodecError) && !(error instanceof CryptoError)) throw error
    throw new OnboardingError('csr-invalid', { rule: error.code, reason: error.message }, { cause: error })
  }
}

/** Asked of the record in the moment of the plan, and again in that of the signature. */
export function checkEnrollee(device: Device, key: BootstrappingKeyRecord, owners: readonly string[]): void {
  checkStanding(device)
  checkStay(device)
  checkOwner(device, owners)
  if (device.bootstrappingKey !== key.id) throw new OnboardingError('bootstrapping-key-unknown', { key: key.id })
}

/** Nothing is granted, the reason stands in the record, and the device may try again (lifecycle T16). */
async function recordFailure(
  { store, clock }: EnrolleeDecisionOptions,
  { key, id: attempt, transcript }: EnrolleeAttempt,
  { code, detail }: OnboardingError,
): Promise<void> {
  // What a device asks too often fills no ledger.
  if (code === 'rate-limited') return
  const note = Object.entries(detail)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
    .slice(0, 200)
  await store.transaction(tx =>
    recordOnDevice(tx, key.device, () => [
      { kind: 'onboarding-refused', body: { code, at: clock(), ...(note === '' ? {} : { note }) } },
      {
        kind: 'evidence-recorded',
        body: { attempt, transcript, items: [{ step: 'credential-provisioned', result: 'fail', code }] },
      },
    ]),
  )
}
