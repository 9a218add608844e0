import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sealDeclarations } from '../../../src/adapter/store/sealed.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type DeviceEvent, deviceId } from '../../../src/domain/device.ts'
import { onboardingMoves } from '../../../src/domain/lifecycle-onboarding.ts'
import type { Store } from '../../../src/domain/port.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { setUpManufacturer } from '../../../src/role/factory/manufacturer-setup.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { createHandOver } from '../../../src/role/lifecycle/hand-over.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { createOwnershipEndpoint } from '../../../src/role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { createCredentialIssuer, openCsr } from '../../../src/role/onboarding/network-credential.ts'
import { createRevocation, defaultCrlValidity } from '../../../src/role/onboarding/revocation.ts'
import { createHandOverTransfer } from '../../../src/role/ownership/hand-over.ts'
import { createSiteOwnership } from '../../../src/role/ownership/site-ownership.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { silent } from '../../all-in-one/house.ts'
import type { Strike } from './moment.ts'
import { clock, openAuthority, openParty, type Party, unsoundLedgers } from './party.ts'
import type { Inspection, StepTask } from './task.ts'

const random = (length: number) => randomBytes(length)
const by = 'lab'
const [batch, trustedAs, serial] = ['B1', 'acme', 'B1-000001']
const id = deviceId(trustedAs, serial)

/** A device in use is handed over to another owner: decommissioned, wiped, offered, accepted, and free for its next network. */
export const handOverTask: StepTask = {
  name: 'hand-over',
  title: 'a device is handed over to another owner',
  async prepare(data) {
    const scene = await openScene(data)
    try {
      const { manufacturer, factory, seller, buyer } = scene
      const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
      const port = {
        csr: async (unit: string) => createCsr({ subject: encodeName({ serialNumber: unit }) }, newKey()),
        install: async () => {},
      }
      const office = { manufacturer, store: factory, clock, random }
      await makeUnits({ ...office, port, batch, model, count: 1, keyOrigin: 'simulated' })
      const card = seller.ownership.card()
      await sellUnits(office, { batch }, { buyer: card })
      const { deviceRoot, masaRoot, masa } = manufacturer
      const trust = { anchors: [deviceRoot.der], masaAnchors: [masaRoot.der], masaUrl: masa.baseUrl }
      for (const { store } of [seller, buyer])
        await trustManufacturer({ store, clock }, { name: trustedAs, ...trust }, by)
      const bytes = await shipmentManifest(office, { batch }, card)
      await importManifest({ bytes, store: seller.store, clock, importedBy: by })
      await bringIn(seller)
    } finally {
      await scene.close()
    }
  },
  async run(data, strike) {
    const scene = await openScene(data, strike)
    const { seller, buyer } = scene
    // As people do it, from wherever it stands: decommission, say that it was reset, offer, and go on once it was accepted.
    while (!(await isOver(seller.store))) {
      const { lifecycle, right } = (await seller.store.read(tables => tables.device.get(id)))!
      const facts = lifecycle === 'US.DEC' ? { wiped: true } : { applicationInstalled: true }
      const { steps } = await seller.handOver.advance(id, { to: buyer.id, by, facts })
      const waits = steps.find(({ state }) => state === 'waiting')?.step
      if (waits === 'transfer' && right === 'owner') {
        await buyer.ownership.accept({ offer: await offered(seller, data), by })
      }
    }
    // Whoever got no answer asks again: of the manufacturer, which answers alike, the seller has nothing to do with it.
    const bought = await buyer.store.read(tables => tables.device.get(id))
    if (bought?.right !== 'owner') await buyer.ownership.accept({ offer: await offered(seller, data), by })
    await scene.close()
  },
  inspect: data => look(data, false),
  conclude: data => look(data, true),
}

const newKey = () => keySigner(generateKey('P-256'))

type Keeper = Awaited<ReturnType<typeof keeper>>

async function openScene(data: string, strike: Strike = () => {}) {
  const parties = await Promise.all(['manufacturer', 'seller', 'buyer'].map(name => openParty(data, name, strike)))
  const [maker, sellers, buyers] = parties as [Party, Party, Party]
  const factory = sealDeclarations(maker.store, maker.seal)
  const terms = { name: 'Acme', store: factory, keys: maker.keys, clock, random, masaUrl: 'masa.acme.example' }
  const manufacturer = await setUpManufacturer(terms)
  const service = createOwnershipService({ manufacturer, store: factory, clock, log: silent })
  const endpoint = createOwnershipEndpoint(service, silent)
  return {
    parties,
    manufacturer,
    factory,
    seller: await keeper(sellers, endpoint),
    buyer: await keeper(buyers, endpoint),
    close: async () => {
      await Promise.all(parties.map(party => party.close()))
    },
  }
}

/** What a site keeps devices with, and a wire to the manufacturer. */
async function keeper(party: Party, endpoint: ReturnType<typeof createOwnershipEndpoint>) {
  const { name: owner, store } = party
  const authority = await openAuthority(party)
  const owners = [owner]
  const revocation = createRevocation({
    store,
    clock,
    issuers: () => [authority.issuing],
    crlValidity: defaultCrlValidity,
  })
  const lifecycle = createLifecycle({ store, clock, owners, revocation, onboardingWindow: 3_600_000 })
  const ownership = createSiteOwnership({
    ...{ store, clock, random, owner },
    root: () => authority.root,
    registrar: () => authority.registrar,
    client: {
      async requestOwnership({ baseUrl, body, contentType }) {
        const path = `${new URL(baseUrl).origin}/.well-known/mooring/ownership`.replace(/^https:\/\/[^/]+/, '')
        const peer = { address: 'in-process', certificates: [], localCertificate: Buffer.alloc(0), connection: 'one' }
        const headers = { 'content-type': contentType }
        const request = { method: 'POST', path, headers, body, peer: { ...peer, channelBinding: () => undefined } }
        const reply = await endpoint.handle(request)
        const type = reply?.headers?.['content-type'] ?? ''
        return { status: reply?.status ?? 404, contentType: type, body: Buffer.from(reply?.body ?? '') }
      },
    },
  })
  const transfer = createHandOverTransfer({ store, ownership, owners })
  const handOver = createHandOver({ store, clock, lifecycle, owners, ownership: transfer })
  return { id: owner, store, authority, ownership, handOver }
}

/** Onboarded, with a credential in force: what its protocol would have recorded, and the signature of the CA. */
async function bringIn({ store, authority }: Keeper): Promise<void> {
  const at = clock()
  await store.transaction(tx =>
    recordOnDevice(tx, id, (device): DeviceEvent[] => [
      {
        kind: 'device-heard',
        body: { manufacturer: trustedAs, serial, attempt: id, protocol: 'lab', address: 'in-process', at },
      },
      { kind: 'identity-proven', body: { certificateHash: '', keyHash: device.expectedKeyHash ?? '' } },
      { kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at } },
      ...onboardingMoves(device, at),
    ]),
  )
  const issuer = createCredentialIssuer({ store, clock, issuing: authority.issuing })
  const csr = openCsr(await createCsr({ subject: encodeName({}) }, newKey()))
  const plan = { kind: 'network', lifetimeDays: 365, network: 'seller' } as const
  await issuer.issue({ device: id, csr, plan, authorize: () => {} })
  await store.transaction(tx =>
    recordOnDevice(tx, id, device => [
      { kind: 'device-connected', body: { credential: device.credential ?? '', at } },
      {
        kind: 'lifecycle-moved',
        body: { transition: 'T14', from: 'US.NLO', to: 'US.COM', actor: 'device-onboarder', at },
      },
    ]),
  )
}

/** The offer that was kept; one that nobody kept, since its maker died, is of no use to anybody and taken back. */
async function offered({ store, ownership }: Keeper, data: string): Promise<string> {
  const path = join(data, 'offer.json')
  if (existsSync(path)) return readFileSync(path, 'utf8')
  for (const { id: offer, state } of await store.read(tables => tables.offer.find({}))) {
    if (state === 'open') await ownership.revokeOffer({ offer, by })
  }
  const { file } = await ownership.offer({ devices: [id], days: 7, by })
  writeFileSync(path, file)
  return file
}

async function transitions(store: Store): Promise<string[]> {
  const events = await store.history(`device/${id}`, 0, 1000)
  return events.filter(({ kind }) => kind === 'lifecycle-moved').map(({ body }) => body['transition'] as string)
}

async function isOver(store: Store): Promise<boolean> {
  return (await transitions(store)).includes('T36')
}

async function look(data: string, ended: boolean): Promise<Inspection> {
  const records = await Promise.all(['manufacturer', 'seller', 'buyer'].map(name => openParty(data, name)))
  const unsound = await unsoundLedgers(records)
  await Promise.all(records.map(party => party.close()))
  const scene = await openScene(data)
  try {
    const { seller, buyer, factory } = scene
    const half: string[] = []
    const [here, there, unit] = await Promise.all([
      seller.store.read(tables => tables.device.get(id)),
      buyer.store.read(tables => tables.device.get(id)),
      factory.read(tables => tables.unit.get(serial)),
    ])
    const credentials = await seller.store.read(tables => tables.credential.count({ device: id, status: 'issued' }))
    const { lifecycle, owner, wiped } = here!
    // The credential ends first: in use without one it can do nothing, out of use with one it could.
    const out = lifecycle === 'US.DEC' || (await isOver(seller.store))
    if (out && credentials > 0) half.push(`in ${lifecycle} with ${credentials} credentials in force`)
    if (wiped !== undefined && credentials > 0) half.push('wiped, and with a credential')
    const offers = await factory.read(tables => tables.offer.find({}))
    const accepted = offers.filter(({ state }) => state === 'accepted').length
    if (accepted !== (unit?.owner === buyer.id ? 1 : 0))
      half.push(`${accepted} acceptances, and owned by ${unit?.owner}`)
    if (owner === buyer.id && unit?.owner !== buyer.id)
      half.push('the seller takes it for the buyer’s, the maker does not')
    if (there !== undefined && there.owner === buyer.id && unit?.owner !== buyer.id)
      half.push('the buyer expects what is not his')
    const former = await factory.read(tables => tables.formerDeclaration.count({ serial }))
    if (former !== (unit?.declarationVersion ?? 0) - 1)
      half.push(`${former} former declarations of version ${unit?.declarationVersion}`)
    if (ended) {
      const taken = (await transitions(seller.store)).filter(each => each === 'T29' || each === 'T36').join()
      if (taken !== 'T29,T36') half.push(`transitions ${taken}`)
      if (there?.right !== 'owner' || here?.right !== 'none') half.push('not the buyer’s alone')
      if (here?.handOver !== undefined) half.push('the hand-over is still under way')
    }
    return { half, unsound }
  } finally {
    await scene.close()
  }
}
