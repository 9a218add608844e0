import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openRecord } from '../../src/app/record.ts'
import { ownershipPath } from '../../src/domain/ownership-request.ts'
import type { OwnershipClient, Store } from '../../src/domain/port.ts'
import { createOwnershipEndpoint } from '../../src/role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService } from '../../src/role/manufacturer/ownership-service.ts'
import { setUpAuthority } from '../../src/role/onboarding/authority.ts'
import { createSiteOwnership, type SiteOwnership } from '../../src/role/ownership/site-ownership.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { type House, silent } from '../all-in-one/house.ts'
import { owner, trustedAs } from './place.ts'

/** Who sells and who buys a house, each with a record and keys, both with a wire to the manufacturer. */
export interface Deal {
  readonly seller: SiteOwnership
  readonly buyer: SiteOwnership
  readonly buyerStore: Store
  close(): Promise<void>
}

export const buyerId = 'buyer-1'

export async function openDeal({ site, maker }: House, data: string): Promise<Deal> {
  const { clock, random } = site
  const place = join(data, 'buyer')
  mkdirSync(place, { recursive: true, mode: 0o700 })
  const storeUrl = `sqlite:${join(place, 'site.db')}`
  const { keys, store } = await openRecord({ data: place, storeUrl, clock, log: silent })
  const hosts = ['127.0.0.1']
  const authority = await setUpAuthority({ store, keys, clock, network: buyerId, hosts, curve: 'P-256' })
  const { deviceRoot, masaRoot, masa } = maker.manufacturer
  const decision = { anchors: [deviceRoot.der], masaAnchors: [masaRoot.der], masaUrl: masa.baseUrl }
  await trustManufacturer({ store, clock }, { name: trustedAs, ...decision }, 'lab')
  const common = { clock, random, client: wireTo({ maker }) }
  return {
    seller: createSiteOwnership({
      ...{ ...common, store: site.store, owner },
      root: () => site.authority.root,
      registrar: () => site.authority.registrar,
    }),
    buyer: createSiteOwnership({
      ...{ ...common, store, owner: buyerId },
      root: () => authority.root,
      registrar: () => authority.registrar,
    }),
    buyerStore: store,
    close: () => store.close(),
  }
}

/** The ownership service of the manufacturer, in this process. */
function wireTo({ maker }: Pick<House, 'maker'>): OwnershipClient {
  const { manufacturer, store, clock } = maker
  const service = createOwnershipService({ manufacturer, store, clock, log: silent })
  const endpoint = createOwnershipEndpoint(service, silent)
  return {
    async requestOwnership({ body, contentType }) {
      const peer = {
        address: 'in-process',
        certificates: [],
        localCertificate: Buffer.alloc(0),
        connection: 'in-process',
        channelBinding: () => undefined,
      }
      const headers = { 'content-type': contentType }
      const reply = await endpoint.handle({ method: 'POST', path: ownershipPath, headers, body, peer })
      const type = reply?.headers?.['content-type'] ?? ''
      return { status: reply?.status ?? 404, contentType: type, body: Buffer.from(reply?.body ?? '') }
    },
  }
}
