import type { KeyStore } from '../../crypto/signer.ts'
import type { Admission } from '../../domain/admission.ts'
import type { Device } from '../../domain/device.ts'
import type { Clock, Endpoint, Log, MasaClient, Peer, Store, Tables } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import type { AdmissionPolicy } from '../authorization/admission.ts'
import { createComponentReport } from '../supply-chain/component-report.ts'
import type { SiteAuthority } from './authority.ts'
import { createCloneWatch } from './clone-watch.ts'
import { type CredentialCheck, createCredentialCheck } from './credential-holder.ts'
import { createDeviceHolds, type DeviceHolds } from './device-hold.ts'
import { type BirthIdentity, createBirthIdentification } from './device-identity.ts'
import { createEnrollment } from './enrollment.ts'
import { openManufacturerDirectory } from './manufacturer-directory.ts'
import { createMasaExchange, type RegistrarCredential } from './masa-exchange.ts'
import { type CredentialIssuer, createCredentialIssuer } from './network-credential.ts'
import { createOcsp } from './ocsp.ts'
import { createPresence } from './presence.ts'
import { createRefusalRecord, type RefusalRecord } from './refusal-record.ts'
import { createRegistrar } from './registrar.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from './revocation.ts'

export interface SiteEndpoints {
  /** Registrar, EST, presence and CRL, for one TLS listener. */
  readonly list: readonly Endpoint[]
  /** Those of them that anybody may ask, over plain HTTP too: what they say is signed. */
  readonly status: readonly Endpoint[]
  readonly revocation: Revocation
  readonly holds: DeviceHolds
  /** For other ways in which a credential is shown. */
  readonly credentials: CredentialCheck
  readonly refusals: RefusalRecord
  /** Whom a birth certificate proves; throws OnboardingError `idevid-…`. */
  readonly identify: (peer: Peer) => Promise<BirthIdentity>
  close(): void
}

/** How long after its voucher a device may enrol: RFC 8995 section 5.6 has a pledge keep its state for up to four days. */
const voucherValidity = 4 * 86_400_000

/** Requests of one device. An onboarding has six; a device that was taken over must not fill the record. */
const perDeviceMinute = 60

/** The network onboarding component of a site: everything that devices talk to, over one record. */
export function createSiteEndpoints(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Read whenever it is needed: over the years it has several generations. */
  readonly authority: SiteAuthority
  /** The registrar's credential now; that of `authority` when absent. */
  readonly registrar?: () => RegistrarCredential
  readonly admission: Admission
  /** Throws OnboardingError when this site issues nothing, first or again, whatever else it does. */
  readonly mayIssue?: () => void
  /** Throws OnboardingError for a device that may have no other credential now. */
  readonly mayRenew?: (device: Device, tables: Tables) => Promise<void>
  readonly policy: AdmissionPolicy
  readonly masa: MasaClient
  /** For the keys of OCSP responders; without it there are only revocation lists. */
  readonly keys?: KeyStore
  /** Stands in credentials, for whoever wants to know what became of them: `http://host[:port]`. */
  readonly statusUrl?: string
}): SiteEndpoints {
  const { store, clock, log, admission, policy, masa, mayIssue = () => {} } = options
  const authority = () => options.authority
  const { network } = policy
  const directory = openManufacturerDirectory(store)
  const identify = createBirthIdentification(directory, clock)
  const registrar = options.registrar ?? (() => authority().registrar)
  const current = {
    store,
    clock,
    get issuing() {
      return authority().issuing
    },
  }
  const issuing = createCredentialIssuer(current)
  const issuer: CredentialIssuer = {
    async issue(request) {
      mayIssue()
      return issuing.issue(request)
    },
  }
  const revocation = createRevocation({
    store,
    clock,
    issuers: () => authority().generations.flatMap(generation => generation.issuer ?? []),
    crlValidity: defaultCrlValidity,
  })
  const holds = createDeviceHolds({ store, clock, revocation })
  const credentials = createCredentialCheck({
    store,
    clock,
    generations: () => authority().generations,
    watch: createCloneWatch({ clock, log, holds }),
  })
  // Its certificates of before among them: a device may have been here then.
  const domains = () => {
    const { roots, generations, registrar } = authority()
    return [...roots, ...generations.map(({ certificate }) => certificate), registrar.certificate, ...registrar.chain]
  }
  const exchange = createMasaExchange({ masa, registrar, domains, clock })
  const refusals = createRefusalRecord(store, clock)
  const limit = createRateLimit({ perMinute: perDeviceMinute, clock })
  const { keys, statusUrl } = options
  const plan = {
    kind: 'network',
    lifetimeDays: policy.credentialLifetimeDays,
    network,
    ...(statusUrl === undefined ? {} : { statusUrl }),
  } as const
  const ocsp = keys === undefined ? [] : [createOcsp({ store, keys, clock, network, authority })]
  const status = [revocation.endpoint, ...ocsp]
  return {
    list: [
      createRegistrar({
        store,
        clock,
        log,
        admission,
        identify,
        exchange,
        network,
        limit,
        refusals,
        credentialHolder: peer => credentials.holder(peer),
      }),
      createEnrollment({
        clock,
        log,
        authority,
        issuer,
        credentials,
        identify,
        plan,
        limit,
        refusals,
        owners: policy.owners,
        voucherValidity,
        grace: (policy.renewalGraceDays ?? 0) * 86_400_000,
        ...(options.mayRenew === undefined ? {} : { mayRenew: options.mayRenew }),
      }),
      createPresence({ store, clock, log, credentials, refusals, network }),
      createComponentReport({ store, clock, log, credentials, refusals, limit }),
      ...status,
    ],
    status,
    revocation,
    holds,
    credentials,
    refusals,
    identify,
    close: () => directory.close(),
  }
}
