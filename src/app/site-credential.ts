import type { TlsCredential } from '../adapter/http/tls-profile.ts'
import type { KeyStore } from '../crypto/signer.ts'
import { OnboardingError } from '../domain/error.ts'
import type { Log } from '../domain/port.ts'
import { type AuthorityOptions, type SiteAuthority, setUpAuthority } from '../role/onboarding/authority.ts'
import { type RolloverKind, rollAuthority } from '../role/onboarding/authority-generation.ts'

/**
 * Milliseconds between two looks at the certificates. They last for months; but another process of this site may have made a
 * new CA, and devices come here with what that issued.
 */
const interval = 60_000
/** Somebody should bring a key, and has months for that. */
const reminderMs = 86_400_000

/** The site's authority and the registrar's TLS credential, as they are now. */
export interface SiteCredential {
  readonly authority: SiteAuthority
  readonly credential: TlsCredential
  /** Renews the registrar's certificate, and rolls over issuing CA and root, when their time has come. @returns whether it did */
  renew(): Promise<boolean>
  /** Makes the next issuing CA, or the next root with one, ahead of its time. @returns its name */
  roll(kind: RolloverKind, by: string): Promise<string>
  /** Calls back with each new credential; connections that are open keep theirs. */
  onRenewal(listener: (credential: TlsCredential) => void): void
  close(): void
}

/** Opens the authority, and looks every minute whether something has to be renewed: a site runs for years. */
export async function openSiteCredential(
  options: AuthorityOptions & { readonly tlsKeys: KeyStore; readonly log: Log },
): Promise<SiteCredential> {
  const { tlsKeys, log } = options
  const listeners: ((credential: TlsCredential) => void)[] = []
  let authority = await setUpAuthority(options)
  let reminded = 0
  let credential = await tlsCredential(tlsKeys, authority)
  async function renew(): Promise<boolean> {
    const next = await setUpAuthority(options)
    const remind = Math.abs(options.clock() - reminded) >= reminderMs
    if (remind && next.overdue.length > 0) reminded = options.clock()
    for (const name of remind ? next.overdue : []) {
      log.warn({ name }, 'a successor is due, and the key of the root is not here: bring it, and roll over')
    }
    // What is known of the certificates, keys and signatures among them, is kept by object.
    if (outline(next) === outline(authority)) return false
    const same = next.registrarLabel === authority.registrarLabel
    if (!same) credential = await tlsCredential(tlsKeys, next)
    if (next.issuing.name !== authority.issuing.name) log.info({ name: next.issuing.name }, 'another CA issues now')
    authority = next
    if (same) return false
    for (const listener of listeners) listener(credential)
    log.info({ label: next.registrarLabel }, 'the certificate of the registrar was renewed')
    return true
  }
  const timer = setInterval(() => {
    renew().catch((error: unknown) => {
      log.error(
        { error: String(error) },
        'the certificate of the registrar could not be renewed; tried again in a minute',
      )
    })
  }, interval)
  timer.unref()
  return {
    get authority() {
      return authority
    },
    get credential() {
      return credential
    },
    renew,
    async roll(kind, by) {
      const made = await rollAuthority(options, kind, by)
      await renew()
      return made
    },
    onRenewal: listener => listeners.push(listener),
    close: () => clearInterval(timer),
  }
}

function outline({ registrarLabel, issuing, roots, generations, overdue }: SiteAuthority): string {
  const here = generations.map(({ name, issuer }) => [name, issuer !== undefined])
  return JSON.stringify([registrarLabel, issuing.name, roots.length, here, overdue])
}

/** TLS shows the chain below the root: who trusts the site has the root, and nobody else gains by it. */
async function tlsCredential(keys: KeyStore, { registrar, registrarLabel }: SiteAuthority): Promise<TlsCredential> {
  const key = await keys.tlsKey?.(registrarLabel)
  if (key === undefined) throw new OnboardingError('issuer-key-missing', { label: registrarLabel })
  return { key, certificateChain: [registrar.certificate.der, ...registrar.chain.slice(0, -1).map(({ der }) => der)] }
}
