import { copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openFileKeyStore } from '../../../adapter/key/file.ts'
import { encodeCertsOnly } from '../../../codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../../codec/x509/certificate.ts'
import { verifyCsr } from '../../../crypto/csr.ts'
import { generateKey } from '../../../crypto/key.ts'
import { validatePath } from '../../../crypto/path.ts'
import { keySigner } from '../../../crypto/signer.ts'
import { decodeCertificates } from '../../../protocol/est/issued.ts'
import { askVoucher, codeIn, csrFor, enroll, reportVoucher, voucherRequest } from '../by-hand.ts'
import { equal, hold } from '../demonstration.ts'
import { journey, networkKey, type VirtualDevice } from '../device.ts'
import { copyOf, namesake, tapWire } from '../impostor.ts'
import type { Lab, Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import type { Network } from '../party.ts'
import { contentsOf, occursIn, privateNumber } from '../secret-search.ts'
import { onDevice } from './event.ts'

/** S1.C5: the credential gets to the device and to nobody else. */
export const credentialingScene: Scene = [
  {
    capability: 'S1.C5',
    name: 'nothing-on-the-wire',
    polarity: 'positive',
    title: 'Whoever records the cable during onboarding has no key, no credential, no voucher and no serial number',
    async run(lab) {
      const ledger = await follow(lab.home)
      const [device, other] = [await lab.buy(lab.makers[0], lab.home), await lab.buy(lab.makers[0], lab.home)]
      const tap = await tapWire(lab, lab.home.site)
      equal((await journey(device, [tap.origin])).connectedTo, tap.origin, 'the network of the device')
      equal((await journey(other, [lab.home.origin])).connectedTo, lab.home.origin, 'the network of the other device')
      const [credential, otherCredential] = [await credentialOf(lab.home, device), await credentialOf(lab.home, other)]
      hold(Buffer.compare(credential.spkiDer, otherCredential.spkiDer) !== 0, 'two devices have two keys')
      hold(credential.serialHex !== otherCredential.serialHex, 'two devices have two certificates')
      const secret = await privateNumber(device.housing.keys, await networkKey(device))
      checkRecording(tap.recorded(), device, [secret, credential.der])
      hold(!occursIn(await contentsOf(lab.home.data), secret), 'nothing that the site keeps has the private key')
      const issued = onDevice(device, 'credential-issued')
      const seen = `${tap.recorded().length} octets recorded, nothing to be found in them; the key is on the device alone.`
      return { seen, events: await ledger.find('the credential was issued', issued) }
    },
  },
  {
    capability: 'S1.C5',
    name: 'before-the-voucher',
    polarity: 'negative',
    title: 'A device that has not accepted a voucher gets no credential',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      const { connection, identity } = await byHand(device, lab.home)
      const csr = await csrFor(keySigner(generateKey('P-256')))
      await askVoucher(connection, await voucherRequest(identity, connection, device.serial))
      await reportVoucher(connection, false)
      equal(codeIn(await enroll(connection, csr)), 'enroll-before-voucher', 'the answer after it refused the voucher')
      connection.close()
      await ledger.lack('a credential was planned', onDevice(device, 'credential-planned'))
      const refused = onDevice(device, 'voucher-status-reported', ({ accepted }) => accepted === false)
      const seen = 'EST refused with enroll-before-voucher, and planned nothing.'
      return { seen, events: await ledger.find('the device refused its voucher', refused) }
    },
  },
  {
    capability: 'S1.C5',
    name: 'copied-key',
    polarity: 'negative',
    title: 'No two devices get credentials for one key',
    async run(lab) {
      const ledger = await follow(lab.home)
      const [first, second] = [await lab.buy(lab.makers[0], lab.home), await lab.buy(lab.makers[0], lab.home)]
      await journey(first, [lab.home.origin])
      const copied = await first.housing.keys.open(await networkKey(first))
      hold(copied !== undefined, 'the first device has a key')
      const { connection, identity } = await byHand(second, lab.home)
      await askVoucher(connection, await voucherRequest(identity, connection, second.serial))
      await reportVoucher(connection, true)
      equal(codeIn(await enroll(connection, await csrFor(copied))), 'csr-invalid', 'the answer to a key in use')
      connection.close()
      await ledger.lack('a credential was planned', onDevice(second, 'credential-planned'))
      return {
        seen: 'Refused: the key belongs to the credential of another device.',
        events: [
          ...(await ledger.find('the first device has its credential', onDevice(first, 'credential-issued'))),
          ...(await ledger.find('the second one has a voucher', onDevice(second, 'voucher-obtained'))),
        ],
      }
    },
  },
  {
    capability: 'S1.C5',
    name: 'altered-on-the-wire',
    polarity: 'negative',
    title: 'Whoever changes an octet on the cable ends the connection, and no credential is accepted over it',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      // A device that has sent its handshake and its request gets the answer.
      const tap = await tapWire(lab, lab.home.site, (octets, sent) => (sent < 3000 ? octets : flipped(octets)))
      const { refusals, connectedTo } = await journey(device, [tap.origin, lab.home.origin])
      equal(refusals.get(tap.origin), 'registrar-unreachable', 'what the device makes of it')
      equal(
        device.exchanges.filter(({ origin }) => origin === tap.origin).length,
        0,
        'the answers that the device took',
      )
      equal(connectedTo, lab.home.origin, 'where the device connects in the end')
      return {
        seen: 'The registrar answered with a voucher, and the connection broke; over an honest cable the device went on.',
        events: [
          ...(await ledger.find('the registrar obtained a voucher', onDevice(device, 'voucher-obtained'))),
          ...(await ledger.find('the device connected', onDevice(device, 'device-connected'))),
        ],
      }
    },
  },
]

/** S1.C6: where it is kept. Nothing here has hardware behind it. */
export const storageScene: Scene = [
  {
    capability: 'S1.C6',
    name: 'sealed-key-file',
    polarity: 'positive',
    title: 'The network key lies sealed in a file that nobody else may read, in software',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[1], lab.home)
      await journey(device, [lab.home.origin])
      const { keys, keyDirectory } = device.housing
      equal(keys.hardwareBacked, false, 'hardware behind the key store')
      const secret = await privateNumber(keys, await networkKey(device))
      hold(!occursIn(await contentsOf(keyDirectory), secret), 'the key is in no file in the clear')
      for (const name of await readdir(keyDirectory)) {
        equal((await stat(join(keyDirectory, name))).mode & 0o077, 0, `what others may do with ${name}`)
      }
      const events = await ledger.find('the credential was issued', onDevice(device, 'credential-issued'))
      return { seen: 'Key file sealed, mode 0600; software-backed (simulated).', events }
    },
  },
  {
    capability: 'S1.C6',
    name: 'copied-key-file',
    polarity: 'negative',
    title: 'A key file copied without the store that it was sealed for cannot be opened',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[1], lab.home)
      await journey(device, [lab.home.origin])
      const { keyDirectory } = device.housing
      const label = await networkKey(device)
      const elsewhere = `${keyDirectory}-copy`
      const keys = await openFileKeyStore({ directory: elsewhere })
      await keys.generate('another', 'P-256')
      await mkdir(elsewhere, { recursive: true, mode: 0o700 })
      await copyFile(join(keyDirectory, `${label}.sealed`), join(elsewhere, `${label}.sealed`))
      const opened = await keys.open(label).then(
        () => 'opened',
        (error: unknown) => (error instanceof Error ? error.name : 'unknown'),
      )
      equal(opened, 'KeyStoreError', 'what comes of opening the copy')
      const events = await ledger.find('the credential was issued', onDevice(device, 'credential-issued'))
      return { seen: 'The copy cannot be opened in another store; software-backed (simulated).', events }
    },
  },
]

/** S5.C2: onboarding and certification authority. */
export const certificateScene: Scene = [
  {
    capability: 'S5.C2',
    name: 'request-to-certificate',
    polarity: 'positive',
    title:
      'A request for a key that the device made becomes a certificate of the issuing CA, planned before it is signed',
    run: lab => issuedBy(lab, lab.home),
  },
  {
    capability: 'S5.C2',
    name: 'another-authority',
    polarity: 'positive',
    title: 'With another CA behind the registrar, on another curve, the same device model is provisioned the same way',
    async run(lab) {
      const terms = { name: 'swapped-ca', network: 'quay', owner: 'quay-master', curve: 'P-384' } as const
      return issuedBy(lab, await lab.openNetwork(terms))
    },
  },
  {
    capability: 'S5.C2',
    name: 'certificate-of-another-authority',
    polarity: 'negative',
    title: 'A certificate for its own key, but of another CA of the same name, is not accepted by the device',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      const { issuing } = lab.home.site.authority
      const foreign = await namesake(issuing.certificate.subject.der)
      device.alter(async ({ request, reply }) => {
        if (!request.path.endsWith('/simpleenroll') || reply.status !== 200) return reply
        const own = certificateIn(reply.body)
        const swapped = await copyOf(own, own.spkiDer, foreign)
        const body = encodeCertsOnly({ certificates: [swapped.der, foreign.certificate.der] })
        return { ...reply, body: Buffer.from(Buffer.from(body).toString('base64')) }
      })
      const { refusals, connectedTo } = await journey(device, [lab.home.origin])
      equal(refusals.get(lab.home.origin), 'certificate-invalid', 'what the device says')
      equal(connectedTo, undefined, 'the network of the device')
      const told = onDevice(device, 'enroll-status-reported', ({ enrolled }) => enrolled === false)
      const seen = 'Refused with certificate-invalid, and the registrar was told.'
      return { seen, events: await ledger.find('the device refused the certificate', told) }
    },
  },
  {
    capability: 'S5.C2',
    name: 'request-without-the-key',
    polarity: 'negative',
    title: 'A request that was not signed with the key that it is for is not signed by the CA',
    async run(lab) {
      const ledger = await follow(lab.home)
      const device = await lab.buy(lab.makers[0], lab.home)
      const { connection, identity } = await byHand(device, lab.home)
      await askVoucher(connection, await voucherRequest(identity, connection, device.serial))
      await reportVoucher(connection, true)
      const csr = await csrFor(keySigner(generateKey('P-256')))
      equal(codeIn(await enroll(connection, flipped(csr))), 'csr-invalid', 'the answer of the CA')
      connection.close()
      await ledger.lack('a credential was planned', onDevice(device, 'credential-planned'))
      const events = await ledger.find('the device had a voucher', onDevice(device, 'voucher-obtained'))
      return { seen: 'Refused with csr-invalid; no certificate was planned.', events }
    },
  },
]

async function issuedBy(lab: Lab, network: Network) {
  const ledger = await follow(network)
  const device = await lab.buy(lab.makers[0], network)
  equal((await journey(device, [network.origin])).connectedTo, network.origin, 'the network of the device')
  const { issuing, root } = network.site.authority
  const certificate = await credentialOf(network, device)
  const signer = await device.housing.keys.open(await networkKey(device))
  hold(signer?.spkiDer.equals(certificate.spkiDer) === true, 'the certificate is for the key on the device')
  const sent = device.exchanges.find(({ request }) => request.path.endsWith('/simpleenroll'))?.request.body
  const csr = verifyCsr(Buffer.from(Buffer.from(sent ?? '').toString('latin1'), 'base64'))
  hold(Buffer.compare(csr.request.spkiDer, certificate.spkiDer) === 0, 'the certificate is for the key of the request')
  const anchors = [{ name: network.name, certificate: root }]
  const { path } = validatePath({ chain: [certificate, issuing.certificate], anchors, at: new Date() })
  equal(path.length, 2, 'the certificates below the root')
  const planned = await ledger.find('planned', onDevice(device, 'credential-planned'))
  const issued = await ledger.find('issued', onDevice(device, 'credential-issued'))
  hold((planned[0]?.version ?? 0) < (issued[0]?.version ?? 0), 'it was planned before it was issued')
  return {
    seen: `${signer.algorithm} key of the device, signed by an ${issuing.signer.algorithm} CA.`,
    events: [...planned, ...issued],
  }
}

/** A device that has power and is not running its pledge: somebody else holds its connection. */
async function byHand(device: VirtualDevice, network: Network) {
  const { idevid, chain } = device.pledge.birth
  const signer = await device.housing.keys.open('idevid')
  hold(signer !== undefined, 'the device has its birth key')
  return { connection: await device.connect(network.origin), identity: { certificates: [idevid, ...chain], signer } }
}

async function credentialOf(network: Network, device: VirtualDevice): Promise<Certificate> {
  const serialHex = device.pledge.status().credential?.serialHex ?? ''
  const [record] = await network.store.read(tables => tables.credential.find({ serialHex }))
  hold(record?.certificate !== undefined, 'the site has a record of the credential')
  return decodeCertificate(Buffer.from(record.certificate, 'base64'))
}

/** Nothing that the device has to keep, and nothing that it was given, is in the recording. */
function checkRecording(recording: Buffer, device: VirtualDevice, secrets: readonly Uint8Array[]): void {
  hold(recording.includes(Buffer.from('160301', 'hex')), 'a TLS handshake was recorded')
  const bodies = device.exchanges.flatMap(({ request, reply }) => [request.body, reply.body])
  const passed = bodies.filter(body => body !== undefined && body.length > 0).map(body => Buffer.from(body ?? []))
  hold(recording.length > passed.reduce((sum, { length }) => sum + length, 0), 'the recording has all that was said')
  for (const each of [...secrets, ...passed, Buffer.from(device.serial)]) {
    hold(!occursIn(recording, each), 'nothing of what was said can be found in the recording')
  }
}

function certificateIn(body: Uint8Array): Certificate {
  const [certificate] = decodeCertificates(body)
  hold(certificate !== undefined, 'there is a certificate in the answer')
  return certificate
}

function flipped(octets: Buffer): Buffer {
  const copy = Buffer.from(octets)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}
