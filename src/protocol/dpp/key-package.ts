import { decode, encode } from '../../codec/der/codec.ts'
import { oid } from '../../codec/der/oid.ts'
import { octetString, smallInteger } from '../../codec/der/primitive.ts'
import { utf8String } from '../../codec/der/string.ts'
import { any, element, explicit, octets, optional, sequence, sequenceOf, setOf } from '../../codec/der/structure.ts'
import { CodecError } from '../../codec/error.ts'
import { keyOid } from '../../codec/x509/algorithm.ts'
import { curveProfile, curves, type DppCurve } from './curve.ts'
import { type DppKeyPair, importScalar } from './key.ts'

/** What makes a Configurator: whoever has it, is it. Both keys are on one curve. */
export interface ConfiguratorKeys {
  /** Signs Connectors. */
  readonly csign: DppKeyPair
  /** Privacy protection key: opens E'-id in Reconfig Announcements. */
  readonly ppKey: DppKeyPair
  /** A Configuration Object without its secrets, JSON. hostap writes a constant there. */
  readonly configurationTemplate: string
  readonly connectorTemplate?: string
}

/** Under the arc of the Wi-Fi Alliance. */
export const dppOid = {
  configurationParameters: '1.3.6.1.4.1.40808.1.2.1',
  keyPackage: '1.3.6.1.4.1.40808.1.2.2',
} as const

/** SEC 1 appendix C.4. */
const EcPrivateKey = sequence({
  version: smallInteger,
  privateKey: octetString,
  parameters: optional(explicit(0, element(0x06))),
  publicKey: optional(explicit(1, any)),
})

const ConfigurationParameters = sequence({
  privacyProtectionKey: octets(EcPrivateKey),
  configurationTemplate: utf8String,
  connectorTemplate: optional(utf8String),
})

/** DPPAsymmetricKeyPackage: OneAsymmetricKey of RFC 5958, with its attributes behind an explicit tag. */
const KeyPackage = sequenceOf(
  sequence({
    version: smallInteger,
    algorithm: sequence({ algorithm: oid, parameters: element(0x06) }),
    privateKey: octets(EcPrivateKey),
    attributes: explicit(
      0,
      setOf(sequence({ type: oid, values: setOf(ConfigurationParameters, { min: 1 }) }), { min: 1 }),
    ),
  }),
  { min: 1 },
)

const limits = { size: 0x1_0000, depth: 12, count: 64 }
/** A Configurator has one pair, and those that it had before. */
const maxKeys = 16

export function encodeKeyPackage(keys: readonly ConfiguratorKeys[]): Buffer {
  return encode(
    KeyPackage,
    keys.map(({ csign, ppKey, configurationTemplate, connectorTemplate }) => ({
      version: 0,
      algorithm: { algorithm: keyOid.ecPublicKey, parameters: curveProfile(csign.curve).oid },
      privateKey: ecPrivateKey(csign),
      attributes: [
        {
          type: dppOid.configurationParameters,
          values: [
            {
              privacyProtectionKey: ecPrivateKey(ppKey),
              configurationTemplate,
              ...(connectorTemplate !== undefined && { connectorTemplate }),
            },
          ],
        },
      ],
    })),
  )
}

function ecPrivateKey({ privateKey, curve }: DppKeyPair) {
  return {
    version: 1,
    privateKey: privateKey.export({ format: 'raw-private' }),
    parameters: curveProfile(curve).oid,
  }
}

/**
 * Throws CodecError for what is no key package, and CryptoError `malformed-key` for a number that is no private key. A
 * public key beside a private one is passed over: it follows from it.
 */
export function decodeKeyPackage(der: Uint8Array): readonly ConfiguratorKeys[] {
  const entries = decode(KeyPackage, der, limits)
  if (entries.length > maxKeys) throw new CodecError('too-many', 'too many keys of a Configurator')
  return entries.map(({ version, algorithm, privateKey, attributes }) => {
    if (version > 1) throw new CodecError('unsupported', `key package of version ${version}`)
    if (algorithm.algorithm !== keyOid.ecPublicKey) throw new CodecError('unsupported', 'a C-sign key that is not EC')
    const curve = curveOfOid(algorithm.parameters)
    const values = attributes.find(({ type }) => type === dppOid.configurationParameters)?.values ?? []
    const [parameters, second] = values
    if (parameters === undefined) throw new CodecError('bad-value', 'a C-sign key without configuration parameters')
    if (second !== undefined) throw new CodecError('too-many', 'a C-sign key with two configuration parameters')
    const { privacyProtectionKey, configurationTemplate, connectorTemplate } = parameters
    return {
      csign: keyPair(curve, privateKey),
      ppKey: keyPair(curve, privacyProtectionKey),
      configurationTemplate,
      ...(connectorTemplate !== undefined && { connectorTemplate }),
    }
  })
}

type EcPrivateKey = ReturnType<(typeof EcPrivateKey)['read']>

function curveOfOid(der: Uint8Array): DppCurve {
  const found = curves.find(({ oid: each }) => Buffer.compare(each, der) === 0)
  if (found === undefined) throw new CodecError('unsupported', 'a C-sign key on no curve of Easy Connect')
  return found.curve
}

function keyPair(curve: DppCurve, { version, privateKey, parameters }: EcPrivateKey): DppKeyPair {
  if (version !== 1) throw new CodecError('unsupported', `EC private key of version ${version}`)
  if (parameters !== undefined && curveOfOid(parameters) !== curve) {
    throw new CodecError('bad-value', 'C-sign key and ppKey are not on one curve')
  }
  return importScalar(curve, privateKey)
}
