import { join } from 'node:path'
import { openManufacturerSite } from '../../src/app/manufacturer.ts'
import { openRecord } from '../../src/app/record.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { Clock, Log, Store } from '../../src/domain/port.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { issueRecall } from '../../src/role/factory/recall.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { type SiteAuthority, setUpAuthority } from '../../src/role/onboarding/authority.ts'
import { createCredentialIssuer, openCsr } from '../../src/role/onboarding/network-credential.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from '../../src/role/onboarding/revocation.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'

export const silent: Log = { info() {}, warn() {}, error() {} }

export const trustedAs = 'acme'

/** What of a site a recall needs: its record, its authority, and the list of what it revoked. */
export interface SmallSite {
  readonly store: Store
  readonly authority: SiteAuthority
  readonly revocation: Revocation
  readonly clock: Clock
}

export async function openSmallSite(data: string, clock: Clock = Date.now): Promise<SmallSite> {
  const directory = join(data, 'site')
  const storeUrl = `sqlite:${join(directory, 'site.db')}`
  const { keys, store } = await openRecord({ data: directory, storeUrl, passphrase: undefined, clock, log: silent })
  const hosts = ['127.0.0.1']
  const authority = await setUpAuthority({ store, keys, clock, network: 'home', hosts, curve: 'P-256' })
  const { issuing } = authority
  const revocation = createRevocation({ store, clock, issuers: () => [issuing], crlValidity: defaultCrlValidity })
  return { store, authority, revocation, clock }
}

export interface Seeded {
  /** The notice that recalls the batch. */
  readonly notice: Buffer
  readonly recalled: readonly string[]
  readonly others: readonly string[]
}

/**
 * A factory that makes and sells `devices` units, a site that has each of them in, with a network credential, and a
 * notice that recalls `recalled` of them. Credentials are issued as for any device; what comes before is left out.
 */
export async function seed(
  data: string,
  count: { readonly devices: number; readonly recalled: number },
  onProgress: (text: string) => void = () => {},
): Promise<Seeded> {
  const maker = await openManufacturerSite({
    name: 'Acme',
    data: join(data, 'manufacturer'),
    masaUrl: 'masa.acme.example',
    log: silent,
  })
  const site = await openSmallSite(data)
  try {
    const { manufacturer, store } = maker
    const { deviceRoot, masaRoot } = manufacturer
    const decision = { name: trustedAs, anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
    await trustManufacturer(site, decision, 'lab')
    const batches = { RECALLED: count.recalled, OTHER: count.devices - count.recalled }
    const serials = new Map<string, readonly string[]>()
    for (const [batch, units] of Object.entries(batches)) {
      serials.set(batch, await bring(maker, site, batch, units))
      onProgress(`${units} units of batch ${batch} are expected`)
    }
    const all = [...serials.values()].flat()
    await issueCredentials(site, all, done => onProgress(`${done} of ${all.length} credentials`))
    const order = {
      reason: 'vulnerability',
      reference: 'https://acme.example/advisory/1',
      batches: ['RECALLED'],
    } as const
    const { file } = await issueRecall(maker, order)
    await store.checkpoint()
    return { notice: file, recalled: serials.get('RECALLED')!, others: serials.get('OTHER')! }
  } finally {
    await site.store.close()
    await maker.close()
  }
}

type Maker = Awaited<ReturnType<typeof openManufacturerSite>>

async function bring(maker: Maker, site: SmallSite, batch: string, count: number): Promise<readonly string[]> {
  const serials: string[] = []
  const port = {
    csr: async (serial: string) => {
      serials.push(serial)
      return createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(generateKey('P-256')))
    },
    install: async () => {},
  }
  const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
  await makeUnits({ ...maker, port, batch, model, count, keyOrigin: 'device' })
  const card = buyerCard({ id: 'owner-1', name: 'Owner', certificates: [site.authority.root] })
  await sellUnits(maker, { batch }, { buyer: card })
  const bytes = await shipmentManifest(maker, { batch }, card)
  await importManifest({ bytes, store: site.store, clock: site.clock, importedBy: 'lab' })
  return serials
}

async function issueCredentials(
  { store, clock, authority }: SmallSite,
  serials: readonly string[],
  onProgress: (done: number) => void,
): Promise<void> {
  const issuer = createCredentialIssuer({ store, clock, issuing: authority.issuing })
  const plan = { kind: 'network', lifetimeDays: 365, network: 'home' } as const
  const queue = serials.entries()
  const worker = async () => {
    for (const [n, serial] of queue) {
      const device = deviceId(trustedAs, serial)
      const csr = openCsr(
        await createCsr({ subject: encodeName({ commonName: device }) }, keySigner(generateKey('P-256'))),
      )
      await issuer.issue({ device, csr, plan, authorize() {} })
      if ((n + 1) % 1000 === 0) onProgress(n + 1)
    }
  }
  await Promise.all(Array.from({ length: 64 }, worker))
}
