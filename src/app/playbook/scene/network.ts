import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { attributeValues } from '../../../codec/x509/name.ts'
import { domainIds } from '../../../domain/ownership.ts'
import { openVoucherArtifact } from '../../../protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath } from '../../../protocol/brski/endpoint.ts'
import { expectDevice } from '../../../role/supply-chain/import.ts'
import { equal, hold } from '../demonstration.ts'
import { journey, type VirtualDevice } from '../device.ts'
import { openSilence, openStranger, openThief, openTwin } from '../impostor.ts'
import { cardOf, type Lab, type Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { noncelessVoucher } from '../nonceless.ts'
import type { Network } from '../party.ts'
import { onDevice, voucherLogged } from './event.ts'

/** S1.C3: which network is this? */
export const networkScene: Scene = [
  {
    capability: 'S1.C3',
    name: 'pinned-registrar',
    polarity: 'positive',
    title: 'The device knows the registrar by the certificate that a voucher of its maker pins, and says so',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const pin = openVoucherArtifact(voucherOf(device), { kind: 'voucher' }).value['pinned-domain-cert']
      const { issuing } = lab.home.site.authority
      hold(
        pin !== undefined && Buffer.compare(pin, issuing.certificate.der) === 0,
        'the voucher pins the CA of the site',
      )
      const accepted = onDevice(device, 'voucher-status-reported', body => body['accepted'] === true)
      const seen = 'Voucher verified to the anchor that the factory put in; TLS chain verified to its pin.'
      return { seen, events: await ledger.find('the device accepted the voucher', accepted) }
    },
  },
  {
    capability: 'S1.C3',
    name: 'evil-twin',
    polarity: 'negative',
    title: 'A network of the same name, in the name of the same owner, with vouchers that it made itself, is refused',
    async run(lab) {
      const twin = await openTwin(lab, 'evil-twin')
      equal(twin.site.network, lab.home.site.network, 'the name of the twin')
      const device = await lab.buy(lab.makers[0], lab.home)
      await expectDevice(twin.store, { manufacturer: device.maker.name, serial: device.serial }, 'playbook')
      const [atTwin, atHome] = [await follow(twin), await follow(lab.home)]
      const { refusals, connectedTo } = await journey(device, [twin.origin, lab.home.origin])
      equal(refusals.get(twin.origin), 'voucher-invalid', 'what the device says of the twin')
      equal(connectedTo, lab.home.origin, 'the network of the device')
      await atTwin.lack('a credential was issued', onDevice(device, 'credential-issued'))
      const rejected = onDevice(device, 'voucher-status-reported', body => body['accepted'] === false)
      return {
        seen: 'The device refused the forged voucher, told the twin so, and went on to its own network.',
        events: [
          ...(await atTwin.find('the device refused its voucher', rejected)),
          ...(await atHome.find('the device connected', onDevice(device, 'device-connected'))),
        ],
      }
    },
  },
  {
    capability: 'S1.C3',
    name: 'stolen-voucher',
    polarity: 'negative',
    title: 'A genuine voucher of an earlier day, played back by an impostor, is refused for its nonce',
    async run(lab) {
      const device = await lab.buy(lab.makers[0], lab.home)
      await journey(device, [lab.home.origin])
      const stolen = voucherOf(device)
      await device.pledge.factoryReset()
      return refusedThief(lab, device, stolen, 'voucher-invalid', 'The nonce is not that of the request.')
    },
  },
  {
    capability: 'S1.C3',
    name: 'stolen-nonceless-voucher',
    polarity: 'negative',
    title: 'A genuine voucher that has no nonce does not help an impostor who is not the network that it pins',
    async run(lab) {
      const device = await lab.buy(lab.makers[1], lab.home)
      const stolen = await noncelessVoucher(lab.home, device)
      return refusedThief(lab, device, stolen, 'network-not-authorized', 'TLS chain and pin do not fit.')
    },
  },
]

/** The device refuses an impostor with this voucher, and is none the worse for it. */
async function refusedThief(lab: Lab, device: VirtualDevice, stolen: Uint8Array, code: string, why: string) {
  const ledger = await follow(lab.home)
  const headers = { 'content-type': brskiMediaType['voucher-cms+json'] }
  const thief = await openThief(lab, () => ({ status: 200, headers, body: stolen }))
  const { refusals, connectedTo } = await journey(device, [thief, lab.home.origin])
  equal(refusals.get(thief), code, 'what the device says of the impostor')
  equal(connectedTo, lab.home.origin, 'the network of the device')
  const vouchers = await (await follow(device.maker, {})).find('vouchers were given', voucherLogged(device.serial))
  equal(vouchers.length, 2, "the vouchers in the maker's log: the stolen one and the one that the device took")
  const connected = await ledger.find('the device connected at home', onDevice(device, 'device-connected'))
  const seen = `${why} Refused with ${code}; the device went on to its own network.`
  return { seen, events: [...vouchers, ...connected] }
}

function voucherOf({ exchanges }: VirtualDevice): Uint8Array {
  const found = exchanges.find(
    ({ request, reply }) => request.path === brskiPath.requestVoucher && reply.status === 200,
  )
  hold(found !== undefined, 'the device got a voucher')
  return found.reply.body
}

/** S1.C4: may it have me? */
export const ownershipScene: Scene = [
  {
    capability: 'S1.C4',
    name: 'network-of-the-owner',
    polarity: 'positive',
    title: "The MASA gives a voucher to the network whose keys the device's declaration names, and logs it",
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(maker)
      const device = await lab.buy(maker, lab.home)
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const domain = domainIds(lab.home.site.authority.issuing.certificate)
      const ours = voucherLogged(device.serial, body => domain.some(id => id === body['domain']))
      const seen = 'Logged at the MASA with the domain of the owner, by proximity.'
      return { seen, events: await ledger.find('a voucher for the domain of the owner', ours) }
    },
  },
  {
    capability: 'S1.C4',
    name: 'authorized-onboarder',
    polarity: 'positive',
    title: 'A network that the owner authorized in the declaration may onboard the device in its place',
    async run(lab) {
      const [, maker] = lab.makers
      const installer = await lab.openNetwork({ name: 'installer', network: 'installer', owner: 'installer' })
      const device = await lab.make(maker)
      await lab.sell(maker, [device], cardOf(lab.home), [cardOf(installer)])
      await expectDevice(installer.store, { manufacturer: maker.name, serial: device.serial }, 'playbook')
      const [atMaker, atInstaller] = [await follow(maker), await follow(installer)]
      equal((await journey(device, [installer.origin])).connectedTo, installer.origin, 'the network of the device')
      return {
        seen: 'Not the owner, and named by the owner: voucher given, device connected.',
        events: [
          ...(await atMaker.find('a voucher was given', voucherLogged(device.serial))),
          ...(await atInstaller.find('the device connected', onDevice(device, 'device-connected'))),
        ],
      }
    },
  },
  {
    capability: 'S1.C4',
    name: 'neighbour',
    polarity: 'negative',
    title: 'An honest network that does not own the device cannot take it, though it wants it',
    async run(lab) {
      const device = await lab.buy(lab.makers[0], lab.home)
      const neighbour = await openNeighbour(lab, 'neighbour', device)
      const [atNeighbour, atMaker] = [await follow(neighbour), await follow(device.maker)]
      const { refusals } = await journey(device, [neighbour.origin])
      equal(refusals.get(neighbour.origin), 'registrar-refused', 'what the device makes of the neighbour')
      await atMaker.lack('a voucher was given', voucherLogged(device.serial))
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const refused = onDevice(device, 'onboarding-refused', ({ code }) => code === 'owner-mismatch')
      const seen = 'The MASA refused with owner-mismatch and logged no voucher; the device stayed free for its owner.'
      return { seen, events: await atNeighbour.find('the MASA refused', refused) }
    },
  },
]

/** A network of somebody else that trusts the makers and has put this device on its list. */
async function openNeighbour(lab: Lab, name: string, device: VirtualDevice): Promise<Network> {
  const neighbour = await lab.openNetwork({ name, network: name, owner: name })
  await expectDevice(neighbour.store, { manufacturer: device.maker.name, serial: device.serial }, 'playbook')
  return neighbour
}

/** S1.C7: which one of many? */
export const selectionScene: Scene = [
  {
    capability: 'S1.C7',
    name: 'among-decoys',
    polarity: 'positive',
    title: 'Among a neighbour, an evil twin, a thief, a printer and a silent machine the device joins its network',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      const decoys = await openDecoys(lab, device, 'among')
      const { connectedTo, refusals } = await journey(device, [...decoys, lab.home.origin])
      equal(connectedTo, lab.home.origin, 'the network of the device')
      equal(refusals.size, decoys.length, 'the number of networks that it went past')
      const shown = presenceOf(device)
      equal(shown.network, lab.home.site.network, 'the network that it says it is on')
      const [organization] = attributeValues(await credentialSubject(lab, device), 'organizationName')
      equal(organization, lab.home.site.network, 'the network that its credential names')
      const events = await ledger.find('the device connected', onDevice(device, 'device-connected'))
      return { seen: `Past ${decoys.length} decoys, to the network that its credential names.`, events }
    },
  },
  {
    capability: 'S1.C7',
    name: 'only-decoys',
    polarity: 'negative',
    title: 'Where there are only decoys the device joins none of them',
    async run(lab) {
      const device = await lab.buy(lab.makers[1], lab.home)
      const decoys = await openDecoys(lab, device, 'alone')
      const { connectedTo, refusals, rung } = await journey(device, decoys)
      equal(connectedTo, undefined, 'the network of the device')
      equal(refusals.size, decoys.length, 'the number of networks that refused it or were refused')
      equal(rung, 'heard', 'what the device reached')
      const labels = await device.housing.keys.list()
      equal(labels.join(' '), 'idevid', 'the keys that the device has')
      const events = []
      for (const decoy of lab.ledgers.filter(({ name }) => name.endsWith('-alone'))) {
        const ledger = await follow(decoy, {})
        await ledger.lack('a credential was issued', onDevice(device, 'credential-issued'))
        events.push(...(await ledger.find('the device was heard', onDevice(device, 'device-heard'))))
      }
      return { seen: `${decoys.length} networks tried, each refused; no credential, no new key.`, events }
    },
  },
]

async function openDecoys(lab: Lab, device: VirtualDevice, suffix: string): Promise<readonly string[]> {
  const neighbour = await openNeighbour(lab, `neighbour-${suffix}`, device)
  const twin = await openTwin(lab, `twin-${suffix}`)
  await expectDevice(twin.store, { manufacturer: device.maker.name, serial: device.serial }, 'playbook')
  const headers = { 'content-type': brskiMediaType['voucher-cms+json'] }
  const stolen = await noncelessVoucher(lab.home, device)
  const thief = await openThief(lab, () => ({ status: 200, headers, body: stolen }))
  return [neighbour.origin, twin.origin, thief, await openStranger(lab), await openSilence(lab)]
}

function presenceOf({ exchanges }: VirtualDevice): { readonly network: string } {
  const found = exchanges.findLast(({ request }) => request.path.endsWith('/presence'))
  hold(found?.reply.status === 200, 'the network let the device in')
  return JSON.parse(Buffer.from(found.reply.body).toString('utf8')) as { network: string }
}

async function credentialSubject(lab: Lab, device: VirtualDevice) {
  const serialHex = device.pledge.status().credential?.serialHex ?? ''
  const [record] = await lab.home.store.read(tables => tables.credential.find({ serialHex }))
  hold(record?.certificate !== undefined, 'the site has a record of the credential')
  return decodeCertificate(Buffer.from(record.certificate, 'base64')).subject
}
