import { hash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeEstBase64, encodeBase64 } from '../../../src/codec/base64.ts'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { estRoot } from '../../../src/role/onboarding/enrollment.ts'
import type { House } from '../../all-in-one/house.ts'
import type { Findings, Job } from '../job.ts'
import { each, endpointsOf, type Ground, type GroundDevice, send, show } from '../place.ts'

/** Every device renews its credential over EST with a new key, and shows the new one, which ends the old one. */
export const renewalJob: Job = {
  name: 'renewals',
  title: 'network credentials are renewed',
  stage: 'onboarded',
  async run(house, { devices, data }, { progress, acknowledge, acknowledged }) {
    const endpoints = endpointsOf(house)
    const registrar = house.site.authority.registrar.certificate.der
    const memory = openMemory(data)
    let done = acknowledged.size
    await each(
      devices.filter(({ serial }) => !acknowledged.has(serial)),
      async device => {
        const kept = memory.known.get(device.serial)
        // One that lost its answer asks again with the same bytes; one that kept it goes on with what it has.
        const certificate = kept ?? (await renew(endpoints, registrar, device))
        if (kept === undefined) memory.keep(device.serial, certificate)
        await show(endpoints, registrar, certificate)
        acknowledge(device.serial)
        progress(++done, devices.length)
      },
    )
    return devices.length
  },
  async inspect(house, ground, acknowledged) {
    const told = ground.devices.filter(({ serial }) => acknowledged.has(serial))
    const rest = ground.devices.filter(({ serial }) => !acknowledged.has(serial))
    const lost = (await Promise.all(told.map(device => unfinished(house, device)))).flatMap(what => what ?? [])
    const half = (await Promise.all(rest.map(device => astray(house, device)))).flatMap(what => what ?? [])
    return { lost, half }
  },
  async conclude(house, ground) {
    return { lost: await all(house, ground), half: [] }
  },
}

async function all(house: House, { devices }: Ground): Promise<Findings['lost']> {
  const found = await Promise.all(devices.map(device => unfinished(house, device)))
  return found.flatMap(what => what ?? [])
}

async function renew(
  endpoints: ReturnType<typeof endpointsOf>,
  registrar: Uint8Array,
  device: GroundDevice,
): Promise<Uint8Array> {
  const reply = await send(endpoints, {
    registrar,
    certificate: Buffer.from(device.certificate ?? '', 'base64'),
    method: 'POST',
    path: `${estRoot}/simplereenroll`,
    headers: { 'content-type': 'application/pkcs10' },
    body: encodeBase64(Buffer.from(device.renewal ?? '', 'base64')),
  })
  if (reply.status !== 200) throw new Error(`${device.serial} was not renewed: ${reply.status} ${String(reply.body)}`)
  const [certificate] = decodeCertsOnly(decodeEstBase64(String(reply.body))).certificates
  if (certificate === undefined) throw new Error(`${device.serial} got no certificate`)
  return certificate
}

/** What the devices have written into their own memories: they do not die with the site. */
function openMemory(data: string) {
  const path = join(data, 'memory')
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  // The last one may have been cut off: that device has nothing.
  const known = new Map(
    lines.slice(0, -1).map(line => [line.split(' ')[0]!, Buffer.from(line.split(' ')[1]!, 'base64')]),
  )
  return {
    known,
    keep: (serial: string, certificate: Uint8Array) =>
      appendFileSync(path, `${serial} ${Buffer.from(certificate).toString('base64')}\n`),
  }
}

/** What is on record of a device: the credentials of its two requests. */
async function credentialsOf({ site: { store } }: House, { id, renewal = '' }: GroundDevice) {
  const csrHash = hash('sha256', Buffer.from(renewal, 'base64'), 'hex')
  const requestHash = hash('sha256', `${id}\0${csrHash}`, 'hex')
  return store.read(async tables => {
    const [device, list] = [await tables.device.get(id), await tables.credential.find({ device: id })]
    return { device, list, next: list.find(each => each.requestHash === requestHash) }
  })
}

/** Renewed: two credentials, the new one in force and the device's own, the old one ended. */
async function unfinished(house: House, device: GroundDevice): Promise<string | undefined> {
  const { device: record, list, next } = await credentialsOf(house, device)
  const statuses = list.map(({ status }) => status).sort()
  if (next?.status !== 'issued' || next.certificate === undefined) return `${device.serial}: no new credential`
  if (record?.credential !== next.id) return `${device.serial}: another credential is its own`
  return statuses.join() === 'issued,revoked' ? undefined : `${device.serial}: credentials ${statuses.join()}`
}

/** Not told: it may stand at any step of the way, and must hold one credential at least that is in force. */
async function astray(house: House, device: GroundDevice): Promise<string | undefined> {
  const { list, next } = await credentialsOf(house, device)
  const inForce = list.filter(({ status }) => status === 'issued')
  if (inForce.length === 0) return `${device.serial}: no credential in force`
  if (list.length > 2) return `${device.serial}: ${list.length} credentials`
  return list.length === 2 && next === undefined ? `${device.serial}: a credential that it never asked for` : undefined
}
