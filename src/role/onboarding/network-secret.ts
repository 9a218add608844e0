import { hash } from 'node:crypto'
import { Secret } from '../../crypto/secret.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { NetworkAccess, NetworkAccessGrant } from '../../domain/network-definition.ts'
import type { Random } from '../../domain/port.ts'
import type { NetworkConfiguration } from './network-definition.ts'

/**
 * The secret by which one device, and no other, gets into a network with psk or sae. It is made here, goes to the device in
 * its encrypted configuration and to access points in a file that only they read; no operation shows it to anybody.
 */

/** Seals what lies in the record. `context` must be the same to open it again: a box put in another place does not open. */
export interface SecretBox {
  seal(plain: Secret, context: string): string
  /** Undefined for what was not sealed here, or not in this context. */
  open(box: string, context: string): Secret | undefined
}

export interface GrantedAccess {
  /** For the credential record. */
  readonly access: NetworkAccess
  /** For the configuration object: `pass`. */
  readonly secret?: Secret
}

/** Printable, without a character that a configuration file of hostapd or wpa_supplicant could stumble over; 6 bits each. */
export function newSecret(random: Random, length: number): Secret {
  const bytes = Buffer.from(random(Math.ceil((length * 3) / 4)))
  const text = Buffer.from(bytes.toString('base64url').slice(0, length))
  const secret = new Secret(text)
  bytes.fill(0)
  text.fill(0)
  return secret
}

/** What the credential of a device keeps of its configuration, with a fresh secret where the network wants one. */
export function grantAccess(
  { box, random }: { readonly box: SecretBox; readonly random: Random },
  device: string,
  { network, access, secretLength }: Pick<NetworkConfiguration, 'network' | 'access' | 'secretLength'>,
): GrantedAccess {
  if (secretLength === undefined) return { access }
  const secret = newSecret(random, secretLength)
  // Version 3 alone: without an address the access point asks for a name.
  const named = access.mac === undefined && access.akm !== 'psk' ? { passwordId: device } : {}
  return { access: { ...access, ...named, box: box.seal(secret, contextOf(device, network)) }, secret }
}

/** For the stream of the device, after `credential-planned`. */
export function accessGranted(
  credential: string,
  network: string,
  { box, ...access }: NetworkAccess,
): { readonly kind: 'network-access-granted'; readonly body: NetworkAccessGrant } {
  const secretHash = box === undefined ? {} : { secretHash: hash('sha256', box) }
  return { kind: 'network-access-granted', body: { ...access, ...secretHash, credential, network } }
}

/**
 * The secret of a credential, when the same answer has to be given again; undefined where it needs none.
 * Throws OnboardingError `network-secret-missing` for one that ended, or was sealed with another key.
 */
export function secretOf(
  box: Pick<SecretBox, 'open'>,
  { device, network = '', access, id }: Pick<CredentialRecord, 'device' | 'network' | 'access' | 'id'>,
): Secret | undefined {
  if (access === undefined || access.akm === 'dpp' || access.akm === 'dot1x') return undefined
  const secret = access.box === undefined ? undefined : box.open(access.box, contextOf(device, network))
  if (secret === undefined) throw new OnboardingError('network-secret-missing', { credential: id })
  return secret
}

function contextOf(device: string, network: string): string {
  return `mooring network secret 1\n${device}\n${network}`
}
