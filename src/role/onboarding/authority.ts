import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { type Extension, extendedKeyUsageOid, extensionKinds, makeExtension } from '../../codec/x509/extension.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { caExtensions, type Issuer, issueCertificate } from '../../crypto/issue.ts'
import type { Curve, KeyStore, Signer } from '../../crypto/signer.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { IssuerRecord } from '../../domain/site.ts'
import type { RegistrarCredential } from './masa-exchange.ts'

const day = 86_400_000

export interface AuthorityOptions {
  readonly store: Store
  readonly keys: KeyStore
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
}

/**
 * Makes the site's certificates, or finds the ones made before: run again after a crash it goes on where it stopped. The
 * registrar's certificate is renewed with a new key when it has less than a third of its life left, or lacks a host.
 */
export async function setUpAuthority(options: AuthorityOptions): Promise<SiteAuthority> {
  const { network } = options
  const at = options.clock()
  const notBefore = new Date(at - 300_000)
  const root = await ensure(options, 'root', signer => ({
    subject: encodeName({ organizationName: network, commonName: `${network} root` }),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    notBefore,
    notAfter: new Date(at + 20 * 365 * day),
    extensions: caExtensions(1),
  }))
  const issuing = await ensure(options, 'issuing-1', signer => ({
    subject: encodeName({ organizationName: network, commonName: `${network} issuing CA 1` }),
    spkiDer: signer.spkiDer,
    issuer: root,
    notBefore,
    notAfter: new Date(Math.min(at + 10 * 365 * day, root.certificate.validity.notAfter.getTime())),
    extensions: caExtensions(0),
  }))
  const registrar = await ensureRegistrar(options, issuing, notBefore)
  return {
    root: root.certificate,
    issuing: { ...issuing, name: 'issuing-1' },
    registrar: { ...registrar, chain: [issuing.certificate, root.certificate] },
  }
}

async function ensureRegistrar(options: AuthorityOptions, issuing: Issuer, notBefore: Date): Promise<Issuer> {
  const at = options.clock()
  const life = 365 * day
  const extensions = registrarExtensions(options.hosts)
  const template = (signer: Signer) => ({
    subject: encodeName({ organizationName: options.network, commonName: `${options.network} registrar` }),
    spkiDer: signer.spkiDer,
    issuer: issuing,
    notBefore,
    notAfter: new Date(Math.min(at + life, issuing.certificate.validity.notAfter.getTime())),
    extensions,
  })
  const wanted = extensions.find(({ id }) => id === extensionKinds.subjectAltName.id)?.value
  for (let generation = 1; ; generation++) {
    const name = `registrar-${generation}`
    const known = await options.store.read(tables => tables.issuer.get(name))
    const found = await ensure(options, name, template)
    if (known === undefined) return found
    const has = found.certificate.extensions.find(({ id }) => id === extensionKinds.subjectAltName.id)?.value
    const sameHosts = Buffer.compare(wanted ?? Buffer.alloc(0), has ?? Buffer.alloc(0)) === 0
    if (sameHosts && found.certificate.validity.notAfter.getTime() - at > life / 3) return found
  }
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

async function ensure(
  options: AuthorityOptions,
  name: string,
  template: (signer: Signer) => Parameters<typeof issueCertificate>[0],
): Promise<Issuer> {
  const { store, keys, curve } = options
  const known = await store.read(tables => tables.issuer.get(name))
  const signer = (await keys.open(name)) ?? (await keys.generate(name, curve))
  if (known !== undefined) {
    return { certificate: decodeCertificate(Buffer.from(known.certificate, 'base64')), signer }
  }
  // Nobody has seen a certificate that is not on record, so a crash before the next line costs nothing.
  const certificate = await issueCertificate(template(signer))
  const record: IssuerRecord = { name, certificate: certificate.toString('base64'), keyLabel: name, crlNumber: 0 }
  await store.transaction(async tx => {
    if ((await tx.issuer.get(name)) !== undefined) return
    await tx.issuer.insert(record)
    await tx.append(streamName('issuer', name), 0, [
      { kind: 'issuer-established', body: { name, certificate: record.certificate } },
    ])
  })
  const kept = await store.read(tables => tables.issuer.get(name))
  return { certificate: decodeCertificate(Buffer.from(kept?.certificate ?? record.certificate, 'base64')), signer }
}
