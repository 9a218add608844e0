import { hash } from 'node:crypto'
import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Admission, AdmissionDecision, AdmissionRequest, ProvenIdentity } from '../../domain/admission.ts'
import { deviceId } from '../../domain/device.ts'
import { postEndpoint, refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { requestFailure, withCodes } from '../../domain/failure.ts'
import { type HistoryEvent, historyFindings } from '../../domain/masa-log.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Peer, Store } from '../../domain/port.ts'
import type { VoucherRecord } from '../../domain/site.ts'
import { type ArtifactFormat, type OpenedArtifact, openVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { brskiPath, formatOf, mediaTypeOf } from '../../protocol/brski/endpoint.ts'
import { type CheckedPledgeRequest, checkPledgeRequest } from '../../protocol/brski/registrar-check.ts'
import { decodeTelemetry } from '../../protocol/brski/telemetry.ts'
import { checkRecall } from '../supply-chain/recall-check.ts'
import type { BirthIdentity } from './device-identity.ts'
import { recordOnDevice } from './device-record.ts'
import type { MasaExchange } from './masa-exchange.ts'
import type { RefusalRecord } from './refusal-record.ts'
import { checkBirthKey, checkStanding } from './standing.ts'

export interface RegistrarOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly admission: Admission
  readonly identify: (peer: EndpointRequest['peer']) => Promise<BirthIdentity>
  readonly exchange: MasaExchange
  /** Throws OnboardingError `rate-limited` when a device, proven to be itself, asks for more than any device needs. */
  readonly limit: (device: string) => void
  readonly refusals: RefusalRecord
  /** Identifier of the network that devices join. */
  readonly network: string
  /** Is this certificate a network credential of ours, and in force? For telemetry sent with the new identity. */
  readonly credentialHolder: (peer: EndpointRequest['peer']) => Promise<{ readonly device: string } | undefined>
}

/** The BRSKI half of a registrar (RFC 8995 sections 5.2 to 5.9): voucher requests and telemetry of pledges. */
export function createRegistrar(options: RegistrarOptions): Endpoint {
  const { log } = options
  // The same bytes may arrive again while the first answer is still being fetched.
  const underWay = new Map<string, Promise<EndpointReply>>()

  async function requestVoucher(request: EndpointRequest): Promise<EndpointReply> {
    const format = requestFormat(request)
    const id = hash('sha256', request.body, 'hex')
    // Of the same peer: what is answered to one who only copied the bytes is no answer to the device.
    const key = `${id} ${endsOf(request.peer)}`
    const running = underWay.get(key)
    if (running !== undefined) return running
    const answer = answerRequest(options, request, format, id).finally(() => underWay.delete(key))
    underWay.set(key, answer)
    return answer
  }

  const operations: Record<string, (request: EndpointRequest) => Promise<EndpointReply>> = {
    [brskiPath.requestVoucher]: requestVoucher,
    [brskiPath.voucherStatus]: request => voucherStatus(options, request),
    [brskiPath.enrollStatus]: request => enrollStatus(options, request),
  }
  return postEndpoint(operations, async (error, { peer }) => {
    log.info({ code: error.code, ...error.detail, address: peer.address }, 'onboarding refused')
    await options.refusals.record(error, peer)
    // RFC 8995 section 5.2: a proximity mismatch closes the connection.
    return refusalReply(error, error.code === 'proximity-mismatch')
  })
}

/** Who talks to whom: the certificates of both ends. */
function endsOf(peer: Peer): string {
  // The chain is asked for last: to have it from TLS costs a fifth of the handshake.
  const client = peer.certificate ?? peer.certificates[0] ?? new Uint8Array()
  return [client, peer.localCertificate].map(der => Buffer.from(der).toString('latin1')).join(' ')
}

function requestFormat(request: EndpointRequest): ArtifactFormat {
  const format = formatOf(request.headers['content-type'] ?? '')
  if (format === undefined)
    throw new OnboardingError('media-type-unknown', { type: shown(request.headers['content-type']) })
  return format
}

async function answerRequest(
  options: RegistrarOptions,
  request: EndpointRequest,
  format: ArtifactFormat,
  id: string,
): Promise<EndpointReply> {
  const { peer, body } = request
  const birth = await options.identify(peer)
  options.limit(deviceIdOf(birth.identity))
  const { artifact, checked } = openRequest(request, format, birth)
  const question: AdmissionRequest = {
    identity: birth.identity,
    network: { id: options.network, protocol: 'brski' },
    evidence: { attempt: id, transcript: id, address: peer.address },
    ...intentOf(birth.certificate),
  }
  const decision = await options.admission.admit(question)
  if (decision.verdict !== 'admit') return withoutVoucher(decision)
  const recorded = decision.hadVoucher ? await options.store.read(tables => tables.voucher.get(id)) : undefined
  if (recorded !== undefined) return voucherReply(recorded)
  const { device } = decision
  const failing = recordingFailure(options, device, id)
  const obtained = await failing(options.exchange.obtain({ birth, artifact, checked, body, format }))
  if (decision.asksHistory) {
    await recordHistory(options, device, await options.exchange.history(obtained, id))
    // With what was found: a voucher that is not handed on opens nothing (RFC 8995 section 5.8.3).
    const informed = await options.admission.admit(question)
    if (informed.verdict !== 'admit') return withoutVoucher(informed)
  }
  const { bytes, voucher } = obtained
  const record: VoucherRecord = {
    id,
    device,
    nonce: Buffer.from(checked.nonce).toString('base64'),
    contentType: mediaTypeOf(format),
    voucher: Buffer.from(bytes).toString('base64'),
    assertion: voucher.assertion ?? 'logged',
    obtainedAt: options.clock(),
  }
  return voucherReply(await failing(recordVoucher(options.store, record)))
}

function recordingFailure(options: RegistrarOptions, device: string, attempt: string) {
  return async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof OnboardingError) await recordFailure(options, device, attempt, error)
      throw error
    }
  }
}

function intentOf({ mudUrl }: Certificate): Pick<AdmissionRequest, 'intent' | 'intentFrom'> {
  return mudUrl === undefined ? {} : { intent: mudUrl, intentFrom: 'certificate' }
}

/** Throws OnboardingError for who is refused. */
function withoutVoucher(decision: Exclude<AdmissionDecision, { verdict: 'admit' }>): EndpointReply {
  if (decision.verdict === 'refuse') throw new OnboardingError(decision.code, { device: decision.device })
  return { status: 202, headers: { 'retry-after': String(decision.retryAfterSeconds) } }
}

/** What the MASA has logged of other networks is on record before anything is decided by it. */
async function recordHistory(
  { store, log }: RegistrarOptions,
  device: string,
  read: HistoryEvent['body'],
): Promise<void> {
  const finding = historyFindings[read.verdict]
  const { attempt, verdict, others, nonceless } = read
  if ('code' in finding) log.warn({ code: finding.code, device, others, nonceless }, finding.note)
  if (verdict === 'unavailable') log.warn({ device, reason: read.reason }, finding.note)
  await store.transaction(tx =>
    recordOnDevice(tx, device, () => [
      { kind: 'history-read', body: read },
      {
        kind: 'evidence-recorded',
        body: { attempt, transcript: attempt, items: [{ step: 'registered', ...finding }] },
      },
    ]),
  )
}

function openRequest(
  request: EndpointRequest,
  format: ArtifactFormat,
  birth: BirthIdentity,
): { readonly artifact: OpenedArtifact<'request'>; readonly checked: CheckedPledgeRequest } {
  return withCodes(requestFailure, () => {
    const quirks = birth.entry.quirks
    const artifact = openVoucherArtifact(request.body, {
      kind: 'request',
      format,
      quirks,
      signers: [birth.certificate],
    })
    const checked = checkPledgeRequest(artifact, {
      clientCertificate: birth.certificate,
      localCertificate: request.peer.localCertificate,
      quirks,
    })
    return { artifact, checked }
  })
}

/** Another process may have been faster with the same request; its voucher is as good, and the first one stays. */
async function recordVoucher(store: Store, record: VoucherRecord): Promise<VoucherRecord> {
  return store.transaction(async tx => {
    let first: VoucherRecord | undefined
    await recordOnDevice(tx, record.device, async device => {
      // The MASA took its time: who was withdrawn or recalled meanwhile does not get what was meant for a welcome device.
      checkStanding(device)
      const [known] = await Promise.all([tx.voucher.get(record.id), checkRecall(tx, device)])
      first = known
      const { id: voucher, assertion, obtainedAt: at } = record
      return first === undefined ? [{ kind: 'voucher-obtained', body: { voucher, assertion, at } }] : []
    })
    if (first === undefined) await tx.voucher.insert(record)
    return first ?? record
  })
}

/** Nothing is granted, the reason stands in the record, and the device may try again (lifecycle T16). */
async function recordFailure(options: RegistrarOptions, device: string, attempt: string, error: OnboardingError) {
  const { code } = error
  await options.store.transaction(tx =>
    recordOnDevice(tx, device, () => [
      { kind: 'onboarding-refused', body: { code, at: options.clock() } },
      {
        kind: 'evidence-recorded',
        body: { attempt, transcript: attempt, items: [{ step: 'declaration-sent', result: 'fail', code }] },
      },
    ]),
  )
}

function voucherReply(record: VoucherRecord): EndpointReply {
  return {
    status: 200,
    headers: { 'content-type': record.contentType, 'cache-control': 'no-store' },
    body: Buffer.from(record.voucher, 'base64'),
  }
}

/** RFC 8995 section 5.7. */
async function voucherStatus(options: RegistrarOptions, request: EndpointRequest): Promise<EndpointReply> {
  const { identity } = await options.identify(request.peer)
  const { status, reason } = telemetryOf(request)
  const id = deviceIdOf(identity)
  options.limit(id)
  await options.store.transaction(tx =>
    recordOnDevice(tx, id, device => {
      checkBirthKey(device, identity)
      if (device.voucher === undefined) throw new OnboardingError('enroll-before-voucher', { device: device.id })
      const attempt = device.voucher.id
      const code = 'voucher-rejected-by-device'
      const items = status
        ? ([
            { step: 'declaration-sent', result: 'pass', note: 'voucher accepted by the device' },
            { step: 'network-authenticated', result: 'pass', note: 'registrar matches the pin' },
            { step: 'channel-established', result: 'pass', note: 'TLS, no longer provisional' },
          ] as const)
        : ([{ step: 'network-authenticated', result: 'fail', code }] as const)
      return [
        {
          kind: 'voucher-status-reported',
          body: { accepted: status, at: options.clock(), ...(reason === undefined ? {} : { reason }) },
        },
        { kind: 'evidence-recorded', body: { attempt, transcript: attempt, items } },
      ]
    }),
  )
  return { status: 200 }
}

/** RFC 8995 section 5.9.4: success comes with the new credential on a new connection, failure with the birth credential. */
async function enrollStatus(options: RegistrarOptions, request: EndpointRequest): Promise<EndpointReply> {
  const { status, reason } = telemetryOf(request)
  const holder = await options.credentialHolder(request.peer)
  const identity = holder === undefined ? (await options.identify(request.peer)).identity : undefined
  const id = holder?.device ?? (identity === undefined ? '' : deviceIdOf(identity))
  options.limit(id)
  await options.store.transaction(tx =>
    recordOnDevice(tx, id, device => {
      if (identity !== undefined) checkBirthKey(device, identity)
      return [
        {
          kind: 'enroll-status-reported',
          body: {
            enrolled: status,
            withNewCredential: holder !== undefined,
            ...(reason === undefined ? {} : { reason }),
          },
        },
      ]
    }),
  )
  return { status: 200 }
}

function deviceIdOf({ manufacturer, serial }: ProvenIdentity): string {
  return deviceId(manufacturer, serial)
}

function telemetryOf(request: EndpointRequest) {
  if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
    throw new OnboardingError('media-type-unknown', { type: shown(request.headers['content-type']) })
  }
  return withCodes(requestFailure, () => decodeTelemetry(request.body))
}

function shown(header: string | undefined): string {
  return (header ?? 'none').slice(0, 80)
}
