import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { verifyCsr } from '../../crypto/csr.ts'
import { type Issuer, issueCertificate, randomSerialNumber } from '../../crypto/issue.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { documentSigning } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { withCodes } from '../../domain/failure.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'
import type { Manufacturer } from './manufacturer-setup.ts'

const year = 365 * 86_400_000
const skew = 300_000
/** CA of everything that the manufacturer says. */
export const statementIssuer = 'masa-1'
const csrCodes = { malformed: 'csr-invalid', signature: 'csr-invalid', path: 'csr-invalid' } as const

/**
 * A certificate for one who keeps declarations on the manufacturer's behalf (white paper section 2.7): a rebrander, or who
 * runs the service for it. It can sign what the manufacturer can, of all its devices, for a year; no voucher, and no
 * certificate. For a key that the delegate made and keeps. On record before it is handed out; asked again, the same.
 *
 * Throws OnboardingError `csr-invalid`, `input-invalid` for a name that another key has, `issuer-key-missing`.
 * @returns the certificate, and what stands above it without the root
 */
export async function certifyDelegate(
  office: {
    readonly manufacturer: Manufacturer
    readonly store: Store
    readonly keys: KeyStore
    readonly clock: Clock
  },
  { name, csr }: { readonly name: string; readonly csr: Uint8Array },
): Promise<readonly Certificate[]> {
  const { manufacturer, store, clock } = office
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(name)) {
    throw new OnboardingError('input-invalid', { field: 'name', rule: '1 to 40 of A-Z a-z 0-9 . _ -' })
  }
  const { request } = withCodes(csrCodes, () => verifyCsr(csr))
  const { certificate: issuer, signer } = await delegateIssuer(office)
  const id = delegateRecordName(name)
  const known = await store.read(tables => tables.issuer.get(id))
  if (known?.revokedAt !== undefined) {
    throw new OnboardingError('input-invalid', { field: 'name', rule: 'a delegate of that name was revoked' })
  }
  const at = clock()
  const notAfter = Math.min(at + year, issuer.validity.notAfter.getTime())
  const record =
    known ??
    (await keep(store, {
      name: id,
      keyLabel: '',
      crlNumber: 0,
      certificate: Buffer.from(
        await issueCertificate({
          subject: encodeName({ organizationName: manufacturer.name, commonName: `${name}, delegate` }),
          spkiDer: request.spkiDer,
          issuer: { certificate: issuer, signer },
          serialNumber: randomSerialNumber(),
          notBefore: new Date(at - skew),
          notAfter: new Date(notAfter),
          extensions: [
            makeExtension(extensionKinds.basicConstraints, { cA: false }),
            makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
            makeExtension(extensionKinds.extendedKeyUsage, [documentSigning]),
          ],
        }),
      ).toString('base64'),
    }))
  const certificate = decodeCertificate(Buffer.from(record.certificate, 'base64'))
  if (Buffer.compare(certificate.spkiDer, request.spkiDer) !== 0) {
    throw new OnboardingError('input-invalid', { field: 'name', rule: 'another key was certified under it' })
  }
  return [certificate, issuer]
}

/** The CA of delegates, with its key. Throws OnboardingError `issuer-key-missing`. */
export async function delegateIssuer({
  manufacturer,
  keys,
}: {
  readonly manufacturer: Manufacturer
  readonly keys: KeyStore
}): Promise<NamedIssuer> {
  const certificate = manufacturer.manifest.chain[1]
  const signer = await keys.open(statementIssuer)
  if (certificate === undefined || signer === undefined) {
    throw new OnboardingError('issuer-key-missing', { label: statementIssuer })
  }
  return { name: statementIssuer, certificate, signer }
}

export function delegateRecordName(name: string): string {
  return `delegate-${name}`
}

interface NamedIssuer extends Issuer {
  readonly certificate: Certificate
  readonly name: string
}

function keep(store: Store, record: IssuerRecord): Promise<IssuerRecord> {
  const { name, certificate } = record
  return store.transaction(async tx => {
    const other = await tx.issuer.get(name)
    if (other !== undefined) return other
    await tx.append(streamName('issuer', name), 0, [{ kind: 'issuer-established', body: { name, certificate } }])
    await tx.issuer.insert(record)
    return record
  })
}
