import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { type CertificateTemplate, type Issuer, prepareCertificate, signCertificate } from '../../crypto/issue.ts'
import { type Curve, establishKey, type KeyStore, type Signer } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Store } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'

/** A certificate on record whose key may be elsewhere: a root that was taken offline. */
export interface EstablishedIssuer {
  readonly name: string
  readonly certificate: Certificate
  /** Certificate and key. Throws OnboardingError `issuer-key-missing`. */
  open(): Promise<Issuer>
}

/**
 * The certificate of that name, made at the first call. What is signed and not yet on record has been seen by nobody, so a
 * crash in between costs a key that is used again and a signature that is made again.
 */
export async function establishIssuer(
  options: {
    readonly store: Store
    readonly keys: KeyStore
    readonly curve?: Curve
    /** Where one key has several certificates; the name when absent. */
    readonly keyLabel?: string
  },
  name: string,
  template: (signer: Signer) => Promise<CertificateTemplate>,
): Promise<EstablishedIssuer> {
  const { store, keys, curve = 'P-256', keyLabel = name } = options
  const known = await store.read(tables => tables.issuer.get(name))
  if (known !== undefined) return established(keys, known)
  const signer = await establishKey(keys, keyLabel, curve)
  const wanted = await template(signer)
  const certificate = await signCertificate(prepareCertificate(wanted), wanted.issuer.signer)
  const record: IssuerRecord = { name, certificate: certificate.toString('base64'), keyLabel, crlNumber: 0 }
  const kept = await store.transaction(async tx => {
    const other = await tx.issuer.get(name)
    if (other !== undefined) return other
    await tx.append(streamName('issuer', name), 0, [
      { kind: 'issuer-established', body: { name, certificate: record.certificate } },
    ])
    await tx.issuer.insert(record)
    return record
  })
  return established(keys, kept)
}

function established(keys: KeyStore, { name, certificate: text, keyLabel }: IssuerRecord): EstablishedIssuer {
  const certificate = decodeCertificate(Buffer.from(text, 'base64'))
  return {
    name,
    certificate,
    async open() {
      const signer = await keys.open(keyLabel)
      if (signer === undefined) throw new OnboardingError('issuer-key-missing', { label: keyLabel })
      if (!signer.spkiDer.equals(certificate.spkiDer)) {
        throw new OnboardingError('issuer-key-missing', { label: keyLabel, reason: 'another key has its label' })
      }
      return { certificate, signer }
    },
  }
}

/** Undefined when the key is elsewhere. */
export async function openIfHere(found: EstablishedIssuer): Promise<Issuer | undefined> {
  try {
    return await found.open()
  } catch (error) {
    if (error instanceof OnboardingError && error.code === 'issuer-key-missing') return undefined
    throw error
  }
}
