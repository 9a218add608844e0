import { setTimeout } from 'node:timers/promises'
import type { House } from '../../all-in-one/house.ts'
import type { Findings, Job } from '../job.ts'
import type { Ground } from '../place.ts'
import { activeVersion, draftDrop, isDropped } from '../policy.ts'

/** A change of policy is made, and every device that is in is asked about again. */
export const policyActivationJob: Job = {
  name: 'policy-activation',
  title: 'the right to stay is asked again',
  stage: 'onboarded',
  async run(house, ground, { progress, acknowledge }) {
    const { policies } = house.site
    const { id } = await draftDrop(house)
    await policies.versions.activate(id, 'lab')
    acknowledge('activated')
    for (policies.wake(); ; await setTimeout(20)) {
      const sweep = await policies.reconfirmations.progress()
      if (sweep === undefined) throw new Error('nobody is asked about')
      progress(sweep.checked, Math.max(sweep.of, 1))
      acknowledge(`checked ${sweep.checked}`)
      if (sweep.state === 'done') return ground.devices.length
    }
  },
  async inspect(house, ground, acknowledged) {
    const { lost, half } = await states(house, ground, false)
    const active = await activeVersion(house)
    if (acknowledged.has('activated') && active === '000001') lost.push('the activation')
    const checked = Math.max(0, ...[...acknowledged].map(what => Number(/^checked (\d+)$/.exec(what)?.[1] ?? 0)))
    const sweep = await house.site.policies.reconfirmations.progress()
    if ((sweep?.checked ?? 0) < checked) lost.push(`${checked} were checked, ${sweep?.checked} are`)
    return { lost, half }
  },
  conclude: (house, ground) => states(house, ground, true),
}

/** Told to go and its credential ended, or not yet; nobody else is touched. */
async function states(
  { site: { store } }: House,
  ground: Ground,
  finished: boolean,
): Promise<{ lost: string[]; half: string[] }> {
  const found: { lost: string[]; half: string[] } & Findings = { lost: [], half: [] }
  for (const { id, serial } of ground.devices) {
    const { device, credentials } = await store.read(async tables => ({
      device: await tables.device.get(id),
      credentials: await tables.credential.count({ device: id, status: 'issued' }),
    }))
    const told = device?.stay?.verdict === 'refuse'
    if (told !== (credentials === 0)) found.half.push(`${serial} may stay: ${!told}, with ${credentials} credentials`)
    if (told && !isDropped({ serial })) found.half.push(`${serial} was told to go`)
    if (finished && isDropped({ serial }) && !told) found.lost.push(`${serial} was not told to go`)
  }
  return found
}
