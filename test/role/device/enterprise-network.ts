import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { DppKeyPair } from '../../../src/protocol/dpp/key.ts'
import type { StoredNetworks } from '../../../src/role/device/enrollee-memory.ts'
import { certify, eku } from '../../crypto/pki.ts'

/** A network with EAP-TLS, with a certificate for this key. */
export async function enterpriseNetworks(netAccessKey: DppKeyPair): Promise<StoredNetworks> {
  const root = await certify({ subject: 'Alice CA', ca: true })
  const leaf = await certify({
    subject: 'L-1',
    issuer: root,
    signer: keySigner(netAccessKey.privateKey),
    extensions: [eku(extendedKeyUsageOid.clientAuth)],
  })
  const entCreds = {
    certBag: [leaf.certificate.der, root.certificate.der],
    caCert: root.certificate.der,
    trustedEapServerName: 'radius.alice',
    eapMethods: [13],
  }
  const network = { ssid: Buffer.from('work'), cred: { akm: 'dot1x', entCreds } as const, thirdParty: {} }
  return { name: 'L-1', origin: 'c:8908', networks: [network], netAccessKey }
}
