import { streamName } from '../../../src/domain/event.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import type { House } from '../../all-in-one/house.ts'
import type { Job } from '../job.ts'
import { type Ground, trustedAs } from '../place.ts'

/** A purchase of everything at once. A crash in between is healed by importing again. */
export const importJob: Job = {
  name: 'import',
  title: 'a manifest is imported',
  stage: 'sold',
  async run({ site }, { manifest, devices }, { progress, acknowledge }) {
    const { store, clock } = site
    await importManifest({ bytes: manifest, store, clock, importedBy: 'lab' }, (done, of) => {
      progress(done, of)
      acknowledge(String(done))
    })
    return devices.length
  },
  async inspect(house, ground, acknowledged) {
    const done = Math.max(0, ...[...acknowledged].map(Number))
    const known = await house.site.store.read(tables => tables.device.count())
    const lost = known < done ? [`${done} devices were said to be expected, ${known} are`] : []
    return { lost, half: await misfits(house, ground) }
  },
  async conclude(house, ground) {
    const { store } = house.site
    const lost: string[] = []
    for (const { id, serial } of ground.devices) {
      if ((await store.read(tables => tables.device.get(id))) === undefined) lost.push(`${serial} is not expected`)
    }
    const manifests = await store.read(tables => tables.manifest.count({ manufacturer: trustedAs }))
    if (manifests !== 1) lost.push(`${manifests} manifests are on record`)
    return { lost, half: await misfits(house, ground) }
  },
}

/** Devices that are on record, and not as one import leaves them. */
async function misfits({ site: { store } }: House, { devices }: Ground): Promise<string[]> {
  const half: string[] = []
  for (const { id, serial } of devices) {
    const device = await store.read(tables => tables.device.get(id))
    if (device === undefined) continue
    const events = await store.history(streamName('device', id))
    const { owner, declarationVersion, expectedKeyHash, version } = device
    const whole = owner === 'owner-1' && declarationVersion === 2 && expectedKeyHash !== undefined
    if (!whole || version !== 1 || events.length !== 1) half.push(`${serial} is expected by ${events.length} events`)
  }
  return half
}
