import { encodeName } from '../../../codec/x509/name.ts'
import { equal, hold } from '../demonstration.ts'
import { journey } from '../device.ts'
import { copyOf, namesake, strangersIdentity } from '../impostor.ts'
import type { Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { onDevice } from './event.ts'
import { refusedAsStranger } from './factory.ts'

/** S1.C8: more than one kind of device. */
export const interoperabilityScene: Scene = [
  {
    capability: 'S1.C8',
    name: 'two-makers-two-models',
    polarity: 'positive',
    title: 'One registrar onboards two models of two makers that differ in curve, clock and names',
    async run(lab) {
      const ledger = await follow(lab.home)
      const devices = [await lab.buy(lab.makers[0], lab.home), await lab.buy(lab.makers[1], lab.home)] as const
      const [first, second] = devices.map(({ maker }) => maker.model)
      hold(first !== undefined && second !== undefined, 'two models')
      hold(first.manufacturer !== second.manufacturer && first.name !== second.name, 'the models are two')
      hold(first.curve !== second.curve && first.clockTrusted !== second.clockTrusted, 'the models differ in kind')
      const journeys = await Promise.all(devices.map(device => journey(device, [lab.home.origin])))
      for (const { connectedTo } of journeys) equal(connectedTo, lab.home.origin, 'the network of a device')
      const events = []
      for (const device of devices) {
        events.push(...(await ledger.find('the device connected', onDevice(device, 'device-connected'))))
      }
      const shown = [first, second].map(({ manufacturer, name, curve }) => `${manufacturer} ${name} (${curve})`)
      return { seen: `At the same time: ${shown.join(' and ')}.`, events }
    },
  },
  {
    capability: 'S1.C8',
    name: 'maker-that-nobody-trusts',
    polarity: 'negative',
    title: 'A device of a third maker, whom the site does not trust, is not let in for being of the right form',
    async run(lab) {
      const model = await lab.make(lab.makers[0])
      const root = await namesake(encodeName({ organizationName: 'Gull Instruments', commonName: 'Gull device root' }))
      const third = await strangersIdentity(async spki => [await copyOf(model.pledge.birth.idevid, spki, root)])
      return refusedAsStranger(lab, third, model.serial, 'idevid-untrusted')
    },
  },
]
