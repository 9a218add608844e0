import type { TlsCredential } from '../adapter/http/tls-profile.ts'
import { createSecretBox } from '../adapter/key/secret-box.ts'
import { createEapTlsServer } from '../adapter/network/eap-tls.ts'
import { listenRadius, type RadiusListener } from '../adapter/network/radius-listener.ts'
import { requestRadius } from '../adapter/network/radius-request.ts'
import { radiusCode } from '../codec/radius.ts'
import type { Secret } from '../crypto/secret.ts'
import type { Clock, Log, Random, Store } from '../domain/port.ts'
import { createAccounting } from '../role/authorization/access-accounting.ts'
import { createAccessServer } from '../role/authorization/access-server.ts'
import { type AccessWatch, watchAccess } from '../role/authorization/access-watch.ts'
import { createNetworkAccess } from '../role/authorization/network-access.ts'
import { createRadiusClients, type RadiusClients } from '../role/authorization/radius-client.ts'
import type { SiteEndpoints } from '../role/onboarding/site-endpoint.ts'
import { startWorker } from './worker.ts'

/** Where access points ask. */
export interface RadiusPlace {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly accountingPort: number
  /** Until a device authenticates again, seconds; an hour when absent. */
  readonly sessionSeconds?: number
  /** Segment for devices that show a birth certificate, to be onboarded there; they stay out when absent. */
  readonly onboardingSegment?: string
}

export interface SiteAccess {
  readonly clients: RadiusClients
  readonly watch: AccessWatch
  /** Absent where no access point can ask this process. */
  readonly listening?: {
    readonly authentication: RadiusListener
    readonly accounting: RadiusListener
  }
  setCredential(credential: TlsCredential): void
  close(): Promise<void>
}

/**
 * The access server of a site: RADIUS with EAP-TLS for access points and switches, and the watch that ends the sessions of
 * those who may not stay. Throws OnboardingError `port-in-use`.
 */
export async function openSiteAccess(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly sealKey: Secret
  readonly credential: TlsCredential
  readonly endpoints: Pick<SiteEndpoints, 'credentials' | 'refusals' | 'identify'>
  readonly owners: readonly string[]
  readonly radius?: RadiusPlace | undefined
}): Promise<SiteAccess> {
  const { store, clock, random, log, sealKey, credential, endpoints, owners, radius } = options
  const box = createSecretBox(sealKey, 'mooring RADIUS clients 1')
  const clients = createRadiusClients({ store, clock, random, log, box })
  await clients.refresh()
  const { credentials, refusals, identify } = endpoints
  const segment = radius?.onboardingSegment
  const access = createNetworkAccess({
    store,
    clock,
    random,
    log,
    credentials,
    refusals,
    owners,
    ...(radius?.sessionSeconds === undefined ? {} : { sessionSeconds: radius.sessionSeconds }),
    ...(segment === undefined ? {} : { onboarding: { segment, identify } }),
  })
  const watch = watchAccess({ store, clock, random, log, access, clients, ask: requestRadius })
  const expiry = startWorker({ name: 'access-sessions', work: () => expire(watch, log), every: 60_000, log })
  const owed = startWorker({ name: 'access-watch', work: () => watch.retry(), every: 5000, log })
  const tls = createEapTlsServer(credential)
  const service = createAccessServer({
    tls,
    clock,
    random,
    log,
    decide: request => access.decide(request),
    failed: failure => access.failed(failure),
  })
  const client = (address: string) => clients.at(address)
  const listening = radius && {
    authentication: await listenRadius({
      ...{ host: radius.host, port: radius.port, client, log },
      codes: [radiusCode.accessRequest],
      service: request => service(request),
    }),
    accounting: await listenRadius({
      ...{ host: radius.host, port: radius.accountingPort, client, log },
      codes: [radiusCode.accountingRequest],
      service: createAccounting({ store, clock, log, survived: session => watch.survived(session) }),
    }),
  }
  return {
    clients,
    watch,
    ...(listening === undefined ? {} : { listening }),
    setCredential: changed => tls.setCredential(changed),
    async close() {
      await listening?.authentication.close()
      await listening?.accounting.close()
      await expiry.close()
      await Promise.all([owed.close(), watch.close()])
      clients.close()
    },
  }
}

async function expire(watch: AccessWatch, log: Log): Promise<void> {
  const ended = await watch.expire()
  if (ended > 0) log.info({ ended }, 'sessions that were not heard of again have ended')
}
