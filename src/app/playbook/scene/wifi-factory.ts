import { OnboardingError } from '../../../domain/error.ts'
import { bootstrappingKeyLabel } from '../../../role/device/bootstrapping.ts'
import { importManifest } from '../../../role/supply-chain/import.ts'
import { equal, hold, reasonOf } from '../demonstration.ts'
import { cardOf, type Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { contentsOf, occursIn, privateNumber } from '../secret-search.ts'
import { enrolleeOf } from '../wifi-device.ts'
import { onDevice, onUnit } from './event.ts'

/** S0: bootstrapping keys in place of, or beside, birth certificates. */
export const wifiFactoryScene: Scene = [
  {
    capability: 'S0.C1',
    name: 'key-made-on-the-device',
    polarity: 'positive',
    title: 'The device makes its bootstrapping key; the factory is told its code',
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(maker)
      const device = await lab.make(maker, { radio: true })
      const { enrollee } = await enrolleeOf(device, lab)
      const made = onUnit(device.serial, 'unit-made')
      const events = await ledger.find('the unit was made with its code', made)
      const unit = await maker.store.read(tables => tables.unit.get(device.serial))
      equal(unit?.bootstrappingUri, enrollee.bootstrapping.text, 'the code that the factory has')
      return { seen: `The code of ${device.serial} is on record at its factory.`, events }
    },
  },
  {
    capability: 'S0.C1',
    name: 'private-key-nowhere-else',
    polarity: 'negative',
    title: 'Nothing that the factory keeps holds the private key',
    async run(lab) {
      const [maker] = lab.makers
      const ledger = await follow(maker)
      const device = await lab.make(maker, { radio: true })
      const secret = await privateNumber(device.housing.keys, bootstrappingKeyLabel)
      hold(!occursIn(await contentsOf(maker.data), secret), 'the private key is not in the files of the factory')
      hold(!occursIn(await contentsOf(device.housing.keyDirectory), secret), 'nor unsealed on the device')
      const events = await ledger.find('the unit was made', onUnit(device.serial, 'unit-made'))
      return { seen: 'Searched for in every spelling, in the keys and the record of the factory.', events }
    },
  },
  {
    capability: 'S0.C2',
    name: 'key-in-a-signed-manifest',
    polarity: 'positive',
    title: 'The maker signs which bootstrapping key each device has',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home, { radio: true })
      const signed = onDevice(
        device,
        'bootstrapping-key-added',
        ({ source }) => typeof source === 'string' && source.startsWith('manifest/'),
      )
      return {
        seen: 'Imported with the maker’s signature.',
        events: await ledger.find('the key came by manifest', signed),
      }
    },
  },
  {
    capability: 'S0.C2',
    name: 'altered-manifest',
    polarity: 'negative',
    title: 'A manifest in which somebody has put another key is refused whole',
    async run(lab) {
      const [maker, other] = lab.makers
      const ledger = await follow(lab.home)
      const before = await follow(maker)
      const device = await lab.make(maker, { radio: true })
      const stranger = await lab.make(other, { radio: true })
      const bytes = await lab.sell(maker, [device], cardOf(lab.home))
      const [mine, theirs] = await Promise.all([enrolleeOf(device, lab), enrolleeOf(stranger, lab)])
      const keyIn = (text: string) => /K:([^;]+)/.exec(text)?.[1] ?? ''
      const swapped = bytes
        .toString('utf8')
        .replace(keyIn(mine.enrollee.bootstrapping.text), keyIn(theirs.enrollee.bootstrapping.text))
      hold(swapped !== bytes.toString('utf8'), 'the key of the device is in the manifest')
      const { store, clock } = lab.home.site
      const refused = await importManifest({ bytes: Buffer.from(swapped), store, clock, importedBy: 'playbook' }).then(
        () => 'taken',
        (error: unknown) => (error instanceof OnboardingError ? error.code : reasonOf(error)),
      )
      equal(refused, 'manifest-invalid', 'the answer to the import')
      await ledger.lack('the device is expected', onDevice(device, 'device-expected'))
      const events = await before.find('the genuine key is on record at the maker', onUnit(device.serial, 'unit-made'))
      return { seen: 'The signature covers every line; nothing of the manifest was taken.', events }
    },
  },
  {
    capability: 'S0.C3',
    name: 'code-where-it-is-needed',
    polarity: 'positive',
    title: 'The code of a device is with its buyer before the device is there',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[1], lab.home, { radio: true })
      const { enrollee } = await enrolleeOf(device, lab)
      const { uri } = enrollee.bootstrapping
      hold(uri.information?.includes(device.serial) === true, 'the code on the label names the serial number')
      const events = await ledger.find('the key is on record', onDevice(device, 'bootstrapping-key-added'))
      await ledger.lack('the device was heard', onDevice(device, 'device-heard'))
      return { seen: `${enrollee.bootstrapping.text.slice(0, 40)}… came with the manifest.`, events }
    },
  },
  {
    capability: 'S0.C3',
    name: 'code-of-another-device',
    polarity: 'negative',
    title: 'A code that is one device’s cannot be put on record as another’s',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home, { radio: true })
      const { enrollee } = await enrolleeOf(device, lab)
      const copied = { uri: enrollee.bootstrapping.text, manufacturer: device.maker.name, serial: 'COPY-000001' }
      const refused = await lab.home.site.configurator.bootstrapping.add(copied, 'playbook').then(
        () => 'taken',
        (error: unknown) => (error instanceof OnboardingError ? error.code : reasonOf(error)),
      )
      equal(refused, 'bootstrapping-key-taken', 'the answer to the second device')
      const events = await ledger.find('the key is the first one’s', onDevice(device, 'bootstrapping-key-added'))
      return { seen: 'A key is one device’s for good.', events }
    },
  },
]
