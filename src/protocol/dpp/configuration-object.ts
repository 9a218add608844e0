import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import { Secret } from '../../crypto/secret.ts'
import { type Akm, akmSelectors, decodeAkm, hasSuite } from './akm.ts'
import { thirdPartyOf } from './configuration-request.ts'
import { decodeEntCreds, type EnterpriseCredentials, encodeEntCreds } from './enterprise.ts'
import { decodeJwk, decodeSigningJwk, encodeSigningJwk } from './jwk.ts'
import { type DppPublicKey, exportJwk } from './key.ts'

/** Connector and the keys to it, as they travel; the Connector is not verified. */
export interface ConnectorCredential {
  /** Compact JWS. */
  readonly signedConnector: string
  readonly csign: DppPublicKey
  /** `kid` beside csign: what the header of the Connector has to name. */
  readonly kid: string
  /** Protects the identity of a device that asks for reconfiguration; from version 2. */
  readonly ppKey?: DppPublicKey
}

export interface Credential {
  readonly akm: Akm
  /** psk: 8 to 63 octets; sae: 1 to 63. */
  readonly pass?: Secret
  /** The PMK, 32 octets. */
  readonly psk?: Secret
  /** SAE password identifier, version 3. */
  readonly idpass?: string
  readonly entCreds?: EnterpriseCredentials
  readonly connector?: ConnectorCredential
}

/** DPP Configuration Object, attribute 100C: one network. */
export interface ConfigurationObject {
  /** 1 to 32 octets. */
  readonly ssid: Uint8Array
  readonly cred: Credential
  readonly thirdParty: JsonObject
}

export interface ConfigurationSpelling {
  /** Absent: names, which work everywhere. */
  readonly akm?: 'name' | 'selector'
  /** Absent: `ssid` where the SSID is UTF-8, `ssid64` where it is not. */
  readonly ssid?: 'ssid64'
}

const LIMITS = { size: 0xffff, depth: 12, count: 2000 }
const own = ['wi-fi_tech', 'discovery', 'cred']
const maxSsid = 32
/** MIBenum of UTF-8. */
const utf8Charset = 106
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads attribute 100C. Nothing is verified: the Connector is text until `verifyConnector`. Throws CodecError; `bad-value`
 * for what is missing or out of range, `unsupported` for what is not known here.
 */
export function decodeConfigurationObject(bytes: Uint8Array): ConfigurationObject {
  const json = decodeJsonObject(bytes, LIMITS)
  if (textOf(json['wi-fi_tech'], 'wi-fi_tech') !== 'infra')
    throw new CodecError('unsupported', 'wi-fi_tech is not infra')
  const ssid = ssidOf(objectOf(json['discovery'], 'discovery'))
  return { ssid, cred: credentialOf(objectOf(json['cred'], 'cred')), thirdParty: thirdPartyOf(json, own) }
}

/** `discovery.ssid`, or `ssid64` where it is there: the same name, or one that is no text. */
function ssidOf({ ssid, ssid64 }: JsonObject): Buffer {
  const bytes = ssid64 === undefined ? Buffer.from(textOf(ssid, 'ssid')) : decodeBase64Url(textOf(ssid64, 'ssid64'))
  return checkedSsid(bytes)
}

function checkedSsid<T extends Uint8Array>(bytes: T): T {
  if (bytes.length > 0 && bytes.length <= maxSsid) return bytes
  throw new CodecError('bad-value', `an SSID of ${bytes.length} octets`)
}

function credentialOf(cred: JsonObject): Credential {
  const akm = decodeAkm(textOf(cred['akm'], 'akm'))
  const legacy = hasSuite(akm, 'psk') || hasSuite(akm, 'sae') ? legacyOf(cred) : {}
  const entCreds = akm === 'dot1x' ? decodeEntCreds(objectOf(cred['entCreds'], 'entCreds')) : undefined
  const connector = connectorOf(cred, hasSuite(akm, 'dpp'))
  const credential: Credential = {
    akm,
    ...legacy,
    ...(entCreds !== undefined && { entCreds }),
    ...(connector !== undefined && { connector }),
  }
  checkLegacy(credential)
  return credential
}

function legacyOf(cred: JsonObject): Pick<Credential, 'pass' | 'psk' | 'idpass'> {
  const { pass, psk_hex: hex, idpass } = cred
  return {
    ...(pass !== undefined && { pass: new Secret(textOf(pass, 'pass')) }),
    ...(hex !== undefined && { psk: pskOf(textOf(hex, 'psk_hex')) }),
    ...(idpass !== undefined && { idpass: textOf(idpass, 'idpass') }),
  }
}

function pskOf(hex: string): Secret {
  if (!/^[0-9A-Fa-f]{64}$/.test(hex)) throw new CodecError('bad-value', 'psk_hex is not 64 hexadecimal digits')
  return new Secret(Buffer.from(hex, 'hex'))
}

/** Easy Connect section 4.5.4: what a pre-shared key or password has to be. Throws CodecError. */
function checkLegacy({ akm, pass, psk }: Credential): void {
  const forPsk = hasSuite(akm, 'psk')
  const forSae = hasSuite(akm, 'sae')
  if (!forPsk && !forSae) return
  if (pass !== undefined) {
    const { length } = pass.reveal()
    const least = forPsk ? 8 : 1
    if (length < least || length > 63) throw new CodecError('bad-value', `pass is not ${least} to 63 octets`)
  } else if (forSae) {
    // SAE proves a password; a PMK made from it is of no use there.
    throw new CodecError('bad-value', 'sae without pass')
  } else if (psk === undefined) {
    throw new CodecError('bad-value', 'psk without pass and without psk_hex')
  }
  if (psk !== undefined && psk.reveal().length !== 32) throw new CodecError('bad-value', 'a PMK is 32 octets')
}

/** With akm dpp there has to be one; beside the others it comes to peers of version 2, for reconfiguration. */
function connectorOf(cred: JsonObject, needed: boolean): ConnectorCredential | undefined {
  const { signedConnector, csign, ppKey } = cred
  if (!needed && signedConnector === undefined && csign === undefined) return undefined
  const key = decodeSigningJwk(csign, 'csign')
  const pp = ppKey === undefined ? undefined : decodeJwk(ppKey, 'ppKey')
  return {
    signedConnector: textOf(signedConnector, 'signedConnector'),
    csign: key.key,
    kid: key.kid,
    ...(pp !== undefined && { ppKey: pp }),
  }
}

/** Writes attribute 100C, members in the order of hostap. Throws CodecError for what a reader would refuse. */
export function encodeConfigurationObject(object: ConfigurationObject, spelling: ConfigurationSpelling = {}): Buffer {
  const { ssid, cred, thirdParty } = object
  for (const member of own) {
    if (Object.hasOwn(thirdParty, member)) throw new CodecError('duplicate', `third-party member ${member}`)
  }
  const json = {
    'wi-fi_tech': 'infra',
    discovery: discoveryOf(checkedSsid(ssid), spelling.ssid),
    cred: credentialJson(cred, spelling.akm ?? 'name'),
    ...thirdParty,
  }
  const bytes = Buffer.from(JSON.stringify(json))
  if (bytes.length > LIMITS.size) throw new CodecError('too-large', 'configuration object larger than an attribute')
  return bytes
}

function discoveryOf(ssid: Uint8Array, spelling: 'ssid64' | undefined): JsonObject {
  const text = textSsid(ssid)
  if (text !== undefined && spelling === undefined) return { ssid: text }
  return { ssid64: encodeBase64Url(ssid), ...(text !== undefined && { ssid_charset: utf8Charset }) }
}

/** Undefined when it is not UTF-8. */
export function textSsid(ssid: Uint8Array): string | undefined {
  try {
    return utf8.decode(ssid)
  } catch {
    return undefined
  }
}

function credentialJson(cred: Credential, spelling: 'name' | 'selector'): JsonObject {
  const { akm, pass, psk, idpass, entCreds, connector } = cred
  checkLegacy(cred)
  if (connector === undefined && hasSuite(akm, 'dpp')) throw new CodecError('bad-value', 'akm dpp without Connector')
  if (entCreds === undefined && akm === 'dot1x') throw new CodecError('bad-value', 'akm dot1x without entCreds')
  return {
    akm: spelling === 'name' ? akm : akmSelectors(akm),
    ...(pass !== undefined && { pass: pass.revealText() }),
    ...(pass === undefined && psk !== undefined && { psk_hex: psk.reveal().toString('hex') }),
    ...(idpass !== undefined && { idpass }),
    ...(entCreds !== undefined && { entCreds: encodeEntCreds(entCreds) }),
    ...(connector !== undefined && connectorJson(connector)),
  }
}

function connectorJson({ signedConnector, csign, kid, ppKey }: ConnectorCredential): JsonObject {
  return {
    signedConnector,
    csign: encodeSigningJwk({ key: csign, kid }),
    ...(ppKey !== undefined && { ppKey: { ...exportJwk(ppKey) } }),
  }
}

function objectOf(value: Json | undefined, name: string): JsonObject {
  if (isJsonObject(value)) return value
  throw new CodecError('bad-value', `${name} is ${value === undefined ? 'missing' : 'not an object'}`)
}

function textOf(value: Json | undefined, name: string): string {
  if (typeof value === 'string') return value
  throw new CodecError('bad-value', `${name} is ${value === undefined ? 'missing' : 'not a text'}`)
}
