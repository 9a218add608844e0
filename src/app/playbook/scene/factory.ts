import { encodeName } from '../../../codec/x509/name.ts'
import { createCsr } from '../../../crypto/csr.ts'
import { generateKey } from '../../../crypto/key.ts'
import { validatePath } from '../../../crypto/path.ts'
import { keySigner } from '../../../crypto/signer.ts'
import type { ErrorCode } from '../../../domain/error.ts'
import { OnboardingError } from '../../../domain/error.ts'
import { checkIdevid } from '../../../role/factory/check.ts'
import { decodeLabelText, labelText } from '../../../role/factory/label.ts'
import { makeUnits, type UnitPort } from '../../../role/factory/line.ts'
import { expectDevice, importManifest } from '../../../role/supply-chain/import.ts'
import { askVoucher, codeIn, voucherRequest } from '../by-hand.ts'
import { equal, hold } from '../demonstration.ts'
import { journey, type VirtualDevice } from '../device.ts'
import { forgedHierarchy, strangersIdentity } from '../impostor.ts'
import { cardOf, type Lab, type Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import type { Maker } from '../party.ts'
import { contentsOf, occursIn, privateNumber } from '../secret-search.ts'
import { onDevice, onUnit, strangerRefused, voucherLogged } from './event.ts'

/** Scenario 0. */
export const factoryScene: Scene = [
  {
    capability: 'S0.C1',
    name: 'key-made-on-the-device',
    polarity: 'positive',
    title: 'The device makes its key, keeps it sealed, and gets its birth certificate with a place of its MASA',
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(maker)
      const device = await lab.make(maker)
      await checkBirthCredential(device)
      const secret = await privateNumber(device.housing.keys, 'idevid')
      hold(!occursIn(await contentsOf(maker.data), secret), 'nothing that the factory keeps has the private key')
      hold(!occursIn(await contentsOf(device.housing.keyDirectory), secret), 'the key lies sealed on the device')
      const seen = 'The factory saw a CSR and no key; the birth certificate fits the key, and its lint finds no error.'
      await ledger.find('the unit was made', onUnit(device.serial, 'unit-made'))
      return { seen, events: await ledger.find('the life of the unit on the line', onUnit(device.serial)) }
    },
  },
  {
    capability: 'S0.C1',
    name: 'no-proof-of-possession',
    polarity: 'negative',
    title: 'A request that was not signed with its own key gets no birth certificate',
    run: lab =>
      refusedOnTheLine(lab.makers[0], 'NoProof', 'csr-invalid', async () => {
        const signer = keySigner(generateKey('P-256'))
        const csr = await createCsr({ subject: encodeName({ commonName: 'unit' }) }, signer)
        csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1
        return csr
      }),
  },
  {
    capability: 'S0.C1',
    name: 'key-of-another-unit',
    polarity: 'negative',
    title: 'A second unit with the key of a first one gets no birth certificate',
    async run(lab) {
      const [maker] = lab.makers
      const device = await lab.make(maker)
      const signer = await device.housing.keys.open('idevid')
      hold(signer !== undefined, 'the first unit has a key')
      const csr = () => createCsr({ subject: encodeName({ commonName: 'unit' }) }, signer)
      return refusedOnTheLine(maker, 'SameKey', 'unit-key-reused', csr)
    },
  },
  {
    capability: 'S0.C2',
    name: 'chain-to-the-maker',
    polarity: 'positive',
    title:
      "The birth certificate chains to the maker's root, and a network that trusts the root knows the device by it",
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(lab.home)
      const device = await lab.buy(maker, lab.home)
      const { birth } = device.pledge
      const anchors = maker.site.manufacturer.deviceAnchors
      const { path } = validatePath({ chain: [birth.idevid, ...birth.chain], anchors, at: new Date() })
      equal(path.length, 2, 'the number of certificates below the root')
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const events = await ledger.find('the identity was proven', onDevice(device, 'identity-proven'))
      return { seen: 'Issued by the device CA under the device root; accepted over TLS by the site.', events }
    },
  },
  {
    capability: 'S0.C2',
    name: 'forged-signature',
    polarity: 'negative',
    title: 'A birth certificate with every name right, signed by somebody else, is known for a forgery',
    async run(lab) {
      const device = await lab.buy(lab.makers[0], lab.home)
      const forged = await strangersIdentity(spki => forgedHierarchy(device, spki))
      return refusedAsStranger(lab, forged, device.serial, 'idevid-forged')
    },
  },
  {
    capability: 'S0.C3',
    name: 'manifest-and-label',
    polarity: 'positive',
    title: 'Ownership reaches the MASA, the signed manifest and the label reach the buyer, and all name the same key',
    async run(lab) {
      const [maker] = lab.makers
      const [atMaker, atHome] = [await follow(maker), await follow(lab.home)]
      const device = await lab.buy(maker, lab.home)
      const { serial } = device
      const unit = await maker.store.read(tables => tables.unit.get(serial))
      hold(unit !== undefined, 'the maker has a record of the unit')
      const label = decodeLabelText(labelText({ ...unit, manufacturer: maker.site.manufacturer.name }))
      equal(label.keyHash, unit.keyHash, 'the key that the label names')
      hold(
        cardOf(lab.home).domains.every(domain => unit.domains.includes(domain)),
        "the MASA has the buyer's keys",
      )
      return {
        seen: 'Sold, shipped as a signed manifest and imported; the MASA knows the owner by key.',
        events: [
          ...(await atMaker.find('the unit changed hands', onUnit(serial, 'ownership-transferred'))),
          ...(await atHome.find(
            'the device is expected, with its key',
            onDevice(device, 'device-expected', ({ keyHash }) => keyHash === unit.keyHash),
          )),
          ...(await atHome.find('the manifest was imported', ({ kind }) => kind === 'manifest-imported')),
        ],
      }
    },
  },
  {
    capability: 'S0.C3',
    name: 'altered-manifest',
    polarity: 'negative',
    title: 'A manifest that was altered on its way is refused whole; the one that the maker signed is taken',
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(lab.home)
      const [first, second] = [await lab.make(maker), await lab.make(maker)]
      const genuine = await lab.sell(maker, [first, second], cardOf(lab.home))
      const altered = Buffer.from(genuine.toString('latin1').replaceAll(second.serial, 'F0-000001'), 'latin1')
      hold(!altered.equals(genuine), 'the copy names another unit')
      const { store, clock } = lab.home.site
      const take = (bytes: Uint8Array) => importManifest({ bytes, store, clock, importedBy: 'playbook' })
      equal(await refusalOf(() => take(altered)), 'manifest-invalid', 'the answer to the altered manifest')
      await ledger.lack('a device of it is expected', onDevice(first, 'device-expected'))
      await take(genuine)
      const events = await ledger.find('the device is expected', onDevice(first, 'device-expected'))
      return { seen: 'Nothing of the altered file was taken, not even its unaltered lines.', events }
    },
  },
  {
    capability: 'S0.C3',
    name: 'not-sold-to-this-owner',
    polarity: 'negative',
    title:
      'For a device that its maker has not sold to the owner, no list of the owner replaces the record at the MASA',
    async run(lab) {
      const [maker] = lab.makers
      const [atHome, atMaker] = [await follow(lab.home), await follow(maker)]
      const device = await lab.make(maker)
      await expectDevice(lab.home.store, { manufacturer: maker.name, serial: device.serial }, 'playbook')
      const { refusals } = await journey(device, [lab.home.origin])
      hold(refusals.has(lab.home.origin), 'the device gets no voucher')
      await atMaker.lack('a voucher was given', voucherLogged(device.serial))
      const code = ({ code }: { readonly code?: unknown }) => code === 'owner-mismatch'
      const events = await atHome.find('the MASA refused', onDevice(device, 'onboarding-refused', code))
      return { seen: 'The MASA knows no owner but itself, and logs no voucher.', events }
    },
  },
]

async function checkBirthCredential({ pledge, housing, maker, serial }: VirtualDevice): Promise<void> {
  const { idevid, anchors, chain, serialNumber } = pledge.birth
  const { manufacturer } = maker.site
  const signer = await housing.keys.open('idevid')
  hold(signer?.spkiDer.equals(idevid.spkiDer) === true, 'the birth certificate is for the key on the device')
  equal(serialNumber, serial, 'the serial number')
  equal(idevid.masaUrl, manufacturer.masa.extension, 'the place of the MASA')
  const [anchor] = anchors
  hold(anchor !== undefined && equalBytes(anchor.certificate.der, manufacturer.masaRoot.der), 'the anchor is the maker')
  const findings = checkIdevid(idevid.der, { chain, anchors: manufacturer.deviceAnchors })
  const errors = findings.filter(({ severity }) => severity === 'error')
  equal(errors.map(({ rule }) => rule).join(' '), '', 'the errors that the lint finds')
}

/** A unit on the line that gives this CSR is refused, and its batch stays unfinished. */
async function refusedOnTheLine(maker: Maker, batch: string, code: ErrorCode, csr: () => Promise<Uint8Array>) {
  const ledger = await follow(maker)
  const installed: string[] = []
  const port: UnitPort = { csr, install: async serial => void installed.push(serial) }
  const { manufacturer, store, clock } = maker.site
  const { model } = maker
  const order = { manufacturer, store, clock, port, batch, model, count: 1, keyOrigin: 'simulated' } as const
  const { refused } = await makeUnits(order)
  equal(refused[0]?.error.code, code, 'the refusal on the line')
  equal(installed.length, 0, 'the number of certificates handed out')
  const stream = `batch/${batch}`
  await ledger.lack('something was planned for the unit', onUnit(`${batch}-000001`))
  await ledger.lack('the batch was finished', event => event.stream === stream && event.kind === 'batch-finished')
  const events = await ledger.find('the batch was begun', event => event.stream === stream)
  return { seen: `${code}; no certificate was planned, and the batch stays open.`, events }
}

/** Asks the home registrar for a voucher with an identity that it must not believe. */
export async function refusedAsStranger(
  lab: Lab,
  { identity, connect }: Awaited<ReturnType<typeof strangersIdentity>>,
  serial: string,
  code: ErrorCode,
) {
  const ledger = await follow(lab.home)
  const connection = await connect(lab.home.origin)
  try {
    const reply = await askVoucher(connection, await voucherRequest(identity, connection, serial))
    equal(codeIn(reply), code, 'the answer of the registrar')
  } finally {
    connection.close()
  }
  const events = await ledger.find(`a stranger was refused: ${code}`, strangerRefused(code))
  return { seen: `Refused over TLS with ${code}; the record of the genuine device is not touched.`, events }
}

async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    if (error instanceof OnboardingError) return error.code
    throw error
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
