import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { decodeCertificateList } from '../../../src/codec/crl.ts'
import type { RecallRecord } from '../../../src/domain/recall.ts'
import { issueRecall } from '../../../src/role/factory/recall.ts'
import { recallsOf } from '../../../src/role/supply-chain/recall-check.ts'
import { importRecall } from '../../../src/role/supply-chain/recall-import.ts'
import type { House } from '../../all-in-one/house.ts'
import type { Findings, Job } from '../job.ts'
import type { Ground, GroundDevice } from '../place.ts'

/** Five hundred of ten thousand, or one in twenty of fewer. */
function recalled({ devices }: Ground): readonly GroundDevice[] {
  return devices.filter((_, n) => n % 20 === 0)
}

/** The manufacturer recalls one device in twenty; the site stops them at once and ends their credentials. */
export const recallJob: Job = {
  name: 'recall',
  title: 'devices are recalled',
  stage: 'onboarded',
  async run(house, ground, { progress, acknowledge }) {
    const { site } = house
    const { store, clock } = site
    const bytes = await notice(house, ground)
    const { recall } = await importRecall({ bytes, store, clock, importedBy: 'lab', treatment: 'revoke' })
    acknowledge('imported')
    // The site itself goes through its devices, and goes on there when it is started again.
    for (site.recallWork.wake(); ; await setTimeout(20)) {
      const current = await store.read(tables => tables.recall.get(recall.id))
      if (current === undefined) throw new Error('the recall is gone')
      const { checked, of, state } = current.work
      progress(checked, of)
      acknowledge(`checked ${checked}`)
      if (state === 'done') return recalled(ground).length
    }
  },
  async inspect(house, ground, acknowledged) {
    const [recall] = await house.site.store.read(tables => tables.recall.find({}))
    if (recall === undefined) return { lost: acknowledged.has('imported') ? ['the recall'] : [], half: [] }
    const checked = Math.max(0, ...[...acknowledged].map(what => Number(/^checked (\d+)$/.exec(what)?.[1] ?? 0)))
    const behind = recall.work.checked < checked ? [`${checked} were checked, ${recall.work.checked} are`] : []
    const { lost, half } = await states(house, ground, recall, false)
    return { lost: [...behind, ...lost], half }
  },
  async conclude(house, ground) {
    const [recall] = await house.site.store.read(tables => tables.recall.find({}))
    if (recall === undefined) return { lost: ['the recall'], half: [] }
    const { lost, half } = await states(house, ground, recall, true)
    const { revoked } = decodeCertificateList(await house.site.revocation.crl())
    const wanted = recalled(ground).length
    if (revoked.size !== wanted) half.push(`${revoked.size} credentials are on the revocation list, not ${wanted}`)
    return { lost, half }
  },
}

/** The signed notice, made once. */
async function notice({ maker }: House, ground: Ground): Promise<Buffer> {
  const path = join(ground.data, 'recall.jws')
  if (existsSync(path)) return readFileSync(path)
  const { manufacturer, store, clock, random } = maker
  const serials = recalled(ground).map(({ serial }) => serial)
  const order = { reason: 'vulnerability', serials } as const
  const { file } = await issueRecall({ manufacturer, store, clock, random }, order)
  writeFileSync(path, file)
  return file
}

/** From the import on each recalled device is refused; it is marked with its credential ended, or not yet; no other is touched. */
async function states(
  { site: { store } }: House,
  ground: Ground,
  recall: RecallRecord,
  finished: boolean,
): Promise<{ lost: string[]; half: string[] }> {
  const found: { lost: string[]; half: string[] } & Findings = { lost: [], half: [] }
  const named = new Set(recalled(ground).map(({ id }) => id))
  for (const { id, serial } of ground.devices) {
    const { device, inForce, refused } = await store.read(async tables => {
      const device = await tables.device.get(id)
      const credentials = await tables.credential.find({ device: id, status: 'issued' })
      const recalls = device === undefined ? [] : await recallsOf(tables, device)
      return { device, inForce: credentials.length, refused: recalls.some(each => each.id === recall.id) }
    })
    const marked = device?.recalls?.includes(recall.id) === true
    if (named.has(id) !== refused) found.lost.push(`${serial} is ${refused ? '' : 'not '}refused`)
    if (marked !== (inForce === 0))
      found.half.push(`${serial} is marked ${marked} with ${inForce} credentials in force`)
    if (marked && !named.has(id)) found.half.push(`${serial} was not recalled`)
    if (finished && named.has(id) && !marked) found.lost.push(`${serial} was not stopped`)
  }
  return found
}
