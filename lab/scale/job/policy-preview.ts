import { previewPolicies } from '../../../src/role/authorization/preview.ts'
import type { House } from '../../all-in-one/house.ts'
import type { Findings, Job } from '../job.ts'
import type { Ground } from '../place.ts'
import { activeVersion, draftDrop, dropped } from '../policy.ts'

const page = 100

/** What a change of policy would do to everybody, before anybody makes it. */
export const policyPreviewJob: Job = {
  name: 'policy-preview',
  title: 'a policy is previewed',
  stage: 'onboarded',
  async run(house, ground, { progress, acknowledge }) {
    const drops = await preview(house, done => progress(done, ground.devices.length))
    // What the person is told: «would drop 1000 devices».
    acknowledge(`drops ${drops}`)
    return ground.devices.length
  },
  inspect: untouched,
  async conclude(house, ground, acknowledged) {
    const { lost, half } = await untouched(house, ground)
    const wanted = `drops ${dropped(ground).length}`
    const told = [...acknowledged].filter(what => what !== wanted)
    const again = await preview(house, () => {})
    const wrong = again === dropped(ground).length ? [] : [`the preview drops ${again} devices, not ${wanted}`]
    return {
      lost: [...lost, ...told.map(what => `it was said that it ${what}, and it ${wanted}`)],
      half: [...half, ...wrong],
    }
  },
}

async function preview(house: House, progress: (done: number) => void): Promise<number> {
  const { store, clock, policies } = house.site
  const { point, place } = policies
  const candidate = point.open(await draftDrop(house))
  let drops = 0
  let checked = 0
  for (let after: string | undefined = ''; after !== undefined; ) {
    const found = await previewPolicies({ store, clock, point, place }, candidate, { after, limit: page })
    drops += found.impacts.filter(({ effect, revoke }) => effect === 'drop' && revoke).length
    checked += found.checked
    progress(checked)
    after = found.next
  }
  return drops
}

/** A preview writes nothing: no device has changed, and the version that counts is the same. */
async function untouched(house: House, ground: Ground): Promise<Findings> {
  const half: string[] = []
  const { store } = house.site
  const active = await activeVersion(house)
  if (active !== '000001') half.push(`version ${active} counts`)
  for (const { id, serial } of ground.devices) {
    const credentials = await store.read(tables => tables.credential.count({ device: id, status: 'issued' }))
    if (credentials !== 1) half.push(`${serial} has ${credentials} credentials in force`)
    const device = await store.read(tables => tables.device.get(id))
    if (device?.stay?.verdict === 'refuse') half.push(`${serial} was told to go`)
  }
  return { lost: [], half }
}
