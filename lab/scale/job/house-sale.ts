import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../../../src/domain/device.ts'
import type { House } from '../../all-in-one/house.ts'
import { buyerId, type Deal, openDeal } from '../buyer.ts'
import type { Findings, Job } from '../job.ts'
import { type Ground, type GroundDevice, owner } from '../place.ts'

const houseSize = 50
const by = 'lab'

function sold({ devices }: Ground): readonly GroundDevice[] {
  return devices.slice(0, houseSize)
}

/** A house with all that is in it: decommissioned, wiped, offered, accepted, and gone from the seller's record. */
export const houseSaleJob: Job = {
  name: 'house-sale',
  title: 'a house is sold',
  stage: 'onboarded',
  async run(house, ground, { progress, acknowledge }) {
    const devices = sold(ground)
    const steps = devices.length + 3
    for (const [n, { id, serial }] of devices.entries()) {
      await clear(house, id)
      acknowledge(`cleared ${serial}`)
      progress(n + 1, steps)
    }
    const deal = await openDeal(house, ground.data)
    try {
      const offer = await offered(house, deal, ground)
      acknowledge('offered')
      progress(steps - 2, steps)
      await deal.buyer.accept({ offer: offer.file, by })
      acknowledge('accepted')
      progress(steps - 1, steps)
      await deal.seller.refreshOffer({ offer: offer.id, by })
      acknowledge('told')
      progress(steps, steps)
      return devices.length
    } finally {
      await deal.close()
    }
  },
  inspect: (house, ground, acknowledged) => look(house, ground, acknowledged),
  async conclude(house, ground) {
    const everything = new Set([...sold(ground).map(({ serial }) => `cleared ${serial}`), 'accepted', 'told'])
    return look(house, ground, everything)
  },
}

/** Out of use and wiped, from wherever it stands. */
async function clear({ site }: House, id: string): Promise<void> {
  const { lifecycle, store } = site
  const device = async () => (await store.read(tables => tables.device.get(id)))!
  const step = async (event: 'execute' | 'disconnect-for-decommission', facts: object) => {
    await lifecycle.step(id, { event, facts, by, reason: 'the house is sold' })
  }
  if ((await device()).lifecycle === 'US.COM') await step('execute', { applicationInstalled: true })
  if ((await device()).lifecycle === 'US.OPR') await step('disconnect-for-decommission', {})
  await lifecycle.wiped(id, { by })
}

interface KeptOffer {
  readonly id: string
  readonly file: string
}

/** The offer that was kept; one that nobody kept, since the site died, is of no use to anybody and taken back. */
async function offered({ site }: House, { seller }: Deal, ground: Ground): Promise<KeptOffer> {
  const path = join(ground.data, 'offer.json')
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as KeptOffer
  for (const { id, state } of await site.store.read(tables => tables.offer.find({}))) {
    if (state === 'open') await seller.revokeOffer({ offer: id, by })
  }
  const { offer, file } = await seller.offer({ devices: sold(ground).map(({ id }) => id), days: 7, by })
  const kept = { id: offer.id, file }
  writeFileSync(path, JSON.stringify(kept))
  return kept
}

async function look(house: House, ground: Ground, acknowledged: ReadonlySet<string>): Promise<Findings> {
  const lost: string[] = []
  const half: string[] = []
  const { store } = house.site
  for (const { id, serial } of sold(ground)) {
    const device = (await store.read(tables => tables.device.get(id)))!
    const credentials = await store.read(tables => tables.credential.count({ device: id, status: 'issued' }))
    const out = device.lifecycle === 'US.DEC'
    if (out !== (credentials === 0)) half.push(`${serial} is in ${device.lifecycle} with ${credentials} credentials`)
    if (acknowledged.has(`cleared ${serial}`) && !isCleared(device)) lost.push(`${serial} was cleared`)
    if (acknowledged.has('told') && device.owner !== buyerId) lost.push(`${serial} is still ${device.owner}'s here`)
  }
  const owners = await owned(house, ground)
  const accepted = owners.filter(each => each === buyerId).length
  if (accepted !== 0 && accepted !== owners.length) half.push(`${accepted} of ${owners.length} devices changed hands`)
  if (acknowledged.has('accepted') && accepted !== owners.length) lost.push(`${owners.length - accepted} were accepted`)
  const others = await house.maker.store.read(tables => tables.unit.count({ owner }))
  if (others + accepted !== ground.devices.length)
    half.push(`${others} units are the seller's and ${accepted} the buyer's`)
  if (acknowledged.has('accepted')) lost.push(...(await unexpected(house, ground)))
  return { lost, half }
}

function isCleared({ lifecycle, wiped }: Device): boolean {
  return lifecycle === 'US.DEC' && wiped !== undefined
}

/** By the manufacturer's record. */
async function owned({ maker }: House, ground: Ground): Promise<readonly string[]> {
  const units = sold(ground).map(({ serial }) => maker.store.read(tables => tables.unit.get(serial)))
  return (await Promise.all(units)).map(unit => unit?.owner ?? '')
}

/** The buyer's network knows what is coming. */
async function unexpected(house: House, ground: Ground): Promise<string[]> {
  const deal = await openDeal(house, ground.data)
  try {
    const devices = sold(ground).map(({ id }) => deal.buyerStore.read(tables => tables.device.get(id)))
    const missing = (await Promise.all(devices)).filter(device => device?.owner !== buyerId).length
    return missing === 0 ? [] : [`the buyer does not expect ${missing} devices`]
  } finally {
    await deal.close()
  }
}
