import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { extensionKinds } from '../../codec/x509/extension.ts'
import { caExtensions, type Issuer, issueCertificate } from '../../crypto/issue.ts'
import { generateKey, publicKeyOf } from '../../crypto/key.ts'
import { type Curve, ecProfile, type KeyStore, keySigner, type Signer } from '../../crypto/signer.ts'
import { type BirthCredential, birthKeyLabel } from './birth.ts'
import { Pledge, type PledgeOptions } from './pledge.ts'
import type { Housing } from './unit.ts'

/*
 * Attackers, for demonstrations and tests. They run the honest device's code with something false in their hands, and
 * attack over the wire like anybody else.
 */

/** A CA of one's own making, under somebody else's name and key identifier. */
export async function impostorOf(subject: Uint8Array, curve: Curve = 'P-256', at = Date.now()): Promise<Issuer> {
  const signer = keySigner(generateKey(curve))
  const der = await issueCertificate({
    subject,
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore: new Date(at - 86_400_000),
    notAfter: new Date(at + 3650 * 86_400_000),
    extensions: caExtensions(),
  })
  return { certificate: decodeCertificate(der), signer }
}

/**
 * What a clone makes of a birth certificate that it has seen, for want of the key that belongs to it:
 * - `forged-certificate`: the same names, serial number and extensions, signed by a CA of the same name, for its own key;
 * - `stolen-certificate`: the genuine certificate in the voucher request, signed with its own key; in TLS, which would
 *   notice, it shows the forged one;
 * - `accomplice`: the same, over the TLS connection of another device that is genuine and its own.
 */
export type CloneTrick =
  | { readonly kind: 'forged-certificate' }
  | { readonly kind: 'stolen-certificate' }
  | { readonly kind: 'accomplice'; readonly birth: BirthCredential; readonly keys: KeyStore }

const forgedKeyLabel = 'forged'

/**
 * A clone: all that is public of a genuine device, and an empty key store.
 * @param stolen read off the wire, where a birth certificate is shown to everybody
 */
export async function openClone(
  stolen: BirthCredential,
  trick: CloneTrick,
  options: PledgeOptions & Housing,
): Promise<Pledge> {
  const { keys, clock } = options
  const curve = ecProfile(publicKeyOf(stolen.idevid)).curve
  const own = await keys.generate(trick.kind === 'forged-certificate' ? birthKeyLabel : forgedKeyLabel, curve)
  const forged = await forgeBirth(stolen, own, clock())
  if (trick.kind === 'forged-certificate') return new Pledge(forged, options)
  const shown = trick.kind === 'accomplice' ? trick.birth : forged
  const label = trick.kind === 'accomplice' ? birthKeyLabel : forgedKeyLabel
  return new Pledge(stolen, {
    ...options,
    keys: pretending(keys, own, stolen),
    transport: {
      connect: request =>
        options.transport.connect({
          ...request,
          certificates: [shown.idevid, ...shown.chain].map(({ der }) => der),
          keyLabel: label,
        }),
    },
  })
}

async function forgeBirth(stolen: BirthCredential, own: Signer, at: number): Promise<BirthCredential> {
  const { idevid } = stolen
  const issuer = await impostorOf(idevid.issuer.der, 'P-256', at)
  const keyIdentifiers: readonly string[] = [
    extensionKinds.subjectKeyIdentifier.id,
    extensionKinds.authorityKeyIdentifier.id,
  ]
  const der = await issueCertificate({
    subject: idevid.subject.der,
    spkiDer: own.spkiDer,
    issuer,
    serialNumber: idevid.serialNumber,
    ...idevid.validity,
    extensions: idevid.extensions.filter(({ id }) => !keyIdentifiers.includes(id)),
  })
  return { ...stolen, idevid: decodeCertificate(der), chain: [issuer.certificate] }
}

/** A key store that gives out its own key for that of the stolen certificate. */
function pretending(keys: KeyStore, own: Signer, { idevid }: BirthCredential): KeyStore {
  const liar: Signer = {
    algorithm: own.algorithm,
    publicKey: publicKeyOf(idevid),
    spkiDer: Buffer.from(idevid.spkiDer),
    sign: data => own.sign(data),
  }
  return {
    ...keys,
    open: async label => (label === birthKeyLabel ? liar : keys.open(label)),
    // Its own keys are none of the pledge's business, which would sweep them as left over.
    list: async () => (await keys.list()).filter(label => label !== forgedKeyLabel),
  }
}
