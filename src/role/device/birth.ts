import { z } from 'zod'
import { encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJson, encodeCanonicalJson } from '../../codec/json.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName } from '../../codec/x509/name.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { OnboardingError } from '../../domain/error.ts'
import { coded } from '../../domain/failure.ts'
import { deviceSerialNumber } from '../../protocol/brski/idevid.ts'
import type { DeviceStore } from './port.ts'

/** Label of the birth key; made on the line, and kept by a factory reset. */
export const birthKeyLabel = 'idevid'
/** Name in the device store; the only value that a factory reset keeps. */
export const birthName = 'birth'

const bytes = z.base64().transform(text => Buffer.from(text, 'base64'))
const Birth = z.strictObject({
  version: z.literal(1),
  model: z.string().max(64),
  idevid: bytes,
  chain: z.array(bytes).max(8),
  anchors: z.array(bytes).min(1).max(8),
})

/** Who a device is, from the day it was made (SP 1800-36: birth credential). Its key is in the key store. */
export interface BirthCredential {
  readonly model: string
  readonly serialNumber: string
  readonly idevid: Certificate
  /** Up to but without the root. */
  readonly chain: readonly Certificate[]
  /** By which the device knows vouchers of its manufacturer. */
  readonly anchors: readonly TrustAnchor[]
}

const LIMITS = { size: 0x4_0000, depth: 4, count: 50 }
const codes = { malformed: 'input-invalid', signature: 'input-invalid', path: 'input-invalid' } as const

/** As the line writes it, once. */
export async function writeBirth(
  store: DeviceStore,
  birth: {
    readonly model: string
    readonly idevid: Uint8Array
    readonly chain: readonly Uint8Array[]
    readonly anchors: readonly Uint8Array[]
  },
): Promise<void> {
  const { model, idevid, chain, anchors } = birth
  const value = {
    version: 1,
    model,
    idevid: encodeBase64(idevid),
    chain: chain.map(encodeBase64),
    anchors: anchors.map(encodeBase64),
  }
  await store.write(birthName, Buffer.from(encodeCanonicalJson(value)))
}

/** Throws OnboardingError `idevid-missing` for a device that was never made, `input-invalid` when the value is damaged. */
export async function readBirth(store: DeviceStore): Promise<BirthCredential> {
  const value = await store.read(birthName)
  if (value === undefined) throw new OnboardingError('idevid-missing')
  try {
    return decodeBirth(value)
  } catch (error) {
    throw coded(error, codes)
  }
}

function decodeBirth(value: Uint8Array): BirthCredential {
  const parsed = Birth.safeParse(decodeJson(value, LIMITS))
  if (!parsed.success) throw new CodecError('bad-value', 'not a birth credential')
  const { model, chain, anchors } = parsed.data
  const idevid = decodeCertificate(parsed.data.idevid)
  return {
    model,
    serialNumber: deviceSerialNumber(idevid),
    idevid,
    chain: chain.map(decodeCertificate),
    anchors: anchors
      .map(decodeCertificate)
      .map(certificate => ({ name: formatName(certificate.subject), certificate })),
  }
}
