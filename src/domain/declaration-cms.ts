import { cmsOid } from '../codec/cms.ts'
import { CodecError } from '../codec/error.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { signCms, verifyCms } from '../crypto/cms.ts'
import type { Signer } from '../crypto/signer.ts'
import type { TrustAnchor } from '../crypto/trust.ts'
import { type DeviceInformationDeclaration, decodeDeclaration, encodeDeclaration } from './declaration.ts'
import { declarationType, openSigned, validateSigner } from './declaration-jws.ts'
import type { FailureCodes } from './failure.ts'
import { withCodes } from './failure.ts'

/**
 * The declaration as CMS SignedData, DER, for channels whose devices read no JOSE. Its content is the same canonical JSON:
 * no other document that a manufacturer signs can be read as one, since a reader takes these members and no others.
 */
export function signDeclarationCms(
  declaration: DeviceInformationDeclaration,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
): Promise<Buffer> {
  const { signer, chain } = by
  const content = encodeDeclaration(declaration)
  return signCms({ content, contentType: cmsOid.data, signer, certificates: chain })
}

const codes: FailureCodes = {
  malformed: 'declaration-invalid',
  signature: 'declaration-invalid',
  path: 'declaration-invalid',
}

/**
 * The signed ownership object, in whichever form a channel carries it: DER begins with a SEQUENCE, a JWS with a brace.
 * @throws OnboardingError `declaration-invalid`, with the detail `rule`
 */
export function openDeclaration(bytes: Uint8Array, trust: DeclarationTrust): DeviceInformationDeclaration {
  return withCodes(codes, () => {
    const { content, chain } = bytes[0] === 0x30 ? openCms(bytes) : openJws(bytes)
    const at = trust.at ?? chain[0]?.validity.notBefore ?? new Date(0)
    validateSigner(chain, { anchors: trust.anchors, at })
    return decodeDeclaration(content)
  })
}

export interface DeclarationTrust {
  readonly anchors: readonly TrustAnchor[]
  /** Absent: a device without a clock; the signer's certificate then counts as of its first day. */
  readonly at?: Date
}

const maxBytes = 0x2_0000

interface Opened {
  readonly content: Uint8Array
  readonly chain: readonly Certificate[]
}

function openJws(bytes: Uint8Array): Opened {
  const { payload, chain } = openSigned(bytes, declarationType)
  return { content: payload, chain }
}

function openCms(bytes: Uint8Array): Opened {
  if (bytes.length > maxBytes) throw new CodecError('too-large', `${bytes.length} bytes of declaration`, 0)
  const { contentType, content, certificates } = verifyCms(bytes)
  if (contentType !== cmsOid.data) throw new CodecError('bad-value', `a declaration is not of type ${contentType}`)
  return { content, chain: certificates }
}
