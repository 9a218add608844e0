import { randomBytes } from 'node:crypto'
import { enrolleeTransport } from '../../../adapter/network/dpp-connection.ts'
import { listenDpp } from '../../../adapter/network/dpp-listener.ts'
import { deviceId } from '../../../domain/device.ts'
import type { StoredEvent } from '../../../domain/event.ts'
import { counterfeit } from '../../../role/device/dishonest-enrollee.ts'
import type { StoredNetworks } from '../../../role/device/enrollee-memory.ts'
import { createEvilConfigurator } from '../../../role/device/evil-configurator.ts'
import { equal, hold } from '../demonstration.ts'
import type { Lab, Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { host } from '../party.ts'
import { occursIn } from '../secret-search.ts'
import { addressOf, codeOf, enrolleeOf, join, tapController, until, type WifiDevice, withWifi } from '../wifi-device.ts'
import { onDevice, strangerRefused } from './event.ts'

export const homeSsid = 'harbour-lamps'

/** A device of the home network, with the home's wireless network in place. */
export async function homeDevice(
  lab: Lab,
  maker: 0 | 1 = 0,
  terms: Parameters<typeof enrolleeOf>[2] = {},
): Promise<WifiDevice> {
  await withWifi(lab.home, homeSsid)
  return enrolleeOf(await lab.buy(lab.makers[maker], lab.home, { radio: true }), lab, terms)
}

export function ssidOf(networks: StoredNetworks | undefined): string {
  const [network] = networks?.networks ?? []
  hold(network !== undefined, 'the device was given a network')
  return Buffer.from(network.ssid).toString()
}

const evidence = (step: string, result: string) => (body: StoredEvent['body']) =>
  Array.isArray(body['items']) &&
  body['items'].some(
    item => JSON.stringify(item).includes(`"step":"${step}"`) && JSON.stringify(item).includes(`"result":"${result}"`),
  )

/** S1.C1 and S1.C2: who is it, and is it wanted? */
export const wifiAdmissionScene: Scene = [
  {
    capability: 'S1.C1',
    name: 'genuine-device',
    polarity: 'positive',
    title: 'A genuine device proves that it has the bootstrapping key of its label',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      equal(ssidOf((await join(device, lab.home)).networks), homeSsid, 'the network of the device')
      const proven = onDevice(device.device, 'bootstrapping-key-proven')
      return {
        seen: 'Its key is on record, and it has shown the private half.',
        events: await ledger.find('proven', proven),
      }
    },
  },
  {
    capability: 'S1.C1',
    name: 'photographed-code',
    polarity: 'negative',
    title: 'Who has photographed the code of a device is not the device, whoever begins',
    async run(lab) {
      const ledger = await follow(lab.home)
      const { device, enrollee } = await homeDevice(lab)
      const { uri } = enrollee.bootstrapping
      const transport = enrolleeTransport()
      const options = { photographed: uri, transport, random: randomBytes, timeoutMs: 3000 }
      const configurator = await codeOf(lab.home)
      for (const trick of [{ kind: 'forged-response' }, { kind: 'forged-confirm', configurator }] as const) {
        equal(await counterfeit(addressOf(lab.home), trick, options), 'dropped', `the end of a ${trick.kind}`)
      }
      await ledger.lack('the key was proven', onDevice(device, 'bootstrapping-key-proven'))
      const events = await ledger.find('the forgeries were refused', strangerRefused('dpp-authentication-failed'))
      return { seen: 'Dropped without an answer, and written down.', events }
    },
  },
  {
    capability: 'S1.C2',
    name: 'expected-device',
    polarity: 'positive',
    title: 'A device on the manifest of a purchase is admitted',
    async run(lab) {
      const ledger = await follow(lab.home)
      const { device, enrollee } = await homeDevice(lab, 1)
      await join({ device, enrollee }, lab.home)
      const admitted = onDevice(device, 'admission-decided', ({ verdict }) => verdict === 'admit')
      return { seen: 'By the same policies as every other device.', events: await ledger.find('admitted', admitted) }
    },
  },
  {
    capability: 'S1.C2',
    name: 'denied-device',
    polarity: 'negative',
    title: 'A device that a person has denied gets no answer and no network',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      const { maker, serial } = device.device
      await lab.home.site.approval.deny(deviceId(maker.name, serial), 'playbook')
      hold((await join(device, lab.home)).networks === undefined, 'nothing: what the device was given')
      await ledger.lack('a credential was planned', onDevice(device.device, 'credential-planned'))
      const refused = onDevice(device.device, 'admission-decided', ({ code }) => code === 'device-denied')
      return { seen: 'A refusal would be its last word; it gets none.', events: await ledger.find('refused', refused) }
    },
  },
]

/** S1.C3 and S1.C4: which network is it, and may it? One-way neither is shown, and the record says so. */
export const wifiNetworkScene: Scene = [
  {
    capability: 'S1.C3',
    name: 'mutual-authentication',
    polarity: 'positive',
    title: 'A device that was shown the code of its network knows that it talks to that one',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      equal(ssidOf((await join(device, lab.home, { mutual: true })).networks), homeSsid, 'the network of the device')
      const shown = onDevice(device.device, 'evidence-recorded', evidence('network-authenticated', 'pass'))
      return { seen: 'Authentication was mutual.', events: await ledger.find('network authenticated', shown) }
    },
  },
  {
    capability: 'S1.C3',
    name: 'evil-twin',
    polarity: 'negative',
    title: 'A Configurator without the key of that code gets nowhere, though it knows the code of the device',
    async run(lab) {
      const device = await homeDevice(lab, 0, { ownership: 'anybody' })
      const evil = await evilTwin(lab, [device])
      const journey = await join(device, lab.home, { mutual: true, address: evil.address })
      hold(journey.networks === undefined, 'nothing: what the device took from the twin')
      const ledger = await follow(lab.home)
      equal(ssidOf((await join(device, lab.home, { mutual: true })).networks), homeSsid, 'where it went then')
      hold(
        evil.deeds.every(({ kind }) => kind !== 'believed'),
        'no device believed the twin',
      )
      const came = onDevice(device.device, 'credential-issued')
      return {
        seen: `It was asked in vain (${journey.refusal}).`,
        events: await ledger.find('its own network took it', came),
      }
    },
  },
  {
    capability: 'S1.C3',
    name: 'one-way-is-implicit',
    polarity: 'negative',
    title: 'One-way authentication is never written down as a pass: a photograph of the code would have been enough',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      await join(device, lab.home)
      await ledger.lack(
        'a pass',
        onDevice(device.device, 'evidence-recorded', evidence('network-authenticated', 'pass')),
      )
      const implicit = onDevice(device.device, 'evidence-recorded', evidence('network-authenticated', 'implicit'))
      return {
        seen: 'The evidence says implicit.',
        events: await ledger.find('network authentication is implicit', implicit),
      }
    },
  },
  {
    capability: 'S1.C4',
    name: 'declaration-of-the-maker',
    polarity: 'positive',
    title: 'The configuration carries what the maker signed: whose the device is; the device checks it',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      equal(ssidOf((await join(device, lab.home, { mutual: true })).networks), homeSsid, 'the network of the device')
      const accepted = onDevice(device.device, 'evidence-recorded', evidence('declaration-sent', 'pass'))
      return {
        seen: 'A device that takes nobody else took it.',
        events: await ledger.find('declaration accepted', accepted),
      }
    },
  },
  {
    capability: 'S1.C4',
    name: 'network-of-somebody-else',
    polarity: 'negative',
    title: 'A network that has the code of the device and no right to it is turned down by the device',
    async run(lab) {
      const other = await lab.openNetwork({
        name: `neighbour-${randomBytes(3).toString('hex')}`,
        network: 'neighbour',
        owner: 'neighbour',
      })
      await withWifi(other, 'neighbour')
      const ledger = await follow(other)
      const device = await homeDevice(lab)
      await other.site.configurator.bootstrapping.add(
        { uri: device.enrollee.bootstrapping.text },
        'somebody with a camera',
      )
      const journey = await join(device, other)
      hold(journey.networks === undefined, 'nothing: what the device took')
      equal(journey.refusal, 'declaration-missing', 'why not')
      const rejected = (event: StoredEvent) =>
        event.kind === 'onboarding-refused' && event.body['code'] === 'dpp-configuration-rejected'
      return { seen: 'The device said so, and kept nothing.', events: await ledger.find('it was rejected', rejected) }
    },
  },
]

async function evilTwin(lab: Lab, devices: readonly WifiDevice[]) {
  const photographed = devices.map(({ enrollee }) => enrollee.bootstrapping.uri)
  const { service, deeds } = createEvilConfigurator({ random: randomBytes, photographed, ssid: homeSsid })
  const listener = await listenDpp({ host, port: 0, service, log: lab.log })
  lab.keep(() => listener.close())
  return { address: `${host}:${listener.port}`, deeds }
}

/** S1.C5, S1.C7 and S1.C8. */
export const wifiCredentialScene: Scene = [
  {
    capability: 'S1.C5',
    name: 'own-key-own-secret',
    polarity: 'positive',
    title: 'Each device gets a Connector for a key that it made, and a secret that no other device has',
    async run(lab) {
      const ledger = await follow(lab.home)
      const [first, second] = [await homeDevice(lab), await homeDevice(lab)]
      const given = [await join(first, lab.home), await join(second, lab.home)]
      const secrets = given.map(({ networks }) => networks?.networks[0]?.cred.pass?.revealText() ?? '')
      hold(secrets.every(secret => secret.length === 32) && secrets[0] !== secrets[1], 'two secrets')
      const issued = [first, second].map(({ device }) => onDevice(device, 'credential-issued'))
      return {
        seen: 'Two keys, two secrets.',
        events: await ledger.find('issued', event => issued.some(fits => fits(event))),
      }
    },
  },
  {
    capability: 'S1.C5',
    name: 'nothing-on-the-wire',
    polarity: 'negative',
    title: 'What goes over the wire, and what lies in the record, shows no secret',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab)
      const tap = await tapController(lab, lab.home)
      const { networks } = await join(device, lab.home, { address: tap.address })
      const secret = networks?.networks[0]?.cred.pass?.reveal()
      hold(secret !== undefined, 'the device has a secret')
      hold(tap.recorded().length > 500 && !occursIn(tap.recorded(), secret), 'the secret is not in the recording')
      const record = await lab.home.store.history(`device/${deviceId(device.device.maker.name, device.device.serial)}`)
      hold(!occursIn(Buffer.from(JSON.stringify(record)), secret), 'nor in the ledger')
      const events = await ledger.find('it was given', onDevice(device.device, 'network-access-granted'))
      return { seen: `${tap.recorded().length} octets searched in every spelling.`, events }
    },
  },
  {
    capability: 'S1.C7',
    name: 'told-which-network',
    polarity: 'positive',
    title: 'The device is told the SSID, and the record which network and segment it is for',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab, 1)
      equal(ssidOf((await join(device, lab.home)).networks), homeSsid, 'the SSID that the device was told')
      const granted = onDevice(device.device, 'network-access-granted', ({ segment }) => segment === 'devices')
      return { seen: `${homeSsid}, segment devices.`, events: await ledger.find('the network is on record', granted) }
    },
  },
  {
    capability: 'S1.C7',
    name: 'decoy-network',
    polarity: 'negative',
    title: 'A decoy that answers first with the same SSID is left alone, and the right one found',
    async run(lab) {
      const device = await homeDevice(lab)
      const evil = await evilTwin(lab, [device])
      hold(
        (await join(device, lab.home, { address: evil.address })).networks === undefined,
        'nothing: what the decoy gave',
      )
      await until(() => evil.deeds.some(({ kind }) => kind === 'turned-down'))
      const ledger = await follow(lab.home)
      equal(ssidOf((await join(device, lab.home)).networks), homeSsid, 'where it went then')
      const events = await ledger.find('the right one', onDevice(device.device, 'credential-issued'))
      return { seen: 'What the maker signed told them apart.', events }
    },
  },
  {
    capability: 'S1.C8',
    name: 'two-models-two-makers',
    polarity: 'positive',
    title: 'Two models of two makers are onboarded by one Controller, beside BRSKI',
    async run(lab) {
      const ledger = await follow(lab.home)
      const both = [await homeDevice(lab, 0), await homeDevice(lab, 1)]
      for (const device of both) equal(ssidOf((await join(device, lab.home)).networks), homeSsid, 'the network')
      const events = await ledger.find('both have credentials', event =>
        both.some(({ device }) => onDevice(device, 'credential-issued')(event)),
      )
      return {
        seen: both.map(({ device }) => `${device.maker.model.manufacturer} ${device.maker.model.name}`).join(', '),
        events,
      }
    },
  },
  {
    capability: 'S1.C8',
    name: 'old-device',
    polarity: 'negative',
    title: 'A device of version 1 that cannot be told an enterprise network is refused, with the reason',
    async run(lab) {
      const office = await enterpriseNetwork(lab)
      const ledger = await follow(office)
      const device = await enrolleeOf(await lab.buy(lab.makers[0], office, { radio: true }), lab, { version: 1 })
      hold((await join(device, office)).networks === undefined, 'nothing: what the device was given')
      const refused = onDevice(device.device, 'onboarding-refused', ({ code }) => code === 'network-version-old')
      return { seen: 'Refused before anything was signed.', events: await ledger.find('the reason', refused) }
    },
  },
]

/** A network with certificates for its devices. */
export async function enterpriseNetwork(lab: Lab) {
  const name = `office-${randomBytes(3).toString('hex')}`
  const office = await lab.openNetwork({ name, network: 'office', owner: 'office' })
  await withWifi(office, 'office', 'dot1x', 'radius.office.example')
  return office
}
