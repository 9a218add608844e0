import { cmsOid } from '../codec/cms.ts'
import { CodecError } from '../codec/error.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { signCms, verifyCms } from '../crypto/cms.ts'
import type { Signer } from '../crypto/signer.ts'
import type { TrustAnchor } from '../crypto/trust.ts'
import { type DeviceInformationDeclaration, decodeDeclaration, encodeDeclaration } from './declaration.ts'
import { declarationReader, validateSigner } from './declaration-jws.ts'
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
export function openDeclaration(
  bytes: Uint8Array,
  trust: { readonly anchors: readonly TrustAnchor[]; readonly at: Date },
): DeviceInformationDeclaration {
  return withCodes(codes, () => (bytes[0] === 0x30 ? openCms(bytes, trust) : declarationReader(trust)(bytes)))
}

const maxBytes = 0x2_0000

function openCms(
  bytes: Uint8Array,
  trust: { readonly anchors: readonly TrustAnchor[]; readonly at: Date },
): DeviceInformationDeclaration {
  if (bytes.length > maxBytes) throw new CodecError('too-large', `${bytes.length} bytes of declaration`, 0)
  const { contentType, content, certificates } = verifyCms(bytes)
  if (contentType !== cmsOid.data) throw new CodecError('bad-value', `a declaration is not of type ${contentType}`)
  validateSigner(certificates, trust)
  return decodeDeclaration(content)
}
