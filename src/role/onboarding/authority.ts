import type { Certificate } from '../../codec/x509/certificate.ts'
import {
  type Extension,
  extendedKeyUsageOid,
  extensionKinds,
  findExtension,
  makeExtension,
} from '../../codec/x509/extension.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { caExtensions, type Issuer } from '../../crypto/issue.ts'
import type { Curve, KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { type EstablishedIssuer, establishIssuer } from '../factory/issuer-record.ts'
import { plausibleTime } from '../factory/plausible-clock.ts'
import type { RegistrarCredential } from './masa-exchange.ts'

const day = 86_400_000
/** Certificates begin a little earlier, for devices whose clocks lag. */
const skew = 300_000

export interface AuthorityOptions {
  readonly store: Store
  /** Holds the keys of root and issuing CA. */
  readonly keys: KeyStore
  /** Holds the registrar's key, which TLS has to reach; `keys` when absent. */
  readonly tlsKeys?: KeyStore
  readonly clock: Clock
  /** Identifier of the network; stands in the names of its certificates. */
  readonly network: string
  /** Names and addresses under which devices reach the registrar. */
  readonly hosts: readonly string[]
  readonly curve: Curve
}

/** The certification authority of a site. The root signs the issuing CA and nothing else, and can be taken off the machine. */
export interface SiteAuthority {
  readonly root: Certificate
  readonly issuing: Issuer & { readonly name: string }
  /** The registrar's end-entity certificate and what stands above it. */
  readonly registrar: RegistrarCredential
  /** Label of the registrar's key. */
  readonly registrarLabel: string
}

/**
 * Makes the site's certificates, or finds the ones made before: run again after a crash it goes on where it stopped. The
 * registrar's certificate is renewed with a new key when it has less than a third of its life left, or lacks a host.
 */
export async function setUpAuthority(options: AuthorityOptions): Promise<SiteAuthority> {
  const { network } = options
  const at = options.clock()
  const notBefore = new Date(at - skew)
  const root = await establishIssuer(options, 'root', async signer => ({
    subject: encodeName({ organizationName: network, commonName: `${network} root` }),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore,
    notAfter: new Date(plausibleTime(at) + 20 * 365 * day),
    extensions: caExtensions(1),
  }))
  const established = await establishIssuer(options, 'issuing-1', async signer => ({
    subject: encodeName({ organizationName: network, commonName: `${network} issuing CA 1` }),
    spkiDer: signer.spkiDer,
    issuer: await root.open(),
    notBefore,
    notAfter: new Date(Math.min(at + 10 * 365 * day, root.certificate.validity.notAfter.getTime())),
    extensions: caExtensions(0),
  }))
  const issuing = { ...(await established.open()), name: established.name }
  const { label: registrarLabel, ...registrar } = await registrarCredential(options, issuing, root.certificate)
  return { root: root.certificate, issuing, registrar, registrarLabel }
}

/**
 * The first generation that is still good and whose key is here, else the next one with a key of its own. A key is not
 * here when another machine made it: whoever holds the key of the issuing CA can have a certificate for itself.
 */
async function registrarCredential(
  options: AuthorityOptions,
  issuing: Issuer,
  root: Certificate,
): Promise<RegistrarCredential & { readonly label: string }> {
  const at = options.clock()
  const life = 365 * day
  const end = issuing.certificate.validity.notAfter.getTime()
  const extensions = registrarExtensions(options.hosts)
  for (let generation = 1; ; generation++) {
    const label = `registrar-${generation}`
    const found = await establishIssuer({ ...options, keys: options.tlsKeys ?? options.keys }, label, async signer => ({
      subject: encodeName({ organizationName: options.network, commonName: `${options.network} registrar` }),
      spkiDer: signer.spkiDer,
      issuer: issuing,
      notBefore: new Date(at - skew),
      notAfter: new Date(Math.min(at + life, end)),
      extensions,
    }))
    const notAfter = found.certificate.validity.notAfter.getTime()
    // Renewal cannot outlast the issuing CA; without this a site in its last months would make keys for ever.
    const renewable = end > notAfter
    if (renewable && notAfter - at < life / 3) continue
    if (!sameNames(found.certificate, extensions)) continue
    const opened = await openIfHere(found)
    if (opened !== undefined) return { ...opened, chain: [issuing.certificate, root], label }
  }
}

async function openIfHere(found: EstablishedIssuer): Promise<Issuer | undefined> {
  try {
    return await found.open()
  } catch (error) {
    if (error instanceof OnboardingError && error.code === 'issuer-key-missing') return undefined
    throw error
  }
}

function sameNames(certificate: Certificate, wanted: readonly Extension[]): boolean {
  const [has, wants] = [certificate.extensions, wanted].map(
    list => findExtension(list, extensionKinds.subjectAltName)?.value ?? Buffer.alloc(0),
  )
  return Buffer.compare(has ?? Buffer.alloc(0), wants ?? Buffer.alloc(0)) === 0
}

/** RFC 8995 section 5.5.4 wants cmcRA; devices want serverAuth, a MASA may want clientAuth. */
function registrarExtensions(hosts: readonly string[]): Extension[] {
  const { cmcRA, serverAuth, clientAuth } = extendedKeyUsageOid
  return [
    makeExtension(extensionKinds.basicConstraints, { cA: false }),
    makeExtension(extensionKinds.keyUsage, ['digitalSignature']),
    makeExtension(extensionKinds.extendedKeyUsage, [cmcRA, serverAuth, clientAuth]),
    ...(hosts.length === 0 ? [] : [makeExtension(extensionKinds.subjectAltName, hosts.map(hostName))]),
  ]
}
