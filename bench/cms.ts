/**
 * What a CMS voucher costs beyond its public-key operation: signing (digest, attributes, SignedData) and verifying (DER,
 * signer lookup, digest, attributes). The floors are crypto.sign and crypto.verify alone over the same signed attributes
 * with the same KeyObjects, in the same run, round by round beside the measured code.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { CmsAttributes, cmsOid, decodeSignedData } from '../src/codec/cms.ts'
import { encode } from '../src/codec/der/codec.ts'
import { ecdsaWithSHA256 } from '../src/codec/x509/algorithm.ts'
import {
  type Certificate,
  decodeCertificate,
  encodeCertificate,
  encodeTbsCertificate,
} from '../src/codec/x509/certificate.ts'
import { encodeName } from '../src/codec/x509/name.ts'
import { signCms, verifyCms } from '../src/crypto/cms.ts'
import { keySigner } from '../src/crypto/signer.ts'
import { type Line, line, takeTurns } from './measure.ts'

function certificate(commonName: string, issuer: string, publicKey: KeyObject, issuerKey: KeyObject): Certificate {
  const tbs = encodeTbsCertificate({
    serialNumber: Buffer.concat([Buffer.from([0x41]), randomBytes(15)]),
    signature: ecdsaWithSHA256.identifier,
    issuer: encodeName({ organizationName: 'Example Site', commonName: issuer }),
    validity: { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') },
    subject: encodeName({ organizationName: 'Example Site', commonName }),
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
    extensions: [],
  })
  return decodeCertificate(encodeCertificate(tbs, ecdsaWithSHA256.identifier, sign('sha256', tbs, issuerKey)))
}

const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const registrar = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer = keySigner(registrar.privateKey)
const certificates = [
  certificate('Registrar', 'CA', registrar.publicKey, ca.privateKey),
  certificate('CA', 'CA', ca.publicKey, ca.privateKey),
]
const content = Buffer.from(
  JSON.stringify({ 'ietf-voucher:voucher': { 'pinned-domain-cert': randomBytes(1080).toString('base64') } }),
)
const contentType = cmsOid.animaJsonVoucher

/** More than are remembered: a message that was verified before is not verified again. */
const count = 1000
const messages = await Promise.all(
  Array.from({ length: count }, () => signCms({ content, contentType, signer, certificates })),
)
const bare = messages.map(message => {
  const signerInfo = decodeSignedData(message).signedData.signerInfos[0]!
  return {
    attributes: encode(CmsAttributes, signerInfo.signedAttrs!.value),
    signature: Buffer.from(signerInfo.signature),
  }
})
let next = 0

export async function* cmsSuite(): AsyncGenerator<Line, void, void> {
  const [bareSign, signed, bareVerify, verified] = (await takeTurns([
    () => sign('sha256', bare[0]!.attributes, registrar.privateKey),
    () => signCms({ content, contentType, signer, certificates }),
    n => verify('sha256', bare[n]!.attributes, registrar.publicKey, bare[n]!.signature),
    () => verifyCms(messages[next++ % count]!),
  ])) as [number, number, number, number]
  yield line('cms', 'sign', { value: signed, unit: 'us', floor: bareSign, bar: { most: 1.4 } })
  yield line('cms', 'verify', { value: verified, unit: 'us', floor: bareVerify, bar: { most: 1.35 } })
}
