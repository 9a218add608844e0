import type { KeyStore } from '../../crypto/signer.ts'
import type { Admission } from '../../domain/admission.ts'
import type { Clock, Log, Random, Store } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { exportSpki } from '../../protocol/dpp/key.ts'
import { type DppHost, formatBootstrappingUri, keyHash } from '../../protocol/dpp/uri.ts'
import type { AdmissionPolicy } from '../authorization/admission.ts'
import type { SiteAuthority } from './authority.ts'
import { type Bootstrapping, createBootstrapping } from './bootstrapping.ts'
import { type Configurator, createConfigurator } from './configurator.ts'
import { type ConfiguratorKeys, createConfiguratorKeys } from './configurator-key.ts'
import type { Schedule } from './configurator-port.ts'
import type { SessionTimes } from './configurator-session.ts'
import { createConnectorIssuer } from './connector-credential.ts'
import { createDeviceConfiguration } from './device-configuration.ts'
import { createEnrolleeDecisions } from './enrollee-decision.ts'
import { createEnrolleeOutcomes } from './enrollee-outcome.ts'
import { createCredentialIssuer } from './network-credential.ts'
import type { SecretBox } from './network-secret.ts'
import { createRefusalRecord } from './refusal-record.ts'
import type { Revocation } from './revocation.ts'
import { createWirelessAccess, type WirelessAccess } from './wireless-access.ts'

export interface SiteConfiguratorOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly schedule: Schedule
  /** Where the private keys of the Configurator are; it can be taken keys from. */
  readonly keys: KeyStore
  /** Seals the secrets of devices. */
  readonly box: SecretBox
  readonly authority: () => SiteAuthority
  readonly admission: Admission
  readonly policy: AdmissionPolicy
  readonly revocation: Revocation
  /** Throws when this process may not sign for the site now; asked before each signature. */
  readonly mayIssue?: () => void
  /** Stands in certificates: `http://host[:port]`. */
  readonly statusUrl?: string
  readonly times?: Partial<SessionTimes>
}

/** What others know the Configurator by. */
export interface ConfiguratorIdentity {
  /** `DPP:…;;`, for an access point that enrols, or for a device that scans. */
  readonly uri: string
  /** `pkhash` of hostapd's `dpp_controller`: SHA-256, 64 hex digits. */
  readonly keyHash: string
}

export interface SiteConfigurator {
  readonly service: Configurator
  readonly keys: ConfiguratorKeys
  readonly bootstrapping: Bootstrapping
  readonly access: WirelessAccess
  /** Its key of that curve, made at first use. */
  identity(curve?: DppCurve, host?: DppHost): Promise<ConfiguratorIdentity>
  close(): Promise<void>
}

/** Exchanges of one device. One has two requests at most; a device that was taken over must not fill the record. */
const perDeviceMinute = 30

/** Easy Connect at a site: everything that devices and access points talk to on port 8908, over one record. */
export function createSiteConfigurator(options: SiteConfiguratorOptions): SiteConfigurator {
  const { store, clock, random, log, schedule, box, authority, admission, policy, revocation, statusUrl, times } =
    options
  const { network, owners } = policy
  const { mayIssue = () => {} } = options
  const keys = createConfiguratorKeys({ store, keys: options.keys, clock })
  const issuer = createCredentialIssuer({
    store,
    clock,
    get issuing() {
      mayIssue()
      return authority().issuing
    },
  })
  const connectors = createConnectorIssuer({ store, clock, random, box, mayIssue })
  const decisions = createEnrolleeDecisions({
    store,
    clock,
    admission,
    configuration: createDeviceConfiguration({ store, clock, keys, connectors, issuer, authority }),
    network,
    owners,
    plan: {
      kind: 'network',
      lifetimeDays: policy.credentialLifetimeDays,
      network,
      ...(statusUrl === undefined ? {} : { statusUrl }),
    },
    limit: createRateLimit({ perMinute: perDeviceMinute, clock }),
  })
  const service = createConfigurator({
    store,
    clock,
    random,
    log,
    schedule,
    keys,
    decisions,
    outcomes: createEnrolleeOutcomes({ store, clock, revocation }),
    refusals: createRefusalRecord(store, clock),
    ...(times === undefined ? {} : { times }),
  })
  return {
    service,
    keys,
    bootstrapping: createBootstrapping({ store, clock }),
    access: createWirelessAccess({ store, revocation }),
    async identity(curve = 'P-256', host) {
      const { pair } = await keys.current('bootstrapping', curve)
      const publicKey = exportSpki(pair)
      const uri = formatBootstrappingUri({ publicKey, curve, version: 3, ...(host === undefined ? {} : { host }) })
      return { uri, keyHash: keyHash({ publicKey }).toString('hex') }
    },
    async close() {
      await service.close()
      keys.close()
    },
  }
}
