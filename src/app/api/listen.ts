import { type ApiListener, listenHttp } from '../../adapter/http/api-server.ts'
import type { TlsCredential } from '../../adapter/http/tls-profile.ts'
import type { Site } from '../site.ts'
import { version } from '../version.ts'
import type { Operation } from './contract/operation.ts'
import { api } from './contract.ts'
import { createApi, type From } from './server.ts'
import type { ApiServices } from './service.ts'

/** Each operation has a bound of its own; this one is for all. */
const maxBody = Math.max(...Object.values<Operation>(api).map(operation => operation.maxBody ?? 0)) + 1

/**
 * Serves the API of a running site. To be closed before the site is. Throws OnboardingError `port-in-use`, `input-invalid`.
 * @param place without `tls` for this machine alone: tokens travel in the clear
 */
export async function listenApi(
  site: Site,
  place: { readonly host: string; readonly port: number; readonly tls?: TlsCredential },
): Promise<ApiListener> {
  const server = createApi(apiServices(site))
  const fetch = (request: Request, from: From) => server.fetch(request, from)
  const listener = await listenHttp({ ...place, fetch, log: site.log, limits: { body: maxBody } })
  if (place.tls === site.credential) site.onRenewal(credential => listener.setCredential(credential))
  return {
    ...listener,
    async close() {
      server.close()
      await listener.close()
    },
  }
}

/** What the API needs of a site. */
export function apiServices(site: Site): ApiServices {
  const { network, owner, port, store, clock, random, log, access, approval, revocation, recallWork } = site
  const { callers, lifecycle, handOver, siteAuthority, ownership, feedWork, policies } = site
  return {
    store,
    clock,
    random,
    log,
    access,
    callers,
    confirmation: site.confirmation,
    approval,
    revocation,
    lifecycle,
    handOver,
    recallWork,
    siteAuthority,
    holds: site.holds,
    configurator: site.configurator,
    ...(site.dppPort === undefined ? {} : { dppPort: site.dppPort }),
    networkAccess: site.networkAccess,
    ownership,
    feedWork,
    policies,
    site: {
      network,
      owner,
      version,
      get registrar() {
        return site.authority.registrar.certificate
      },
      get issuing() {
        return site.authority.issuing.certificate
      },
      get root() {
        return site.authority.root
      },
      onboardingPort: port,
    },
    place: {
      data: site.data,
      host: site.host,
      ...(site.statusUrl === undefined ? {} : { statusUrl: site.statusUrl }),
      get issuers() {
        return site.authority.generations.flatMap(({ issuer }) => issuer?.name ?? [])
      },
    },
  }
}
