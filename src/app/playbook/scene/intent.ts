import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../../codec/x509/extension.ts'
import { equal, hold } from '../demonstration.ts'
import { journey } from '../device.ts'
import { forgedHierarchy, strangersIdentity, tapWire } from '../impostor.ts'
import type { Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { occursIn } from '../secret-search.ts'
import { onDevice } from './event.ts'
import { refusedAsStranger } from './factory.ts'

/** S5.C5: what there is of it. */
export const intentScene: Scene = [
  {
    capability: 'S5.C5',
    name: 'mud-url-in-the-birth-certificate',
    polarity: 'positive',
    title: 'The MUD URL comes within the birth certificate over TLS 1.3, where the cable does not show it',
    async run(lab) {
      const ledger = await follow(lab.home)
      const [, maker] = lab.makers
      const { mudUrl } = maker.model
      hold(mudUrl !== undefined, 'the model has a MUD URL')
      const device = await lab.buy(maker, lab.home)
      const tap = await tapWire(lab, lab.home.site)
      equal((await journey(device, [tap.origin])).connectedTo, tap.origin, 'the network of the device')
      hold(!occursIn(tap.recorded(), Buffer.from(mudUrl)), 'the URL is not in the recording')
      const proven = onDevice(device, 'identity-proven', body => body['mudUrl'] === mudUrl)
      return { seen: `${mudUrl}, signed by the maker.`, events: await ledger.find('the URL is on record', proven) }
    },
  },
  {
    capability: 'S5.C5',
    name: 'altered-mud-url',
    polarity: 'negative',
    title: 'A birth certificate with another MUD URL in it is a forgery',
    async run(lab) {
      const device = await lab.buy(lab.makers[1], lab.home)
      const other = makeExtension(extensionKinds.mudUrl, 'https://mud.example/anything-goes.json')
      const forger = await strangersIdentity(spki => forgedHierarchy(device, spki, [other]))
      const shown = forger.identity.certificates[0]?.der ?? new Uint8Array()
      equal(decodeCertificate(shown).mudUrl, 'https://mud.example/anything-goes.json', 'the URL of the forgery')
      return refusedAsStranger(lab, forger, device.serial, 'idevid-forged')
    },
  },
]
