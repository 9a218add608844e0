import { type KeyObject, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createFeedClient } from '../adapter/http/feed-client.ts'
import { createMasaClient } from '../adapter/http/masa-client.ts'
import { listenTls, type TlsListener } from '../adapter/http/tls-endpoint.ts'
import type { TlsCredential } from '../adapter/http/tls-profile.ts'
import { type DppListener, listenDpp } from '../adapter/network/dpp-listener.ts'
import { cedarEngine } from '../adapter/policy/cedar.ts'
import type { Secret } from '../crypto/secret.ts'
import { type Curve, establishKey, type KeyStore } from '../crypto/signer.ts'
import type { Admission } from '../domain/admission.ts'
import type { Clock, Endpoint, Log, MasaClient, Random, Store } from '../domain/port.ts'
import { type Access, createAccess } from '../role/authorization/access.ts'
import { type AdmissionPolicy, createAdmission } from '../role/authorization/admission.ts'
import { type Approval, createApproval } from '../role/authorization/approval.ts'
import { type CallerDirectory, createCallerDirectory } from '../role/authorization/caller.ts'
import { type Confirmation, createConfirmation } from '../role/authorization/confirmation.ts'
import { createPolicyPoint } from '../role/authorization/policy-point.ts'
import type { ProfileName } from '../role/authorization/profile/profile.ts'
import { createRenewalRule } from '../role/authorization/renewal.ts'
import { createHandOver, type HandOverService } from '../role/lifecycle/hand-over.ts'
import { createLifecycle, type Lifecycle } from '../role/lifecycle/lifecycle.ts'
import type { SiteAuthority } from '../role/onboarding/authority.ts'
import type { DeviceHolds } from '../role/onboarding/device-hold.ts'
import type { RegistrarCredential } from '../role/onboarding/masa-exchange.ts'
import type { Revocation } from '../role/onboarding/revocation.ts'
import { createSiteConfigurator, type SiteConfigurator } from '../role/onboarding/site-configurator.ts'
import { createSiteEndpoints } from '../role/onboarding/site-endpoint.ts'
import { createHandOverTransfer } from '../role/ownership/hand-over.ts'
import { createSiteOwnership, type SiteOwnership } from '../role/ownership/site-ownership.ts'
import { createFeedNotice } from '../role/supply-chain/feed-notice.ts'
import { runFeedWork } from '../role/supply-chain/feed-pull.ts'
import { runRecallWork } from '../role/supply-chain/recall-work.ts'
import { type AccessPointPlace, keepAccessPoints, siteSecretBox } from './access-point.ts'
import type { AuthorityService } from './api/service.ts'
import { defined } from './defined.ts'
import { createSuccession, watchElsewhere } from './elsewhere.ts'
import { openRecord, type PartyRecord } from './record.ts'
import { openSiteAccess, type RadiusPlace, type SiteAccess } from './site-access.ts'
import { openSiteCredential } from './site-credential.ts'
import { openSitePolicies, type SitePolicies } from './site-policy.ts'
import { listenStatus } from './status-listener.ts'
import { startWorker, type Worker } from './worker.ts'

export interface SiteOptions {
  /** Identifier of the network: 1 to 40 of `A-Z a-z 0-9 . _ -`. Stands in its certificates. */
  readonly network: string
  /** Id under which manufacturers know the owner of this site. */
  readonly owner: string
  /** Directory of keys and of the embedded store; made with mode 0700. */
  readonly data: string
  /** `sqlite:PATH` or `postgres://…`; the embedded store in `data` when absent. */
  readonly storeUrl?: string
  /** Opens the keys in `data`; without it only file modes protect them. */
  readonly passphrase?: Secret
  /** Keys of the certification authority, when they are not in `data`: a PKCS#11 token. */
  readonly authorityKeys?: KeyStore
  readonly curve?: Curve
  /** Where devices reach the registrar. Port 0 takes a free one. */
  readonly host: string
  readonly port: number
  /** A second listener, plain HTTP, for revocation lists and OCSP; `url` is how others reach it and stands in credentials. */
  readonly status?: { readonly host: string; readonly port: number; readonly url: string }
  /** Where access points and switches ask whom to let in; nowhere when absent. */
  readonly radius?: RadiusPlace
  /** Where access points relay devices to, and where they enrol themselves: Wi-Fi Easy Connect over TCP. */
  readonly dpp?: { readonly host: string; readonly port: number }
  /** Several processes may listen on one port. */
  readonly reusePort?: boolean
  /** Names and addresses in the registrar's certificate; `host` when absent. */
  readonly hosts?: readonly string[]
  readonly credentialLifetimeDays?: number
  /** For how long a credential that ran out may still be renewed in place; 0 when absent. */
  readonly renewalGraceDays?: number
  readonly retryAfterSeconds?: number
  /** How long a device may be in onboarding before the attempt counts as failed; 60 when absent. */
  readonly onboardingWindowMinutes?: number
  /** Files of devices' secrets for access points; none when absent. */
  readonly accessPoints?: AccessPointPlace
  /** The policies that a new site begins with; `home` when absent. */
  readonly profile?: ProfileName
  readonly log: Log
  readonly clock?: Clock
  readonly random?: Random
  /** The way to manufacturers; over HTTPS, with the registrar's certificate for client authentication, when absent. */
  readonly masa?: (registrar: RegistrarCredential) => MasaClient
}

/** A running site: the network onboarding component, its authority and its record. */
export interface Site {
  readonly network: string
  readonly owner: string
  readonly data: string
  readonly store: Store
  readonly authority: SiteAuthority
  readonly access: Access
  readonly callers: CallerDirectory
  readonly confirmation: Confirmation
  readonly approval: Approval
  readonly revocation: Revocation
  /** Offers, acceptances and grants, with the site's keys. */
  readonly ownership: SiteOwnership
  /** Goes through the devices after the import of a recall. */
  readonly recallWork: Worker
  readonly lifecycle: Lifecycle
  /** Access points, and who is on the network. */
  readonly networkAccess: SiteAccess
  readonly handOver: HandOverService
  /** Pulls the feeds of manufacturers. */
  readonly feedWork: Worker
  /** How others reach the listener for revocation lists and OCSP, if there is one. */
  readonly statusUrl?: string
  readonly policy: AdmissionPolicy
  readonly policies: SitePolicies
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where devices reach it. */
  readonly host: string
  readonly port: number
  /** The registrar's now, for other listeners of this site. */
  readonly credential: TlsCredential
  /** Gives the registrar a new certificate when its time has come; done by itself every minute. @returns whether it did */
  renewRegistrar(): Promise<boolean>
  /** The same certification authority, for those who look at it and roll it over. */
  readonly siteAuthority: AuthorityService
  /** Wi-Fi Easy Connect: keys, devices by their bootstrapping keys; reachable when there is a port. */
  readonly configurator: SiteConfigurator
  readonly dppPort?: number
  readonly holds: DeviceHolds
  onRenewal(listener: (credential: TlsCredential) => void): void
  /**
   * The first administrator's token of a new site, to be shown once; undefined when there has ever been one. It is made when
   * it is first asked for: a first start that fails on its way makes none, since nobody would ever see it.
   */
  firstToken(): Promise<Secret | undefined>
  close(): Promise<void>
}

/**
 * Opens the record, makes or finds the site's certificates, and listens for devices. Throws OnboardingError `port-in-use`,
 * `store-…`, `keys-differ`, `issuer-key-missing`, and KeyStoreError.
 */
export async function openSite(options: SiteOptions): Promise<Site> {
  const { data, log, passphrase, clock = Date.now, random = randomBytes } = options
  const storeUrl = options.storeUrl ?? `sqlite:${join(data, 'site.db')}`
  const { keys, store, sealKey } = await openRecord({ data, storeUrl, passphrase, clock, log })
  try {
    return await assemble(options, { keys, store, sealKey, clock, random })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function assemble(
  options: SiteOptions,
  parts: Pick<PartyRecord, 'keys' | 'store' | 'sealKey'> & { readonly clock: Clock; readonly random: Random },
): Promise<Site> {
  const { network, owner, data, log, host } = options
  const { keys, store, sealKey, clock, random } = parts
  const own = await openSiteCredential({
    store,
    keys: options.authorityKeys ?? keys,
    tlsKeys: keys,
    clock,
    log,
    network,
    hosts: options.hosts ?? [host],
    curve: options.curve ?? 'P-256',
  })
  const policy: AdmissionPolicy = {
    network,
    owners: [owner],
    credentialLifetimeDays: options.credentialLifetimeDays ?? 365,
    retryAfterSeconds: options.retryAfterSeconds ?? 10,
    renewalGraceDays: options.renewalGraceDays ?? 0,
  }
  const profile = options.profile ?? 'home'
  const point = createPolicyPoint({ engine: cedarEngine, log, profile })
  // Opens no connection until it is asked.
  const manufacturers = createMasaClient({ credential: own.credential, clock })
  const succession = createSuccession(log)
  const decided = createAdmission(store, clock, policy, point)
  const admission: Admission = {
    async admit(request) {
      succession.requireCurrent()
      return decided.admit(request)
    },
  }
  const endpoints = createSiteEndpoints({
    store,
    clock,
    log,
    get authority() {
      return own.authority
    },
    admission,
    mayIssue: () => succession.requireCurrent(),
    mayRenew: createRenewalRule({ point, place: { network, owners: policy.owners }, clock, log }),
    policy,
    masa: options.masa?.(own.authority.registrar) ?? manufacturers,
    keys,
    ...(options.status === undefined ? {} : { statusUrl: options.status.url }),
  })
  const access = createAccess({ store, clock, random })
  const { revocation } = endpoints
  const { owners } = policy
  const configurator = createSiteConfigurator({
    store,
    clock,
    random,
    log,
    schedule,
    keys,
    box: siteSecretBox(sealKey),
    authority: () => own.authority,
    admission,
    mayIssue: () => succession.requireCurrent(),
    policy,
    revocation,
    ...(options.status === undefined ? {} : { statusUrl: options.status.url }),
  })
  const onboardingWindow = (options.onboardingWindowMinutes ?? 60) * 60_000
  const lifecycle = createLifecycle({ store, clock, revocation, owners, onboardingWindow })
  const ownership = createSiteOwnership({
    store,
    clock,
    random,
    owner,
    root: () => own.authority.root,
    registrar: () => own.authority.registrar,
    client: manufacturers,
    ...defined({ offerKey: await offerKeyOf(keys) }),
  })
  const transfer = createHandOverTransfer({ store, ownership, owners })
  const handOver = createHandOver({ store, clock, lifecycle, owners, ownership: transfer })
  const policies = await openSitePolicies({ store, clock, log, point, policy, revocation, profile })
  let first: Promise<Secret | undefined> | undefined
  const recallWork = startWorker({
    name: 'recall',
    work: () => runRecallWork({ store, clock, log, revocation }),
    every: 15_000,
    log,
  })
  // It rests on the record alone: what came due while the site was down is found by the first look.
  const timeOuts = startWorker({ name: 'time-outs', work: () => recordTimeOuts(lifecycle, log), every: 60_000, log })
  const feeds = createFeedClient({ credential: withRoot(own.credential, own.authority), clock })
  const onRecall = () => recallWork.wake()
  const feedWork = startWorker({
    name: 'feed',
    work: () => runFeedWork({ store, clock, random, log, client: feeds, onRecall }),
    every: 15_000,
    log,
  })
  const onNotice = () => feedWork.wake()
  const notice = createFeedNotice({ store, clock, log, owners: policy.owners, onNotice })
  const listener = await listen(options, own.credential, [...endpoints.list, notice])
  const statusListener = await listenStatus(options, endpoints.status).catch(async (error: unknown) => {
    await listener.close()
    throw error
  })
  const dppListener = await listenEasyConnect(options, configurator).catch(async (error: unknown) => {
    await Promise.all([listener.close(), statusListener?.close()])
    throw error
  })
  const networkAccess = await openSiteAccess({
    ...{ store, clock, random, log, sealKey, endpoints, owners },
    credential: own.credential,
    radius: options.radius,
  }).catch(async (error: unknown) => {
    await Promise.all([listener.close(), statusListener?.close(), dppListener?.close()])
    throw error
  })
  policies.start()
  const place = options.accessPoints
  const accessPoints =
    place &&
    keepAccessPoints({
      ...{ store, clock, log, place, box: siteSecretBox(sealKey) },
      controllerKey: async () => (await configurator.identity()).keyHash,
    })
  const elsewhere = watchElsewhere({
    succession,
    store,
    clock,
    log,
    authority: () => own.authority,
    hosts: options.hosts ?? [host],
    port: listener.port,
  })
  own.onRenewal(credential => {
    listener.setCredential(credential)
    networkAccess.setCredential(credential)
    manufacturers.setCredential(credential)
    feeds.setCredential(withRoot(credential, own.authority))
  })
  return {
    network,
    owner,
    data,
    store,
    get authority() {
      return own.authority
    },
    ...(options.status === undefined ? {} : { statusUrl: options.status.url }),
    access,
    confirmation: createConfirmation({ store, clock, random }),
    callers: createCallerDirectory({
      store,
      clock,
      own: () => [own.authority.root, own.authority.issuing.certificate],
    }),
    approval: createApproval(store),
    revocation,
    holds: endpoints.holds,
    ownership,
    recallWork,
    lifecycle,
    networkAccess,
    handOver,
    feedWork,
    policy,
    policies,
    clock,
    random,
    log,
    host,
    port: listener.port,
    get credential() {
      return own.credential
    },
    renewRegistrar: () => own.renew(),
    siteAuthority: {
      current: () => own.authority,
      roll: (kind, by) => own.roll(kind, by),
      graceDays: policy.renewalGraceDays ?? 0,
    },
    configurator,
    ...(dppListener === undefined ? {} : { dppPort: dppListener.port }),
    onRenewal: listener => own.onRenewal(listener),
    firstToken() {
      first ??= access.bootstrap()
      return first
    },
    async close() {
      own.close()
      await accessPoints?.close()
      await elsewhere.close()
      feeds.close()
      await feedWork.close()
      await recallWork.close()
      await policies.close()
      await timeOuts.close()
      await networkAccess.close()
      await dppListener?.close()
      await configurator.close()
      await statusListener?.close()
      await listener.close()
      endpoints.close()
      manufacturers.close()
      await store.close()
    },
  }
}

async function recordTimeOuts(lifecycle: Lifecycle, log: Log): Promise<void> {
  const { failed, expired } = await lifecycle.sweep()
  if (failed + expired > 0) log.info({ failed, expired }, 'time-outs of the lifecycle recorded')
}

function listenEasyConnect(
  { dpp, log, reusePort }: SiteOptions,
  { service }: SiteConfigurator,
): Promise<DppListener | undefined> {
  if (dpp === undefined) return Promise.resolve(undefined)
  return listenDpp({ ...dpp, ...(reusePort === undefined ? {} : { reusePort }), service, log })
}

function schedule(milliseconds: number, task: () => void): () => void {
  const timer = setTimeout(task, milliseconds)
  return () => clearTimeout(timer)
}

/** A manufacturer knows its buyers by their roots, and so has to see the root. */
function withRoot({ key }: TlsCredential, { registrar }: SiteAuthority): TlsCredential {
  return { key, certificateChain: [registrar.certificate, ...registrar.chain].map(({ der }) => der) }
}

function listen(
  { host, port, reusePort, log }: SiteOptions,
  credential: TlsCredential,
  endpoints: readonly Endpoint[],
): Promise<TlsListener> {
  return listenTls({ host, port, ...(reusePort === undefined ? {} : { reusePort }), ...credential, endpoints, log })
}

/** Offers to this site are encrypted to it. Not a key of TLS or of any certificate, which are renewed while offers wait. */
async function offerKeyOf(keys: KeyStore): Promise<KeyObject | undefined> {
  await establishKey(keys, 'offers', 'P-256')
  return keys.tlsKey?.('offers')
}
