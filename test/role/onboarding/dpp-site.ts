import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { createSecretBox } from '../../../src/adapter/key/secret-box.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { NetworkTerms } from '../../../src/domain/network-definition.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { type DppKeyPair, exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { type BootstrappingUri, formatBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { createBootstrapping } from '../../../src/role/onboarding/bootstrapping.ts'
import { createConfigurator } from '../../../src/role/onboarding/configurator.ts'
import { createConfiguratorKeys } from '../../../src/role/onboarding/configurator-key.ts'
import { createConnectorIssuer } from '../../../src/role/onboarding/connector-credential.ts'
import { createDeviceConfiguration } from '../../../src/role/onboarding/device-configuration.ts'
import { createEnrolleeDecisions } from '../../../src/role/onboarding/enrollee-decision.ts'
import { createEnrolleeOutcomes } from '../../../src/role/onboarding/enrollee-outcome.ts'
import { createCredentialIssuer } from '../../../src/role/onboarding/network-credential.ts'
import { addNetwork } from '../../../src/role/onboarding/network-directory.ts'
import { createRefusalRecord } from '../../../src/role/onboarding/refusal-record.ts'
import type { Gate } from '../authorization/gate.ts'

/** A site with the Configurator's half, without sockets. */
export function dppSite(gate: Gate) {
  const { store, clock, authority, revocation } = gate
  const keys = createConfiguratorKeys({ store, clock, keys: memoryKeyStore() })
  const box = createSecretBox(new Secret(Buffer.alloc(32, 7)), 'test')
  const configuration = createDeviceConfiguration({
    store,
    clock,
    keys,
    connectors: createConnectorIssuer({ store, clock, random: randomBytes, box }),
    issuer: createCredentialIssuer({ store, clock, issuing: authority.issuing }),
    authority: () => authority,
  })
  const network = 'harbour-iot'
  const decisions = createEnrolleeDecisions({
    store,
    clock,
    admission: gate.admission,
    configuration,
    network,
    owners: ['harbour'],
    plan: { kind: 'network', lifetimeDays: 365, network },
    limit: () => {},
  })
  const outcomes = createEnrolleeOutcomes({ store, clock, revocation })
  const timers = new Set<{ readonly after: number; readonly task: () => void }>()
  const service = createConfigurator({
    ...{ store, clock, keys, decisions, outcomes },
    random: randomBytes,
    log: gate.log,
    schedule(after, task) {
      const timer = { after, task }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    refusals: createRefusalRecord(store, clock),
  })
  return {
    service,
    /** What has been waited for long enough. */
    passTime: () => {
      for (const timer of [...timers]) timer.task()
    },
    ownUri: async (curve: DppCurve = 'P-256') => {
      const { pair } = await keys.current('bootstrapping', curve)
      return formatBootstrappingUri({ publicKey: exportSpki(pair), curve, version: 3 })
    },
    keys,
    box,
    configuration,
    decisions,
    outcomes,
    bootstrapping: createBootstrapping({ store, clock }),
  }
}

export type DppSite = ReturnType<typeof dppSite>

/** Something with a bootstrapping key. */
export interface Lamp {
  readonly pair: DppKeyPair
  readonly uri: string
}

export function newLamp(curve: DppCurve = 'P-256', more: Partial<BootstrappingUri> = {}): Lamp {
  const pair = generateDppKey(curve)
  return { pair, uri: formatBootstrappingUri({ publicKey: exportSpki(pair), curve, mac: '020000000100', ...more }) }
}

export async function defineNetwork(gate: Gate, terms: Partial<NetworkTerms> = {}, name = 'lamps'): Promise<void> {
  const all: NetworkTerms = {
    ssid64: Buffer.from(name).toString('base64url'),
    akm: 'dpp',
    segments: [{ name: 'devices', group: name }],
    passphraseLength: 32,
    channels: [],
    netAccessKeyCurve: 'P-256',
    cSignCurve: 'P-256',
    pmksaCaching: false,
    ...terms,
  }
  await addNetwork(gate, name, all, 'test')
}
