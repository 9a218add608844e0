import type { Certificate } from '../../codec/x509/certificate.ts'
import { validatePath } from '../../crypto/path.ts'
import type { Signer } from '../../crypto/signer.ts'
import { type ErrorCode, isErrorCode, OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import { type HistoryEvent, judgeHistory, unreadHistory } from '../../domain/masa-log.ts'
import { domainIds } from '../../domain/ownership.ts'
import type { Clock, MasaAnswer, MasaClient, MasaRequest } from '../../domain/port.ts'
import {
  type ArtifactFormat,
  type OpenedArtifact,
  openVoucherArtifact,
  signVoucherArtifact,
} from '../../protocol/brski/artifact.ts'
import { decodeAuditLog, domainId } from '../../protocol/brski/audit-log.ts'
import { brskiMediaType, formatOf, masaBaseUrl, mediaTypeOf } from '../../protocol/brski/endpoint.ts'
import { type CheckedPledgeRequest, checkMasaAnswer } from '../../protocol/brski/registrar-check.ts'
import type { Voucher, VoucherRequest } from '../../protocol/brski/voucher.ts'
import type { BirthIdentity } from './device-identity.ts'

export interface RegistrarCredential {
  /** End-entity certificate with cmcRA; also the TLS server's. */
  readonly certificate: Certificate
  /** Issuing CA and root: the choices for the pin (RFC 8995 section 5.5). */
  readonly chain: readonly Certificate[]
  readonly signer: Signer
}

export interface MasaExchange {
  /** The manufacturer's voucher for a request that was admitted. Throws OnboardingError `masa-…` or its own refusal. */
  obtain(request: {
    readonly birth: BirthIdentity
    readonly artifact: OpenedArtifact<'request'>
    readonly checked: CheckedPledgeRequest
    /** The pledge's request, byte for byte. */
    readonly body: Uint8Array
    readonly format: ArtifactFormat
  }): Promise<ObtainedVoucher>
  /** The log of the MASA about the device of this voucher. Never throws OnboardingError: it may be unavailable. */
  history(obtained: ObtainedVoucher, attempt: string): Promise<HistoryEvent['body']>
}

export interface ObtainedVoucher {
  readonly bytes: Uint8Array
  readonly voucher: Voucher
  /** What was sent; RFC 8995 section 5.8: the log is asked for with the same. */
  readonly request: MasaRequest
  readonly nonce: Uint8Array
  readonly quirks: BirthIdentity['entry']['quirks']
}

export function createMasaExchange(options: {
  readonly masa: MasaClient
  /** The credential now: it is renewed while the site runs. */
  readonly registrar: () => RegistrarCredential
  /** Every CA and root that this site has ever had, by which MASAs know it. */
  readonly domains: () => readonly Certificate[]
  readonly clock: Clock
}): MasaExchange {
  const { masa, clock } = options
  return {
    async obtain({ birth, artifact, checked, body, format }) {
      const registrar = options.registrar()
      const certificates = [registrar.certificate, ...registrar.chain]
      const { manufacturer } = birth.entry
      const baseUrl = masaBaseUrl(manufacturer.masaUrl ?? birth.certificate.masaUrl)
      const value: VoucherRequest = {
        'serial-number': checked.serialNumber,
        'created-on': new Date(clock()),
        nonce: checked.nonce,
        'idevid-issuer': checked.idevidIssuer,
        'prior-signed-voucher-request': body,
        ...(artifact.value.assertion === undefined ? {} : { assertion: artifact.value.assertion }),
      }
      const request = await signVoucherArtifact({
        format,
        kind: 'request',
        value,
        signer: registrar.signer,
        certificates,
      })
      const type = mediaTypeOf(format)
      const asked: MasaRequest = { manufacturer, baseUrl, body: request, contentType: type, accept: type }
      const answer = await masa.requestVoucher(asked)
      if (answer.status !== 200) throw masaRefusal(answer)
      if (formatOf(answer.contentType) !== format) {
        throw new OnboardingError('masa-answer-invalid', { type: answer.contentType.slice(0, 80) })
      }
      return {
        bytes: answer.body,
        request: asked,
        nonce: checked.nonce,
        quirks: birth.entry.quirks,
        voucher: openAnswer(answer, { format, birth, checked, chain: certificates, at: new Date(clock()) }),
      }
    },
    async history({ request, nonce, quirks }, attempt) {
      const head = { at: clock(), attempt }
      try {
        const answer = await masa.requestAuditLog({ ...request, accept: brskiMediaType.auditLog })
        if (answer.status !== 200) return unreadHistory(`status ${answer.status}`, head)
        const log = withCodes(answerCodes, () => decodeAuditLog(answer.body, quirks))
        const own = new Set(
          options.domains().flatMap(certificate => [domainId(certificate), ...domainIds(certificate)]),
        )
        return judgeHistory(log, { ...head, own, nonce: Buffer.from(nonce).toString('base64') })
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        return unreadHistory(error.code, head)
      }
    },
  }
}

const answerCodes = {
  malformed: 'masa-answer-invalid',
  signature: 'masa-answer-invalid',
  path: 'masa-answer-invalid',
} as const

function openAnswer(
  answer: MasaAnswer,
  context: {
    readonly format: ArtifactFormat
    readonly birth: BirthIdentity
    readonly checked: CheckedPledgeRequest
    readonly chain: readonly Certificate[]
    readonly at: Date
  },
): Voucher {
  const { format, birth, checked, chain, at } = context
  return withCodes(answerCodes, () => {
    const { quirks, voucherAnchors } = birth.entry
    const artifact = openVoucherArtifact(answer.body, { kind: 'voucher', format, quirks })
    validatePath({ chain: artifact.certificates, anchors: voucherAnchors, at })
    return checkMasaAnswer(artifact, { serialNumber: checked.serialNumber, nonce: checked.nonce, chain })
  })
}

/** Codes that a MASA of ours names at the start of its text; any other MASA's reason is passed on as text. */
const relayed: ReadonlySet<ErrorCode> = new Set([
  'owner-mismatch',
  'device-unknown-to-masa',
  'device-withdrawn',
  'nonce-replayed',
  'registrar-not-authorized',
] as const)

function masaRefusal(answer: MasaAnswer): OnboardingError {
  const text = Buffer.from(answer.body.subarray(0, 300))
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, ' ')
  const named = /^([a-z-]+):/.exec(text)?.[1] ?? ''
  const code =
    isErrorCode(named) && relayed.has(named)
      ? named
      : answer.status >= 500 || answer.status === 429
        ? 'masa-unreachable'
        : 'masa-refused'
  return new OnboardingError(code, { status: answer.status, reason: text })
}
