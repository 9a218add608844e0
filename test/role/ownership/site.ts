import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { type Device, deviceId } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { ownershipPath } from '../../../src/domain/ownership-request.ts'
import type { OwnershipClient, Store } from '../../../src/domain/port.ts'
import type { Manufacturer } from '../../../src/role/factory/manufacturer-setup.ts'
import { createOwnershipEndpoint } from '../../../src/role/manufacturer/ownership-endpoint.ts'
import type { OwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { type SiteAuthority, setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { createSiteOwnership, type SiteOwnership } from '../../../src/role/ownership/site-ownership.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { openTestStore, silentLog } from '../../store.ts'
import { testPeer } from '../onboarding/neighbourhood.ts'

/** A site with its authority and record, and a wire to the manufacturer that can be cut. */
export interface OwnershipSite {
  readonly id: string
  readonly store: Store
  readonly authority: SiteAuthority
  readonly ownership: SiteOwnership
  readonly wire: { cut: 'no' | 'before' | 'after' }
  trust(manufacturer: Manufacturer): Promise<void>
  device(serial: string): Promise<Device>
  close(): Promise<void>
}

export async function openOwnershipSite(
  id: string,
  { clock, service }: { readonly clock: () => number; readonly service: () => OwnershipService },
): Promise<OwnershipSite> {
  const opened = await openTestStore({ clock })
  const { store } = opened
  const keys = memoryKeyStore()
  const authority = await setUpAuthority({ store, keys, clock, network: id, hosts: ['127.0.0.1'], curve: 'P-256' })
  const wire: OwnershipSite['wire'] = { cut: 'no' }
  const client: OwnershipClient = {
    async requestOwnership({ body, contentType }) {
      const lost = () => new OnboardingError('masa-unreachable', { host: 'masa.acme.example' })
      if (wire.cut === 'before') throw lost()
      const endpoint = createOwnershipEndpoint(service(), silentLog)
      const headers = { 'content-type': contentType }
      const peer = testPeer([], new Uint8Array())
      const reply = await endpoint.handle({ method: 'POST', path: ownershipPath, headers, body, peer })
      if (wire.cut === 'after') throw lost()
      const type = reply?.headers?.['content-type'] ?? ''
      return { status: reply?.status ?? 404, contentType: type, body: Buffer.from(reply?.body ?? '') }
    },
  }
  return {
    id,
    store,
    authority,
    wire,
    ownership: createSiteOwnership({
      store,
      clock,
      random: randomBytes,
      owner: id,
      root: () => authority.root,
      registrar: () => authority.registrar,
      client,
      offerKey: generateKey('P-256'),
    }),
    async trust({ deviceRoot, masaRoot, masa }) {
      const decision = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der], masaUrl: masa.baseUrl }
      await trustManufacturer({ store, clock }, decision, 'test')
    },
    async device(serial) {
      const device = await store.read(tables => tables.device.get(deviceId('acme', serial)))
      if (device === undefined) throw new Error(`no device ${serial} at ${id}`)
      return device
    },
    close: opened.close,
  }
}
