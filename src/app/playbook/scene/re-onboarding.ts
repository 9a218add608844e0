import { connectPledge } from '../../../adapter/http/pledge-connection.ts'
import type { TlsCredential } from '../../../adapter/http/tls-profile.ts'
import { decodeCertificateList } from '../../../codec/crl.ts'
import type { CredentialRecord } from '../../../domain/credential.ts'
import { askPresence, codeIn } from '../by-hand.ts'
import { equal, hold } from '../demonstration.ts'
import { journey, networkKey, type VirtualDevice } from '../device.ts'
import type { Lab, Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import { host, type Network } from '../party.ts'
import { onDevice } from './event.ts'

const day = 86_400_000

/** Scenario 3, as far as there is something of it. */
export const reOnboardingScene: Scene = [
  {
    capability: 'S3.C1',
    name: 'deleted-on-both-sides',
    polarity: 'positive',
    title: 'A factory reset deletes the credential on the device, a revocation ends it at the network',
    async run(lab) {
      const ledger = await follow(lab.home)
      const { device, record } = await onboarded(lab, lab.home)
      await deleteCredential(lab.home, device, record)
      equal(
        [...device.housing.store.snapshot().keys()].sort().join(' '),
        'birth ownership',
        'what the device remembers',
      )
      equal((await device.housing.keys.list()).join(' '), 'idevid', 'the keys that the device has')
      const { revoked } = decodeCertificateList(await lab.home.site.revocation.crl())
      hold(revoked.has(record.serialHex), 'the revocation list names the certificate')
      const events = await ledger.find('the credential was revoked', onDevice(device, 'credential-revoked'))
      return {
        seen: 'The device has its birth credential and the number of the newest declaration, no more; the site lists the certificate.',
        events,
      }
    },
  },
  {
    capability: 'S3.C1',
    name: 'nothing-else-is-deleted',
    polarity: 'negative',
    title: 'Neither the birth credential nor the credential of another device is touched',
    async run(lab) {
      const ledger = await follow(lab.home)
      const [{ device, record }, other] = [await onboarded(lab, lab.home), await onboarded(lab, lab.home)]
      const birth = device.housing.store.snapshot().get('birth')
      await deleteCredential(lab.home, device, record)
      const left = device.housing.store.snapshot().get('birth')
      hold(birth !== undefined && left !== undefined && Buffer.compare(birth, left) === 0, 'the birth credential stays')
      equal(await presenceWith(other.copy, lab.home), 'status 200', 'the answer to the other device')
      await ledger.lack("the other device's credential was revoked", onDevice(other.device, 'credential-revoked'))
      const events = await ledger.find('the other device is connected', onDevice(other.device, 'device-connected'))
      return { seen: 'The birth credential is the same to the octet, and the other device stays connected.', events }
    },
  },
  {
    capability: 'S3.C2',
    name: 'connects-before',
    polarity: 'positive',
    title: 'Before the deletion the credential opens the door',
    async run(lab) {
      const ledger = await follow(lab.home)
      const { device, copy } = await onboarded(lab, lab.home)
      equal(await presenceWith(copy, lab.home), 'status 200', 'the answer to the device')
      const events = await ledger.find('the device connected', onDevice(device, 'device-connected'))
      return { seen: 'Let in, on a connection of its own.', events }
    },
  },
  {
    capability: 'S3.C2',
    name: 'copy-and-live-session',
    polarity: 'negative',
    title: 'After it neither a saved copy of the credential nor a connection that is still open gets anywhere',
    async run(lab) {
      const ledger = await follow(lab.home)
      const { device, copy, record } = await onboarded(lab, lab.home)
      const open = await connectWith(copy, lab.home)
      equal((await askPresence(open)).status, 200, 'the answer on the open connection before')
      await deleteCredential(lab.home, device, record)
      equal(codeIn(await askPresence(open)), 'credential-not-in-force', 'the answer on the open connection')
      open.close()
      equal(await presenceWith(copy, lab.home), 'credential-not-in-force', 'the answer to the saved copy')
      const events = await ledger.find('the credential was revoked', onDevice(device, 'credential-revoked'))
      return { seen: 'Both refused with credential-not-in-force, at once.', events }
    },
  },
  {
    capability: 'S3.C3',
    name: 'onboarded-again',
    polarity: 'positive',
    title: 'With the same birth credential the device gets a new network credential and connects again',
    async run(lab) {
      const { device, record } = await onboarded(lab, lab.home)
      await deleteCredential(lab.home, device, record)
      const ledger = await follow(lab.home)
      equal((await journey(device, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the device')
      const next = await credentialRecord(lab.home, device)
      hold(next.serialHex !== record.serialHex && next.keyHash !== record.keyHash, 'certificate and key are new')
      return {
        seen: 'New voucher, new key, new certificate, connected.',
        events: [
          ...(await ledger.find('a voucher was obtained', onDevice(device, 'voucher-obtained'))),
          ...(await ledger.find('the device connected', onDevice(device, 'device-connected'))),
        ],
      }
    },
  },
  {
    capability: 'S3.C3',
    name: 'withdrawn-meanwhile',
    polarity: 'negative',
    title: 'A device that was withdrawn after the deletion does not get back in',
    async run(lab) {
      const { device, record } = await onboarded(lab, lab.home)
      await deleteCredential(lab.home, device, record)
      const ledger = await follow(lab.home)
      await lab.home.site.approval.withdraw(record.device, 'playbook')
      const { refusals } = await journey(device, [lab.home.origin])
      equal(refusals.get(lab.home.origin), 'registrar-refused', 'what the device makes of it')
      await ledger.lack('a credential was planned', onDevice(device, 'credential-planned'))
      const refused = onDevice(device, 'admission-decided', ({ code }) => code === 'device-withdrawn')
      return { seen: 'Refused with device-withdrawn.', events: await ledger.find('the device was refused', refused) }
    },
  },
]

/** S5.C3. It moves the time of all parties, so it comes last. */
export const updateScene: Scene = [
  {
    capability: 'S5.C3',
    name: 'expired-while-switched-off',
    polarity: 'positive',
    title: 'A device whose credential expired while it was off gets a new one without anybody doing anything',
    async run(lab) {
      const network = await lab.openNetwork({ ...shortLived, name: 'short-lived' })
      const { device, record } = await onboarded(lab, network)
      lab.passTime(2 * day)
      const ledger = await follow(network)
      equal((await journey(device, [network.origin])).connectedTo, network.origin, 'the network of the device')
      const next = await credentialRecord(network, device)
      hold(record.notAfter < lab.clock() && lab.clock() < next.notAfter, 'the old one is over, the new one is not')
      const events = await ledger.find('a credential was issued', onDevice(device, 'credential-issued'))
      return { seen: 'Two days later it onboarded again by itself, from its birth credential.', events }
    },
  },
  {
    capability: 'S5.C3',
    name: 'expired-without-a-clock',
    polarity: 'positive',
    title:
      'A device that cannot tell the time shows its expired credential, is refused by its own network, and starts anew',
    async run(lab) {
      const network = await lab.openNetwork({ ...shortLived, name: 'short-lived-3' })
      const { device, record } = await onboarded(lab, network, lab.makers[1])
      lab.passTime(2 * day)
      const ledger = await follow(network)
      const shownBefore = device.exchanges.length
      const { connectedTo } = await journey(device, [network.origin], { patient: true })
      equal(connectedTo, network.origin, 'the network of the device')
      const refused = device.exchanges.slice(shownBefore).filter(({ reply }) => reply.status === 403)
      hold(refused.length > 1, 'one refusal is not enough')
      const next = await credentialRecord(network, device)
      hold(record.notAfter < lab.clock() && lab.clock() < next.notAfter, 'the old one is over, the new one is not')
      hold(next.keyHash !== record.keyHash, 'the key is new')
      const events = await ledger.find('a credential was issued', onDevice(device, 'credential-issued'))
      return { seen: `Refused ${refused.length} times by its own network, then onboarded again by itself.`, events }
    },
  },
  {
    capability: 'S5.C3',
    name: 'revoked-and-expired-not-updated',
    polarity: 'negative',
    title:
      'What has lost its right gets no new credential by its old one: neither by renewal nor, withdrawn, from its birth',
    async run(lab) {
      const { device, record } = await onboarded(lab, lab.home)
      await lab.home.site.approval.withdraw(record.device, 'playbook')
      await lab.home.site.revocation.revoke(record.id, 'privilegeWithdrawn', 'playbook')
      const ledger = await follow(lab.home)
      const { refusals } = await journey(device, [lab.home.origin])
      equal(refusals.get(lab.home.origin), 'registrar-refused', 'what the device makes of it')
      for await (const progress of device.pledge.renew()) if (progress.type === 'resting') break
      await ledger.lack('a credential was planned', onDevice(device, 'credential-planned'))
      const { revoked } = decodeCertificateList(await lab.home.site.revocation.crl())
      hold(revoked.has(record.serialHex), 'the revocation list names the certificate')
      const events = await ledger.find('the credential is refused', ({ kind }) => kind === 'stranger-refused')
      return { seen: 'Refused, and no certificate was planned.', events }
    },
  },
  {
    capability: 'S5.C3',
    name: 'expired-credential',
    polarity: 'negative',
    title: 'The expired credential itself opens nothing',
    async run(lab) {
      const network = await lab.openNetwork({ ...shortLived, name: 'short-lived-2' })
      const ledger = await follow(network)
      const { device, copy } = await onboarded(lab, network)
      equal(await presenceWith(copy, network), 'status 200', 'the answer in time')
      lab.passTime(2 * day)
      equal(await presenceWith(copy, network), 'credential-not-in-force', 'the answer when it is over')
      const events = await ledger.find('the device had connected', onDevice(device, 'device-connected'))
      return { seen: 'Let in before, refused with credential-not-in-force after.', events }
    },
  },
]

const shortLived = { network: 'jetty', owner: 'jetty-master', credentialLifetimeDays: 1 } as const

export interface Onboarded {
  readonly device: VirtualDevice
  readonly record: CredentialRecord
  /** Certificate and key, as a thief would have saved them. */
  readonly copy: TlsCredential
}

export async function onboarded(lab: Lab, network: Network, maker = lab.makers[0]): Promise<Onboarded> {
  const device = await lab.buy(maker, network)
  equal((await journey(device, [network.origin])).connectedTo, network.origin, 'the network of the device')
  const record = await credentialRecord(network, device)
  const key = await device.housing.keys.tlsKey?.(await networkKey(device))
  hold(key !== undefined && record.certificate !== undefined, 'the device has key and certificate')
  return { device, record, copy: { key, certificateChain: [Buffer.from(record.certificate, 'base64')] } }
}

async function credentialRecord({ store }: Network, { pledge }: VirtualDevice): Promise<CredentialRecord> {
  const serialHex = pledge.status().credential?.serialHex ?? ''
  const [record] = await store.read(tables => tables.credential.find({ serialHex }))
  hold(record !== undefined, 'the site has a record of the credential')
  return record
}

async function deleteCredential({ site }: Network, device: VirtualDevice, { id }: CredentialRecord): Promise<void> {
  await device.pledge.factoryReset()
  await site.revocation.revoke(id, 'cessationOfOperation', 'playbook')
}

export function connectWith(credential: TlsCredential, { site }: Network) {
  return connectPledge({ host, port: site.port, credential, timeoutMs: 5000 })
}

async function presenceWith(credential: TlsCredential, network: Network): Promise<string> {
  const connection = await connectWith(credential, network)
  try {
    return codeIn(await askPresence(connection))
  } finally {
    connection.close()
  }
}
