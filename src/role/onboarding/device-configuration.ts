import { hash } from 'node:crypto'
import type { JsonObject } from '../../codec/json.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import type { VerifiedCsr } from '../../crypto/csr.ts'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import type { CredentialPlan } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Store } from '../../domain/port.ts'
import { type ConfigurationObject, encodeConfigurationObject } from '../../protocol/dpp/configuration-object.ts'
import { forPeerVersion } from '../../protocol/dpp/configuration-version.ts'
import type { EnterpriseCredentials } from '../../protocol/dpp/enterprise.ts'
import { type DppPublicKey, keyId } from '../../protocol/dpp/key.ts'
import { encodeOwnershipProof, signNetworkStatement } from '../../protocol/dpp/network-statement.ts'
import type { SiteAuthority } from './authority.ts'
import { declarationOf } from './bootstrapping.ts'
import type { ConfiguratorKey, ConfiguratorKeys } from './configurator-key.ts'
import type { ConnectorIssuer, ConnectorRequest } from './connector-credential.ts'
import type { CredentialIssuer } from './network-credential.ts'
import {
  activeNetworks,
  type ConfigurationNeed,
  configurationFor,
  type NetworkConfiguration,
} from './network-definition.ts'

/** Who is to be configured, after admission. */
export interface ConfigurationRequestOfDevice {
  readonly device: string
  readonly attempt: string
  readonly configuration: NetworkConfiguration
  readonly plan: CredentialPlan
  readonly netAccessKey: DppPublicKey
  readonly version: number
  /** Where the network asks for a certificate: the device's own request, verified against this exchange. */
  readonly csr?: VerifiedCsr
  /** What it is on record by, for what its manufacturer declared. */
  readonly bootstrapping?: BootstrappingKeyRecord
  /** What must hold of the device at the moment of issue; throws OnboardingError. */
  readonly authorize: ConnectorRequest['authorize']
}

export interface MadeConfiguration {
  /** Configuration objects, encoded. */
  readonly objects: readonly Buffer[]
  /** Ids of the credentials in them; the first stands for the device in the network. */
  readonly credentials: readonly [string, ...string[]]
}

export interface DeviceConfiguration {
  /** What the networks of the site have for it. Throws OnboardingError `network-…`. */
  find(need: ConfigurationNeed): Promise<NetworkConfiguration>
  /** The credential on record, signed, and the objects that carry it. Throws OnboardingError. */
  make(request: ConfigurationRequestOfDevice): Promise<MadeConfiguration>
}

interface Options {
  readonly store: Store
  readonly clock: Clock
  readonly keys: ConfiguratorKeys
  readonly connectors: ConnectorIssuer
  readonly issuer: CredentialIssuer
  readonly authority: () => SiteAuthority
}

/** EAP-TLS (IANA EAP method types). */
const eapTls = 13

/** Turns what a network asks for into what a device is sent. */
export function createDeviceConfiguration(options: Options): DeviceConfiguration {
  const { store, clock, keys } = options
  const statements = createStatements(options.authority)
  return {
    find: need => store.read(async tables => configurationFor(await activeNetworks(tables), need, clock())),
    async make(request) {
      const { configuration } = request
      // Known before anything is on record: hostap has enterprise from version 2 on.
      if (configuration.akm === 'dot1x' && request.version < 2) {
        throw new OnboardingError('network-version-old', { network: configuration.network })
      }
      const cSign = await keys.current('c-sign', configuration.cSignCurve)
      const thirdParty = await proofOf(store, request, () => statements(cSign))
      const made =
        configuration.akm === 'dot1x' ? certified(options, request, cSign) : connected(options, request, cSign)
      const { cred, credentials } = await made
      const object: ConfigurationObject = { ssid: configuration.ssid, cred, thirdParty }
      const objects = forPeerVersion([object], request.version).map(each => encodeConfigurationObject(each))
      return { objects, credentials }
    },
  }
}

type Made = Promise<{ readonly cred: ConfigurationObject['cred'] } & Pick<MadeConfiguration, 'credentials'>>

/** A Connector, and where the network wants one a secret. */
async function connected(
  { keys, connectors }: Options,
  request: ConfigurationRequestOfDevice & { readonly beside?: true },
  cSign: ConfiguratorKey,
): Made {
  const { configuration } = request
  const pp = await keys.current('pp', configuration.cSignCurve)
  const { credential, connector, secret } = await connectors.issue({ ...request, cSign })
  const { akm, passwordId } = credential.access ?? configuration.access
  return {
    credentials: [credential.id],
    cred: {
      akm,
      ...(secret === undefined ? {} : { pass: secret }),
      ...(passwordId === undefined ? {} : { idpass: passwordId }),
      connector: { signedConnector: connector, csign: cSign.pair, kid: keyId(cSign.pair), ppKey: pp.pair },
    },
  }
}

/**
 * A certificate of the same CA as by EST, for the key of this exchange. The Connector beside it is what reconfiguration rests
 * on; hostap takes no enterprise configuration without one.
 */
async function certified(options: Options, request: ConfigurationRequestOfDevice, cSign: ConfiguratorKey): Made {
  const { issuer, authority } = options
  const { configuration, csr, plan, device, authorize } = request
  const { dot1x, network, access } = configuration
  if (csr === undefined || dot1x === undefined) throw new OnboardingError('internal', { network })
  const reconfigurable = await connected(options, { ...request, beside: true }, cSign)
  const leaf = await issuer.issue({ device, csr, plan, place: { network, access }, authorize })
  const { issuing, root } = authority()
  const entCreds: EnterpriseCredentials = {
    // The device's own first: hostap takes the first one for it.
    certBag: [leaf, issuing.certificate.der],
    caCert: dot1x.ca === undefined ? root.der : Buffer.from(dot1x.ca, 'base64'),
    trustedEapServerName: dot1x.serverName,
    eapMethods: [eapTls],
  }
  const credential = hash('sha256', decodeCertificate(leaf).tbsDer)
  return {
    credentials: [credential, ...reconfigurable.credentials],
    cred: { ...reconfigurable.cred, akm: 'dot1x', entCreds },
  }
}

/** What the device can hold against its manufacturer's root: whose it is, and that this network is theirs. */
async function proofOf(
  store: Store,
  { bootstrapping }: ConfigurationRequestOfDevice,
  statement: () => Promise<Buffer>,
): Promise<JsonObject> {
  if (bootstrapping?.declaration === undefined) return {}
  const declaration = await store.read(tables => declarationOf(tables, bootstrapping))
  if (declaration === undefined) return {}
  return encodeOwnershipProof({ declaration: Buffer.from(declaration), network: await statement() })
}

/** The registrar's word on each C-sign key, given once for each certificate of the registrar. */
function createStatements(authority: () => SiteAuthority): (cSign: ConfiguratorKey) => Promise<Buffer> {
  let of: unknown
  let known = new Map<string, Promise<Buffer>>()
  return ({ record, pair }) => {
    const { registrar } = authority()
    if (of !== registrar) {
      of = registrar
      known = new Map()
    }
    const made =
      known.get(record.id) ??
      signNetworkStatement(pair, { signer: registrar.signer, chain: [registrar.certificate, ...registrar.chain] })
    known.set(record.id, made)
    return made
  }
}
