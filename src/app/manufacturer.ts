import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createFeedClient } from '../adapter/http/feed-client.ts'
import { listenTls } from '../adapter/http/tls-endpoint.ts'
import { sealDeclarations } from '../adapter/store/sealed.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import type { Secret } from '../crypto/secret.ts'
import type { Curve, KeyStore } from '../crypto/signer.ts'
import { OnboardingError } from '../domain/error.ts'
import type { Clock, Endpoint, Log, Random, Store } from '../domain/port.ts'
import { certifyDelegate } from '../role/factory/delegate.ts'
import { runNoticeWork } from '../role/factory/feed-notice.ts'
import { type Manufacturer, setUpManufacturer } from '../role/factory/manufacturer-setup.ts'
import { type DelegateRevocation, revokeDelegate } from '../role/manufacturer/delegate-revocation.ts'
import { createFeed } from '../role/manufacturer/feed.ts'
import { createMasa } from '../role/manufacturer/masa.ts'
import { createOwnershipEndpoint } from '../role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService, type OwnershipService } from '../role/manufacturer/ownership-service.ts'
import { openRecord } from './record.ts'
import { startWorker } from './worker.ts'

export interface ManufacturerSiteOptions {
  readonly name: string
  /** Directory of keys and of the embedded store; made with mode 0700. */
  readonly data: string
  readonly storeUrl?: string
  /** Opens the keys in `data`; without it only file modes protect them. */
  readonly passphrase?: Secret
  /** Keys of the hierarchies, when they are not in `data`: a PKCS#11 token. */
  readonly authorityKeys?: KeyStore
  readonly curve?: Curve
  /** Goes into every birth certificate: a host with an optional port, or an https URL. */
  readonly masaUrl: string
  /** Further names and addresses of the MASA's TLS certificate. */
  readonly hosts?: readonly string[]
  /** Domain ids that may have vouchers without a nonce. */
  readonly noncelessDomains?: readonly string[]
  readonly requestsPerMinute?: number
  readonly log: Log
  readonly clock?: Clock
  readonly random?: Random
}

/** A manufacturer at home: its record, its certificates, and the MASA as an endpoint that may listen or be called. */
export interface ManufacturerSite {
  readonly manufacturer: Manufacturer
  readonly store: Store
  readonly masa: Endpoint
  /** Where buyers pull their purchases. */
  readonly feed: Endpoint
  /** Changes of owner and of authorized onboarders, for requests that came as files. */
  readonly ownership: OwnershipService
  /** Lets another sign declarations. Throws as `certifyDelegate` of the factory does. */
  certifyDelegate(request: { readonly name: string; readonly csr: Uint8Array }): Promise<readonly Certificate[]>
  /** Ends that right. Throws as `revokeDelegate` does. */
  revokeDelegate(
    order: { readonly name: string; readonly by: string },
    onProgress?: (done: number, of: number) => void,
  ): Promise<DelegateRevocation>
  readonly clock: Clock
  readonly random: Random
  /** Serves the MASA over TLS. Throws OnboardingError `port-in-use`. */
  listen(place: {
    readonly host: string
    readonly port: number
    readonly reusePort?: boolean
  }): Promise<{ readonly port: number }>
  close(): Promise<void>
}

export async function openManufacturerSite(options: ManufacturerSiteOptions): Promise<ManufacturerSite> {
  const { data, log, passphrase, clock = Date.now, random = randomBytes } = options
  const storeUrl = options.storeUrl ?? `sqlite:${join(data, 'manufacturer.db')}`
  const { keys, store: plain, sealKey } = await openRecord({ data, storeUrl, passphrase, clock, log })
  const store = sealDeclarations(plain, sealKey)
  try {
    return await assemble(options, { keys, store, clock, random })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function assemble(
  options: ManufacturerSiteOptions,
  parts: { readonly keys: KeyStore; readonly store: Store; readonly clock: Clock; readonly random: Random },
): Promise<ManufacturerSite> {
  const { name, masaUrl, hosts, curve, log } = options
  const { keys, store, clock, random } = parts
  const manufacturer = await setUpManufacturer({
    name,
    store,
    keys: options.authorityKeys ?? keys,
    tlsKeys: keys,
    clock,
    random,
    masaUrl,
    ...(hosts === undefined ? {} : { hosts }),
    ...(curve === undefined ? {} : { curve }),
  })
  const masa = createMasa({
    store,
    clock,
    log,
    deviceAnchors: manufacturer.deviceAnchors,
    voucherSigner: manufacturer.voucher.signer,
    voucherChain: manufacturer.voucher.chain,
    noncelessDomains: options.noncelessDomains ?? [],
    noncelessDays: 30,
    requestsPerMinute: options.requestsPerMinute ?? 6000,
  })
  const ownership = createOwnershipService({ manufacturer, store, clock, log })
  const feed = createFeed({ store, clock, log, manufacturer: name })
  const endpoints = [masa, feed, createOwnershipEndpoint(ownership, log)]
  const client = createFeedClient({ clock })
  const listeners: { close(): Promise<void> }[] = []
  return {
    manufacturer,
    store,
    masa,
    feed,
    ownership,
    certifyDelegate: request =>
      certifyDelegate({ manufacturer, store, keys: options.authorityKeys ?? keys, clock }, request),
    revokeDelegate: (order, onProgress) =>
      revokeDelegate({ manufacturer, store, keys: options.authorityKeys ?? keys, clock }, order, onProgress),
    clock,
    random,
    async listen(place) {
      const { tls } = manufacturer
      const key = await keys.tlsKey?.(tls.name)
      if (key === undefined) throw new OnboardingError('issuer-key-missing', { label: tls.name })
      const certificateChain = tls.chain.map(({ der }) => der)
      const listener = await listenTls({ ...place, key, certificateChain, endpoints, log })
      listeners.push(listener)
      // Buyers are told by whoever serves them: a command that makes units ends before they could answer.
      const work = () => runNoticeWork({ store, clock, random, log, manufacturer, client })
      listeners.push(startWorker({ name: 'feed-notice', work, every: 5000, log }))
      return { port: listener.port }
    },
    async close() {
      client.close()
      await Promise.all(listeners.map(listener => listener.close()))
      await store.close()
    },
  }
}
