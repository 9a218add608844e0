import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import type { DeviceInformationDeclaration } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import type { AcceptedConfiguration } from '../../protocol/dpp/configuration-check.ts'
import type { EnterpriseCredentials } from '../../protocol/dpp/enterprise.ts'
import type { DppPublicKey } from '../../protocol/dpp/key.ts'
import {
  decodeOwnershipProof,
  verifyCertifiedOwnership,
  verifyOwnershipProof,
} from '../../protocol/dpp/network-statement.ts'
import type { BirthCredential } from './birth.ts'

/**
 * Which networks a device takes:
 * - `declaration`: only one that proves to be its owner's, or authorized, by what its manufacturer signed;
 * - `known-configurator`: also one of a Configurator whose code somebody has shown to the device;
 * - `anybody`: everybody who has seen its own code, as Easy Connect has it. A photograph of the label is enough.
 */
export const ownershipRules = ['declaration', 'known-configurator', 'anybody'] as const
export type OwnershipRule = (typeof ownershipRules)[number]

export interface OwnershipCheck {
  readonly rule: OwnershipRule
  /** The Configurator has proven the key of a code that was scanned. */
  readonly knownConfigurator: boolean
  /** Ours, made for this exchange. */
  readonly netAccessKey: DppPublicKey
  /** Absent: a device without birth credential, which can hold nothing against anybody. */
  readonly birth?: Pick<BirthCredential, 'anchors' | 'serialNumber'>
  /** Absent: a device without a clock. */
  readonly at?: Date
  /** The newest that the device has heard of. */
  readonly declarationVersion?: number
}

const codes = {
  malformed: 'configuration-invalid',
  signature: 'configuration-invalid',
  path: 'configuration-invalid',
} as const

/**
 * Whether the device takes this network. What is shown has to be right under every rule; the rule says what has to be
 * shown. Throws OnboardingError `declaration-missing`, `declaration-invalid`, `declaration-stale`, `owner-mismatch`.
 * @returns the declaration, when one was shown that the device could check
 */
export function checkOwnership(
  { thirdParty, cred }: AcceptedConfiguration,
  check: OwnershipCheck,
): DeviceInformationDeclaration | undefined {
  const { rule, knownConfigurator, netAccessKey, birth, at, declarationVersion } = check
  const proof = withCodes(codes, () => decodeOwnershipProof(thirdParty))
  if (proof !== undefined && birth !== undefined) {
    const { anchors, serialNumber } = birth
    const context = {
      anchors,
      serialNumber,
      ...(at !== undefined && { at }),
      ...(declarationVersion !== undefined && { declarationVersion }),
    }
    if (cred.connector !== undefined) return verifyOwnershipProof(proof, { ...context, csign: cred.connector.csign })
    // Without anything that was made for our new key, declaration and statement could be copies.
    if (cred.entCreds === undefined) throw new OnboardingError('declaration-missing', { reason: 'no Connector' })
    const { certificate, others, ca } = eapTlsCredential(cred.entCreds, netAccessKey)
    return verifyCertifiedOwnership(proof.declaration, { issued: [certificate, ...others], server: ca }, context)
  }
  if (rule === 'anybody' || (rule === 'known-configurator' && knownConfigurator)) return undefined
  throw new OnboardingError('declaration-missing', { rule })
}

/** What an EAP-TLS client needs, sorted out of a bag. */
export interface EapTlsCredential {
  readonly certificate: Certificate
  /** What stands above it, as far as it came. */
  readonly others: readonly Certificate[]
  readonly ca: Certificate
  readonly serverName?: string
}

/**
 * The station's own certificate is the one for its key, wherever it stands in the bag; it is for a TLS client, and there has
 * to be a CA for the server: a station that believes any server gives itself away to any. Throws OnboardingError
 * `configuration-invalid`.
 */
export function eapTlsCredential(
  { certBag, caCert, trustedEapServerName }: EnterpriseCredentials,
  key: DppPublicKey,
): EapTlsCredential {
  const spki = key.key.export({ type: 'spki', format: 'der' })
  const [bag, ca] = withCodes(
    codes,
    () => [certBag.map(decodeCertificate), caCert && decodeCertificate(caCert)] as const,
  )
  const certificate = bag.find(({ spkiDer }) => spki.equals(spkiDer))
  if (certificate === undefined) throw invalid('certificate-for-another-key')
  if (ca === undefined) throw invalid('no-caCert')
  if (certificate.basicConstraints?.cA === true) throw invalid('certificate-is-a-ca')
  const { clientAuth, anyExtendedKeyUsage } = extendedKeyUsageOid
  const usages = certificate.extendedKeyUsage
  if (usages !== undefined && !usages.includes(clientAuth) && !usages.includes(anyExtendedKeyUsage))
    throw invalid('certificate-not-for-clients')
  return {
    certificate,
    others: bag.filter(each => each !== certificate),
    ca,
    ...(trustedEapServerName !== undefined && { serverName: trustedEapServerName }),
  }
}

function invalid(rule: string): OnboardingError {
  return new OnboardingError('configuration-invalid', { rule })
}
