import { pbkdf2Sync } from 'node:crypto'
import { encodePem } from '../../codec/pem.ts'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type Akm, type AkmSuite, hasSuite, suitesOf } from '../../protocol/dpp/akm.ts'
import type { ConfigurationObject, Credential } from '../../protocol/dpp/configuration-object.ts'
import { readConnector } from '../../protocol/dpp/connector.ts'
import { type DppKeyPair, exportDppKey } from '../../protocol/dpp/key.ts'
import { eapTlsCredential } from './enrollee-check.ts'
import type { StoredNetworks } from './enrollee-memory.ts'

/** What wpa_supplicant needs to join: its configuration, and the files that it names. */
export interface SupplicantFiles {
  readonly configuration: string
  /** By name, without directory: certificates and the key of EAP-TLS. */
  readonly files: ReadonlyMap<string, Buffer>
}

/**
 * A configuration for wpa_supplicant (2.10 and newer) with a network block for each network, the most wanted first. What
 * is secret stands in it, so both have to be closed to others. Throws OnboardingError `configuration-invalid`.
 * @param directory where the files will be, absolute
 */
export function supplicantFiles(stored: StoredNetworks, directory: string): SupplicantFiles {
  const files = new Map<string, Buffer>()
  const blocks = stored.networks.map((network, i) => {
    const context: Context = { stored, directory, files, index: i }
    const lines = [
      ...commonLines(network),
      `priority=${stored.networks.length - i}`,
      ...credentialLines(network, context),
    ]
    return `network={\n${lines.map(line => `\t${line}\n`).join('')}}\n`
  })
  // DPP wants management frames protected; 1 lets each network say for itself.
  return { configuration: ['pmf=1\n', ...blocks].join('\n'), files }
}

interface Context {
  readonly stored: StoredNetworks
  readonly directory: string
  readonly files: Map<string, Buffer>
  readonly index: number
}

const keyManagement: Readonly<Record<AkmSuite, string>> = {
  dpp: 'DPP',
  sae: 'SAE',
  psk: 'WPA-PSK WPA-PSK-SHA256',
  dot1x: 'WPA-EAP WPA-EAP-SHA256',
}

function commonLines({ ssid, cred }: ConfigurationObject): string[] {
  const suites = suitesOf(cred.akm)
  return [
    `ssid=${hex(ssid)}`,
    // It may be hidden; a directed probe finds it in any case.
    'scan_ssid=1',
    `key_mgmt=${suites.map(suite => keyManagement[suite]).join(' ')}`,
    `ieee80211w=${needsProtectedFrames(cred.akm) ? 2 : 1}`,
  ]
}

/** DPP and SAE need them; a network that also takes a pre-shared key may have stations that cannot. */
function needsProtectedFrames(akm: Akm): boolean {
  return !hasSuite(akm, 'psk') && !hasSuite(akm, 'dot1x')
}

function credentialLines(network: ConfigurationObject, context: Context): string[] {
  const { cred } = network
  return [
    ...(hasSuite(cred.akm, 'psk') ? [pskLine(network)] : []),
    ...(hasSuite(cred.akm, 'sae') ? saeLines(cred) : []),
    ...connectorLines(cred, context.stored.netAccessKey),
    ...(cred.akm === 'dot1x' ? eapLines(cred, context) : []),
  ]
}

/** A passphrase can hold what a line cannot: the PMK that it stands for is always 64 digits. */
function pskLine({ ssid, cred: { pass, psk } }: ConfigurationObject): string {
  if (pass === undefined) return `psk=${hex(psk?.reveal() ?? new Uint8Array())}`
  const pmk = pbkdf2Sync(pass.reveal(), ssid, 4096, 32, 'sha1')
  return `psk=${hex(pmk)}`
}

function saeLines({ pass, idpass }: Credential): string[] {
  const password = (secret: Secret) => `sae_password=${hex(secret.reveal())}`
  return [
    ...(pass === undefined ? [] : [password(pass)]),
    ...(idpass === undefined ? [] : [`sae_password_id=${hex(Buffer.from(idpass))}`]),
  ]
}

/** Beside a password, too: what a device needs to ask for reconfiguration. */
function connectorLines({ connector }: Credential, netAccessKey: DppKeyPair): string[] {
  if (connector === undefined) return []
  const { signedConnector, csign, ppKey } = connector
  const { expiry } = readConnector(signedConnector)
  using key = exportDppKey(netAccessKey)
  return [
    // A JWS: base64url and dots, nothing that ends a text.
    `dpp_connector="${signedConnector}"`,
    `dpp_netaccesskey=${hex(key.reveal())}`,
    ...(expiry === undefined ? [] : [`dpp_netaccesskey_expiry=${Math.floor(expiry.getTime() / 1000)}`]),
    `dpp_csign=${hex(spki(csign))}`,
    ...(ppKey === undefined ? [] : [`dpp_pp_key=${hex(spki(ppKey))}`]),
  ]
}

/** Its name goes into EAP in the clear: that of the certificate, so that a RADIUS server can say whom it means. */
function eapLines({ entCreds }: Credential, { stored, directory, files, index }: Context): string[] {
  if (entCreds === undefined) throw new OnboardingError('configuration-invalid', { rule: 'no-entCreds' })
  const { certificate, others, ca, serverName } = eapTlsCredential(entCreds, stored.netAccessKey)
  const put = (kind: string, content: Buffer): string => {
    const name = `network-${index + 1}-${kind}.pem`
    files.set(name, content)
    return quoted(`${directory}/${name}`, 'directory')
  }
  const chain = [certificate, ...others.filter(({ spkiDer }) => Buffer.compare(spkiDer, ca.spkiDer) !== 0)]
  const { privateKey } = stored.netAccessKey
  return [
    'eap=TLS',
    `identity=${hex(Buffer.from(stored.name))}`,
    `ca_cert=${put('ca', pem([ca]))}`,
    `client_cert=${put('certificate', pem(chain))}`,
    `private_key=${put('key', Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })))}`,
    ...(serverName === undefined ? [] : [`domain_suffix_match=${quoted(serverName, 'trustedEapServerName')}`]),
  ]
}

function pem(certificates: readonly { readonly der: Uint8Array }[]): Buffer {
  return Buffer.from(certificates.map(({ der }) => encodePem('CERTIFICATE', der)).join(''))
}

/** What a peer names goes between quotes only if it cannot end the line: it would write what it likes after it. */
function quoted(text: string, field: string): string {
  if (/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/.test(text)) return `"${text}"`
  throw new OnboardingError('configuration-invalid', { rule: 'text', field })
}

function spki({ key }: { readonly key: import('node:crypto').KeyObject }): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
