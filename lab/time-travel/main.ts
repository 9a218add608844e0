/**
 * npm run time-travel -- [--years 30] [--devices 12] [--json]: a site, its devices and its manufacturer through the years, with
 * real keys and messages, while nobody looks after them. Devices are switched off for up to two years, by chance. Exit 0 only
 * when every device that has power and its right is let in at the end of each year, and nothing that has ended opens anything.
 */
import { parseArgs } from 'node:util'
import { clocked, clockless, day, start, TimeMachine, type Traveller, year } from '../../test/time-travel/world.ts'

const { values } = parseArgs({
  options: {
    years: { type: 'string', default: '30' },
    devices: { type: 'string', default: '12' },
    json: { type: 'boolean', default: false },
  },
})
const years = Number(values.years)
const devices = Number(values.devices)
if (!Number.isSafeInteger(years) || years < 1 || !Number.isSafeInteger(devices) || devices < 1) {
  console.error('usage: time-travel [--years N] [--devices N] [--json]')
  process.exit(2)
}

const began = Date.now()
const machine = await TimeMachine.open()
const lockedOut: string[] = []
const outlived: string[] = []
let spent = 0

/** What a device with power holds has to open the door, two days after it was switched on. */
async function look(device: Traveller, since: number): Promise<void> {
  if (!device.isOn || machine.now - since < 2 * day) return
  const credential = await device.credential()
  const status = credential === undefined ? 0 : await machine.presence(credential)
  if (status !== 200) lockedOut.push(`${device.serial} ${new Date(machine.now).toISOString()} (${status})`)
}

try {
  const onSince = new Map<Traveller, number>()
  for (let n = 0; n < devices; n++) {
    const device = await machine.buy(n % 2 === 0 ? clocked : clockless)
    await device.switchOn()
    onSince.set(device, start)
  }
  const [withdrawn] = machine.devices
  for (let past = 1; past <= years; past++) {
    await machine.until(start + past * year)
    for (const device of machine.devices)
      if (device !== withdrawn || past < 3) await look(device, onSince.get(device) ?? 0)
    if (past === 2 && withdrawn !== undefined && devices > 1) {
      await machine.withdraw(withdrawn)
      await withdrawn.switchOff()
    }
    for (const device of machine.devices.slice(1)) {
      const chance = Math.random()
      if (device.isOn && chance < 0.15) await device.switchOff()
      else if (!device.isOn && chance < 0.5) {
        await device.switchOn()
        onSince.set(device, machine.now)
      }
    }
    if (!values.json) console.error(`${past} years, ${Math.round((Date.now() - began) / 1000)} s`)
  }
  for (const record of await machine.everyCredential()) {
    const { certificate, status, notAfter } = record
    if (certificate === undefined || (status === 'issued' && machine.now <= notAfter)) continue
    spent++
    const answer = await machine.presence(Buffer.from(certificate, 'base64'))
    if (answer < 400) outlived.push(`${record.serialHex} ${status}`)
  }
  const { roots, generations } = machine.authority
  const report = {
    years,
    devices,
    seconds: Math.round((Date.now() - began) / 1000),
    credentials: (await machine.everyCredential()).length,
    spent,
    roots: roots.length,
    issuingAuthorities: generations.length,
    renewed: machine.devices.reduce((sum, device) => sum + device.count('renewed'), 0),
    startedOver: machine.devices.reduce((sum, device) => sum + device.count('expired') + device.count('disowned'), 0),
    lockedOut,
    outlived,
    integrity: (await machine.site.verify()).integrity,
  }
  console.log(values.json ? JSON.stringify(report) : report)
  process.exitCode = lockedOut.length + outlived.length === 0 && report.integrity === 'pass' ? 0 : 1
} finally {
  await machine.close()
}
