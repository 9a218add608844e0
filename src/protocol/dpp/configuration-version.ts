import { CodecError } from '../../codec/error.ts'
import { hasSuite } from './akm.ts'
import { maxConfigurations } from './configuration-check.ts'
import { type ConfigurationObject, type Credential, textSsid } from './configuration-object.ts'

/**
 * What of these objects a peer of that protocol version can read, the most wanted first. Version 1 knows one object, a
 * Connector with akm dpp only, no ppKey, no mixtures with dpp, no SSID that is no text and no enterprise; version 2
 * wants Connector and keys beside a password too, since reconfiguration rests on them. Throws CodecError: `unsupported` for a
 * network that the peer cannot join, `too-many` above 10.
 */
export function forPeerVersion(
  objects: readonly ConfigurationObject[],
  version: number,
): readonly ConfigurationObject[] {
  if (objects.length > maxConfigurations) throw new CodecError('too-many', 'more than 10 configuration objects')
  return version >= 2 ? objects.map(object => version2(object, version)) : objects.slice(0, 1).map(version1)
}

function version2(object: ConfigurationObject, version: number): ConfigurationObject {
  // It would connect without, and be refused without a reason.
  if (object.cred.idpass !== undefined && version < 3)
    throw new CodecError('unsupported', 'SAE password identifiers need version 3')
  return object
}

function version1(object: ConfigurationObject): ConfigurationObject {
  if (textSsid(object.ssid) === undefined)
    throw new CodecError('unsupported', 'an SSID that is no text needs version 2')
  return { ...object, cred: credential1(object.cred) }
}

function credential1({ akm, pass, psk, idpass, connector }: Credential): Credential {
  if (akm === 'dot1x') throw new CodecError('unsupported', 'enterprise needs version 2')
  if (idpass !== undefined) throw new CodecError('unsupported', 'SAE password identifiers need version 3')
  if (!hasSuite(akm, 'dpp')) return { akm, ...(pass !== undefined && { pass }), ...(psk !== undefined && { psk }) }
  if (connector === undefined) throw new CodecError('bad-value', 'akm dpp without Connector')
  const { ppKey: _, ...rest } = connector
  return { akm: 'dpp', connector: rest }
}
