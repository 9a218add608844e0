import { sign } from 'node:crypto'
import { encodeCertsOnly } from '../../src/codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { caExtensions, issueCertificate } from '../../src/crypto/issue.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../src/crypto/signer.ts'
import { curveProfile } from '../../src/protocol/dpp/curve.ts'
import type { DppKeyPair } from '../../src/protocol/dpp/key.ts'

/** A CA for stations that use EAP-TLS. */
export interface StationAuthority {
  readonly root: Certificate
  /** The station's own certificate first. @param spkiDer of its key @param subject in DER */
  certify(spkiDer: Uint8Array, subject: Uint8Array): Promise<readonly Uint8Array[]>
}

const year = 365 * 86_400_000

export async function openStationAuthority(): Promise<StationAuthority> {
  const signer = keySigner(generateKey('P-256'))
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + year) }
  const subject = encodeName({ commonName: 'Interop station CA' })
  const root = decodeCertificate(
    await issueCertificate({
      ...validity,
      subject,
      spkiDer: signer.spkiDer,
      issuer: { certificate: 'self', signer },
      extensions: caExtensions(),
    }),
  )
  return {
    root,
    async certify(spkiDer, name) {
      const issuer = { certificate: root, signer }
      const der = await issueCertificate({ ...validity, subject: name, spkiDer, issuer, extensions: [] })
      return [der, root.der]
    },
  }
}

/** certBag in DER, in the order that hostap needs. */
export function certBag(certificates: readonly Uint8Array[]): Buffer {
  return encodeCertsOnly({ certificates, order: 'given' })
}

/** Signs requests with a protocol key, on Brainpool curves as well, which nothing else in Mooring signs with. */
export function dppSigner({ curve, privateKey, key }: DppKeyPair): Signer {
  const { hash } = curveProfile(curve)
  const named = { sha256: 'ES256', sha384: 'ES384', sha512: 'ES512' } as const
  return {
    algorithm: named[hash],
    publicKey: key,
    spkiDer: key.export({ type: 'spki', format: 'der' }),
    sign: async data => sign(hash, data, privateKey),
  }
}
