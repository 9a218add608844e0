import { deviceId } from '../../../domain/device.ts'
import { brskiPath } from '../../../protocol/brski/endpoint.ts'
import { askVoucher, codeIn, voucherRequest } from '../by-hand.ts'
import { equal, hold } from '../demonstration.ts'
import { journey, type VirtualDevice } from '../device.ts'
import { copyOf, forgedHierarchy, strangersIdentity } from '../impostor.ts'
import { cardOf, type Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { onDevice, strangerRefused } from './event.ts'
import { refusedAsStranger } from './factory.ts'

/** S1.C1: who is it? */
export const authenticationScene: Scene = [
  {
    capability: 'S1.C1',
    name: 'genuine-device',
    polarity: 'positive',
    title: 'A genuine device proves over TLS and by its signature who it is',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      const { connectedTo } = await journey(device, [lab.home.origin])
      equal(connectedTo, lab.home.origin, 'the network of the device')
      return {
        seen: 'Heard, and its identity proven by IDevID path and possession of the key.',
        events: [
          ...(await ledger.find('the device was heard', onDevice(device, 'device-heard'))),
          ...(await ledger.find('its identity was proven', onDevice(device, 'identity-proven'))),
        ],
      }
    },
  },
  {
    capability: 'S1.C1',
    name: 'cloned-identifier',
    polarity: 'negative',
    title: 'A copy of the name and serial number of a device, under a hierarchy of its own, is a forgery',
    async run(lab) {
      const device = await lab.buy(lab.makers[1], lab.home)
      const clone = await strangersIdentity(spki => forgedHierarchy(device, spki))
      return refusedAsStranger(lab, clone, device.serial, 'idevid-forged')
    },
  },
  {
    capability: 'S1.C1',
    name: 'wrong-key',
    polarity: 'negative',
    title: "A second birth certificate for a serial number, signed by the maker's own CA for another key, is a clone",
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(lab.home)
      const device = await lab.buy(maker, lab.home)
      const ca = maker.site.manufacturer.idevid
      const { idevid } = device.pledge.birth
      const clone = await strangersIdentity(async spki => [await copyOf(idevid, spki, ca), ca.certificate])
      const connection = await clone.connect(lab.home.origin)
      const reply = await askVoucher(connection, await voucherRequest(clone.identity, connection, device.serial))
      connection.close()
      equal(codeIn(reply), 'device-identity-cloned', 'the answer of the registrar')
      const refused = onDevice(device, 'admission-decided', ({ code }) => code === 'device-identity-cloned')
      const events = await ledger.find('the clone was refused', refused)
      await ledger.lack('an identity was proven', onDevice(device, 'identity-proven'))
      return { seen: 'The manifest names another key for this serial number; refused as a clone.', events }
    },
  },
  {
    capability: 'S1.C1',
    name: 'replay-by-another-device',
    polarity: 'negative',
    title: 'A request that was recorded from one device is worth nothing on the connection of another',
    async run(lab) {
      const [first, second] = [await lab.buy(lab.makers[0], lab.home), await lab.buy(lab.makers[0], lab.home)]
      await journey(first, [lab.home.origin])
      const ledger = await follow(lab.home)
      const connection = await second.connect(lab.home.origin)
      const reply = await askVoucher(connection, sentRequest(first))
      connection.close()
      equal(codeIn(reply), 'signer-not-tls-client', 'the answer of the registrar')
      await ledger.lack('the second device was heard', onDevice(second, 'device-heard'))
      const events = await ledger.find('the replay was refused', strangerRefused('signer-not-tls-client'))
      return { seen: 'The signer of the request is not who opened the connection.', events }
    },
  },
  {
    capability: 'S1.C1',
    name: 'replay-without-key',
    polarity: 'negative',
    title: 'A request that was recorded from a device is worth nothing to somebody without its key',
    async run(lab) {
      const device = await lab.buy(lab.makers[1], lab.home)
      await journey(device, [lab.home.origin])
      const ledger = await follow(lab.home)
      const nobody = await strangersIdentity(() => [])
      const connection = await nobody.connect(lab.home.origin)
      const reply = await askVoucher(connection, sentRequest(device))
      connection.close()
      equal(codeIn(reply), 'idevid-missing', 'the answer of the registrar')
      const events = await ledger.find('the replay was refused', strangerRefused('idevid-missing'))
      return { seen: 'No key, no client certificate, no answer.', events }
    },
  },
]

/** The voucher request that a device sent, byte for byte. */
export function sentRequest({ exchanges }: VirtualDevice): Uint8Array {
  const [body, ...more] = exchanges.flatMap(({ request }) =>
    request.path === brskiPath.requestVoucher && request.body !== undefined ? [request.body] : [],
  )
  hold(body !== undefined, 'the device sent a voucher request')
  hold(
    more.every(other => Buffer.compare(other, body) === 0),
    'the device sent one request only, if more than once',
  )
  return body
}

/** S1.C2: is it wanted? */
export const admissionScene: Scene = [
  {
    capability: 'S1.C2',
    name: 'expected-device',
    polarity: 'positive',
    title: 'A device on a manifest of the site is admitted, and the reasons stand in its record',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const admitted = onDevice(device, 'admission-decided', ({ verdict }) => verdict === 'admit')
      return {
        seen: 'Admitted: expected, and owned by the owner of the site.',
        events: await ledger.find('admitted', admitted),
      }
    },
  },
  {
    capability: 'S1.C2',
    name: 'approved-by-a-person',
    polarity: 'positive',
    title: 'A device that waits is admitted when a person approves it',
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(lab.home)
      const device = await lab.make(maker)
      await lab.sell(maker, [device], cardOf(lab.home))
      hold((await journey(device, [lab.home.origin])).waiting.has(lab.home.origin), 'the device is told to wait')
      await lab.home.site.approval.grant(idOf(device), 'playbook')
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      sentRequest(device)
      const granted = onDevice(device, 'admission-granted')
      const admitted = onDevice(device, 'admission-decided', ({ verdict }) => verdict === 'admit')
      return {
        seen: 'The same request, sent again after the approval, was answered with a voucher.',
        events: [...(await ledger.find('a person granted it', granted)), ...(await ledger.find('admitted', admitted))],
      }
    },
  },
  {
    capability: 'S1.C2',
    name: 'unlisted-device',
    polarity: 'negative',
    title: 'A genuine device that nobody expects is held, and gets nothing',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.make(lab.makers[1])
      const { waiting, rung } = await journey(device, [lab.home.origin])
      hold(waiting.has(lab.home.origin), 'the device is told to wait')
      equal(rung, 'heard', 'what the device reached')
      await ledger.lack('a voucher was obtained', onDevice(device, 'voucher-obtained'))
      const held = onDevice(device, 'admission-decided', ({ code }) => code === 'device-unexpected')
      return {
        seen: 'Authenticated, and told to come back; no MASA was asked.',
        events: await ledger.find('held', held),
      }
    },
  },
  {
    capability: 'S1.C2',
    name: 'denied-device',
    polarity: 'negative',
    title: 'A device that a person turned away stays away',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.make(lab.makers[1])
      await journey(device, [lab.home.origin])
      await lab.home.site.approval.deny(idOf(device), 'playbook')
      const { refusals } = await journey(device, [lab.home.origin])
      equal(refusals.get(lab.home.origin), 'registrar-refused', 'what the device makes of it')
      const denied = onDevice(device, 'admission-decided', ({ code }) => code === 'device-denied')
      return { seen: 'Refused with device-denied.', events: await ledger.find('denied', denied) }
    },
  },
]

function idOf({ maker, serial }: VirtualDevice): string {
  return deviceId(maker.name, serial)
}
