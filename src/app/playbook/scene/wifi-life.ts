import { connect } from 'node:net'
import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { deviceId } from '../../../domain/device.ts'
import { OnboardingError } from '../../../domain/error.ts'
import { dppStatus } from '../../../protocol/dpp/attribute.ts'
import { curveProfile } from '../../../protocol/dpp/curve.ts'
import { decodeFrame } from '../../../protocol/dpp/frame.ts'
import { generateDppKey } from '../../../protocol/dpp/key.ts'
import { begin, type State, step } from '../../../protocol/dpp/reconfiguration-enrollee.ts'
import { encodeRecord, RecordSplitter } from '../../../protocol/dpp/record.ts'
import type { StoredNetworks } from '../../../role/device/enrollee-memory.ts'
import { equal, hold, reasonOf } from '../demonstration.ts'
import type { Lab, Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { host } from '../party.ts'
import { occursIn } from '../secret-search.ts'
import { enrolleeOf, join, tapController, type WifiDevice } from '../wifi-device.ts'
import { onDevice, strangerRefused } from './event.ts'
import { enterpriseNetwork, homeDevice, homeSsid, ssidOf } from './wifi-onboarding.ts'

async function joined(lab: Lab): Promise<WifiDevice & { readonly networks: StoredNetworks; readonly id: string }> {
  const device = await homeDevice(lab)
  const { networks } = await join(device, lab.home)
  hold(networks !== undefined, 'the device has a network')
  return { ...device, networks, id: deviceId(device.device.maker.name, device.device.serial) }
}

/** A device shows its Connector to its network, and says whether that is worth anything. */
async function returnsWith(lab: Lab, { networks, netAccessKey }: StoredNetworks): Promise<State['type']> {
  const [network] = networks
  const { signedConnector = '', csign, kid = '', ppKey } = network?.cred.connector ?? {}
  hold(csign !== undefined && ppKey !== undefined, 'the device can ask for reconfiguration')
  const { curve } = netAccessKey
  const first = begin({
    csign: { key: csign, kid },
    ppKey,
    connector: signedConnector,
    netAccessKey,
    identity: generateDppKey(ppKey.curve),
    a: generateDppKey(ppKey.curve),
    protocolKey: generateDppKey(curve),
    nonce: Uint8Array.from({ length: curveProfile(curve).nonceSize }, (_, n) => n),
    version: 3,
    connectionStatus: { result: dppStatus.noAccessPoint },
  })
  let { state } = first
  const socket = connect({ host, port: lab.home.site.dppPort ?? 0, noDelay: true })
  for (const { message } of first.effects) socket.write(encodeRecord(message))
  const splitter = new RecordSplitter()
  for await (const chunk of socket) {
    for (const message of splitter.push(chunk as Buffer)) {
      const next = step(state, { type: 'received', frame: decodeFrame(message) })
      state = next.state
      for (const effect of next.effects) socket.write(encodeRecord(effect.message))
    }
    if (state.type === 'authenticated' || state.type === 'failed') break
  }
  socket.destroy()
  return state.type
}

/** S3: the credential goes, and the device with it, until it is onboarded again. */
export const wifiReOnboardingScene: Scene = [
  {
    capability: 'S3.C1',
    name: 'forgotten-and-revoked',
    polarity: 'positive',
    title: 'The device forgets its networks, and the site ends what it had given it',
    async run(lab) {
      const ledger = await follow(lab.home)
      const lamp = await joined(lab)
      await lamp.enrollee.forget()
      hold((await lamp.enrollee.networks()) === undefined, 'nothing: what the device still has')
      const ended = await lab.home.site.configurator.access.revoke(lamp.id, 'playbook')
      hold(ended.credentials.length === 1, 'the site has ended one credential')
      const events = await ledger.find('it is revoked', onDevice(lamp.device, 'credential-revoked'))
      return { seen: `Connector ${ended.credentials[0]?.id.slice(0, 12)}… is of no use any more.`, events }
    },
  },
  {
    capability: 'S3.C1',
    name: 'nothing-to-delete',
    polarity: 'negative',
    title: 'What is gone cannot be ended again, and nothing else goes with it',
    async run(lab) {
      const [lamp, other] = [await joined(lab), await joined(lab)]
      const { access } = lab.home.site.configurator
      await access.revoke(lamp.id, 'playbook')
      const ledger = await follow(lab.home)
      const again = await access.revoke(lamp.id, 'playbook').then(
        () => 'done',
        (error: unknown) => (error instanceof OnboardingError ? error.code : reasonOf(error)),
      )
      equal(again, 'not-found', 'the answer to a second revocation')
      await ledger.lack('something was revoked', ({ kind }) => kind === 'credential-revoked')
      const kept = await follow(lab.home, {})
      const events = await kept.find('the other device has its own', onDevice(other.device, 'credential-issued'))
      return { seen: 'The other device keeps what it has.', events }
    },
  },
  {
    capability: 'S3.C2',
    name: 'revoked-connector',
    polarity: 'negative',
    title: 'A device whose Connector was revoked gets nothing more by it',
    async run(lab) {
      const lamp = await joined(lab)
      await lab.home.site.configurator.access.revoke(lamp.id, 'playbook')
      const ledger = await follow(lab.home)
      equal(await returnsWith(lab, lamp.networks), 'failed', 'how its return ends')
      await ledger.lack('a credential was issued', onDevice(lamp.device, 'credential-issued'))
      const events = await ledger.find('it was refused', strangerRefused('connector-not-in-force'))
      return {
        seen: 'Refused; access points that do not ask go on until it expires, which only the lab can show.',
        events,
      }
    },
  },
  {
    capability: 'S3.C2',
    name: 'connector-in-force',
    polarity: 'positive',
    title: 'The same device was taken by its Connector before',
    async run(lab) {
      const lamp = await joined(lab)
      equal(await returnsWith(lab, lamp.networks), 'authenticated', 'how its return ends')
      const ledger = await follow(lab.home, {})
      const events = await ledger.find('its Connector is on record', onDevice(lamp.device, 'credential-issued'))
      return { seen: 'It proved the key of its Connector, and may ask for a new configuration.', events }
    },
  },
  {
    capability: 'S3.C3',
    name: 'onboarded-again',
    polarity: 'positive',
    title: 'After the deletion the device is onboarded again by its code, with a new key',
    async run(lab) {
      const lamp = await joined(lab)
      await lab.home.site.configurator.access.revoke(lamp.id, 'playbook')
      await lamp.enrollee.forget()
      const ledger = await follow(lab.home)
      const { networks } = await join(lamp, lab.home)
      equal(ssidOf(networks), homeSsid, 'the network of the device')
      hold(!networks?.netAccessKey.point.equals(lamp.networks.netAccessKey.point), 'the key is another one')
      return {
        seen: 'With another Connector.',
        events: await ledger.find('again', onDevice(lamp.device, 'credential-issued')),
      }
    },
  },
  {
    capability: 'S3.C3',
    name: 'withdrawn-device',
    polarity: 'negative',
    title: 'A device that was denied meanwhile does not come back in, neither by its code nor by its Connector',
    async run(lab) {
      const lamp = await joined(lab)
      await lab.home.site.approval.deny(lamp.id, 'playbook')
      await lamp.enrollee.forget()
      const ledger = await follow(lab.home)
      hold((await join(lamp, lab.home)).networks === undefined, 'nothing: what it was given by its code')
      equal(await returnsWith(lab, lamp.networks), 'failed', 'how its return by Connector ends')
      await ledger.lack('a credential was planned', onDevice(lamp.device, 'credential-planned'))
      const events = await ledger.find(
        'refused',
        ({ kind, body }) => kind !== 'device-heard' && body['code'] === 'device-denied',
      )
      return { seen: 'Both ways are closed.', events }
    },
  },
]

/** S5.C2 and S5.C5. */
export const wifiCertificateScene: Scene = [
  {
    capability: 'S5.C2',
    name: 'certificate-in-the-configuration',
    polarity: 'positive',
    title: 'The device asks for a certificate in the exchange, and gets one of the same CA as by EST',
    async run(lab) {
      const office = await enterpriseNetwork(lab)
      const ledger = await follow(office)
      const device = await enrolleeOf(await lab.buy(lab.makers[0], office, { radio: true }), lab)
      const { networks } = await join(device, office)
      const [bag] = networks?.networks[0]?.cred.entCreds?.certBag ?? []
      hold(bag !== undefined && networks !== undefined, 'the device has a certificate')
      const { spkiDer, issuer } = decodeCertificate(bag)
      const own = networks.netAccessKey.key.export({ type: 'spki', format: 'der' })
      hold(own.equals(spkiDer), 'it is for a key that the device made')
      hold(Buffer.compare(issuer.der, office.site.authority.issuing.certificate.subject.der) === 0, 'of the issuing CA')
      return {
        seen: 'EAP-TLS, leaf first.',
        events: await ledger.find('issued', onDevice(device.device, 'credential-issued')),
      }
    },
  },
  {
    capability: 'S5.C2',
    name: 'no-certificate-for-the-denied',
    polarity: 'negative',
    title: 'No CA signs for a device that is denied while it is on its way',
    async run(lab) {
      const office = await enterpriseNetwork(lab)
      const ledger = await follow(office)
      const device = await enrolleeOf(await lab.buy(lab.makers[1], office, { radio: true }), lab)
      const id = deviceId(device.device.maker.name, device.device.serial)
      const denied = office.store.onCommit(
        events => {
          const admitted = events.some(({ kind, stream }) => kind === 'admission-decided' && stream === `device/${id}`)
          if (admitted) void office.site.approval.deny(id, 'playbook')
        },
        ['device'],
      )
      const { networks } = await join(device, office)
      denied()
      hold(networks === undefined, 'nothing: what the device was given')
      await ledger.lack('a certificate was issued', onDevice(device.device, 'credential-issued'))
      const events = await ledger.find('it was denied', onDevice(device.device, 'admission-denied'))
      return { seen: 'The record is asked again in the moment of the signature.', events }
    },
  },
  {
    capability: 'S5.C5',
    name: 'mud-url-encrypted-and-bound',
    polarity: 'positive',
    title: 'The MUD URL comes in the encrypted request, and is what the maker signed',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab, 1)
      const { mudUrl } = device.device.maker.model
      hold(mudUrl !== undefined, 'the model has a MUD URL')
      const tap = await tapController(lab, lab.home)
      equal(ssidOf((await join(device, lab.home, { address: tap.address })).networks), homeSsid, 'the network')
      hold(!occursIn(tap.recorded(), Buffer.from(mudUrl)), 'the URL is not in the recording')
      const stated = onDevice(device.device, 'intent-stated', body => body['mudUrl'] === mudUrl)
      return { seen: mudUrl, events: await ledger.find('the URL is on record', stated) }
    },
  },
  {
    capability: 'S5.C5',
    name: 'another-mud-url',
    polarity: 'negative',
    title: 'A device that names another MUD URL than its maker signed does not get by with it',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await homeDevice(lab, 1)
      const wrong = await enrolleeOf(
        {
          ...device.device,
          maker: {
            ...device.device.maker,
            model: { ...device.device.maker.model, mudUrl: 'https://mud.example/anything.json' },
          },
        },
        lab,
      )
      await join(wrong, lab.home)
      const told = onDevice(device.device, 'evidence-recorded', body =>
        JSON.stringify(body['items']).includes('mud-url-differs'),
      )
      const events = await ledger.find('the URLs differ', told)
      const known = await lab.home.store.read(tables =>
        tables.device.get(deviceId(device.device.maker.name, device.device.serial)),
      )
      equal(known?.mudUrl, device.device.maker.model.mudUrl, 'the URL that counts')
      return { seen: 'What the maker signed counts, and the difference is on record.', events }
    },
  },
]
