/**
 * A house as a process of its own: onboards devices on a port of the loopback and answers its parent's questions over the
 * channel of child_process.fork. Ends with its parent.
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { openLog } from '../../src/adapter/telemetry/log.ts'
import { streamName } from '../../src/domain/event.ts'
import type { Checkpoint, Store } from '../../src/domain/port.ts'
import { furnish, openHouse, writeUpbringing } from './house.ts'
import type { Anchors, Answer, Order, Question, ServerOptions, UnitRecords, Verdicts } from './message.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions
const house = await openHouse(options.place, {
  port: options.port ?? 0,
  reusePort: options.reusePort ?? false,
  log: openLog({ level: 'info' }),
})
const stores = { site: house.site.store, manufacturer: house.maker.store }

async function answer({ ask }: Question): Promise<Answer> {
  switch (ask.type) {
    case 'furnish':
      return writeUpbringing(await furnish(house, ask.batch, ask.count))
    case 'usage':
      return process.cpuUsage()
    case 'floor': {
      const { floorOf } = await import('../../bench/floor.ts')
      return floorOf(ask.operations, ask.rounds)
    }
    case 'checkpoint':
      return { site: await stores.site.checkpoint(), manufacturer: await stores.manufacturer.checkpoint() }
    case 'verify':
      return verify(ask.anchors)
    case 'records':
      return Promise.all(ask.devices.map(recordsOf))
    case 'profile':
      await (ask.to === undefined ? startProfile() : stopProfile(ask.to))
      return null
    case 'close':
      await house.close()
      return null
  }
}

let profiler: Session | undefined

async function startProfile(): Promise<void> {
  profiler = new Session()
  profiler.connect()
  await profiler.post('Profiler.enable')
  await profiler.post('Profiler.setSamplingInterval', { interval: 200 })
  await profiler.post('Profiler.start')
}

async function stopProfile(file: string): Promise<void> {
  const profile = await profiler?.post('Profiler.stop')
  writeFileSync(file, JSON.stringify(profile?.profile))
  profiler?.disconnect()
}

async function verify(anchors: Partial<Anchors>): Promise<Verdicts> {
  const check = (store: Store, anchor: Checkpoint | undefined) => store.verify(anchor)
  return {
    site: await check(stores.site, anchors.site),
    manufacturer: await check(stores.manufacturer, anchors.manufacturer),
  }
}

async function recordsOf({
  device,
  serial,
}: {
  readonly device: string
  readonly serial: string
}): Promise<UnitRecords> {
  const site = await stores.site.read(async tables => ({
    device: await tables.device.get(device),
    vouchers: await tables.voucher.find({ device }),
    credentials: await tables.credential.find({ device }),
  }))
  const events = (await stores.site.history(streamName('device', device))).map(({ kind }) => kind)
  const logged = await stores.manufacturer.read(tables => tables.issuedVoucher.find({ serial }))
  return { ...site, events, logged }
}

process.on('message', (question: Question) => {
  answer(question).then(
    value => {
      process.send?.({ id: question.id, answer: value })
      if (question.ask.type === ('close' satisfies Order['type'])) process.disconnect()
    },
    (error: unknown) => process.send?.({ id: question.id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({
  ready: house.site.port,
  registrar: Buffer.from(house.site.authority.registrar.certificate.der).toString('base64'),
})
