import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import {
  type NetworkDefinition,
  type NetworkFinding,
  type NetworkTerms,
  networkFindings,
} from '../../domain/network-definition.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import { activeNetworks } from './network-definition.ts'

export interface DirectoryOptions {
  readonly store: Store
  readonly clock: Clock
}

export interface NetworkAnswer {
  readonly network: NetworkDefinition
  /** Warnings: what has an error is not accepted. */
  readonly findings: readonly NetworkFinding[]
  /** Devices with a credential for it, by the segment that they were configured for. */
  readonly devices: Readonly<Record<string, number>>
}

/**
 * Adds a network that devices can be configured for. Throws OnboardingError `network-refused` (detail `rule`, `reason`),
 * `network-exists`, `network-segment-taken`.
 */
export async function addNetwork(
  { store, clock }: DirectoryOptions,
  name: string,
  terms: NetworkTerms,
  by: string,
): Promise<NetworkAnswer> {
  const findings = acceptable(terms)
  const network = await store.transaction(async tx => {
    const known = await tx.network.get(name)
    if (known?.status === 'active') throw new OnboardingError('network-exists', { network: name })
    await requireSegments(tx, name, terms)
    return define(tx, known, { name, terms, by, at: clock() })
  })
  return { network, findings, devices: await devicesOf(store, name) }
}

/**
 * Changes a network. Devices that were configured for it learn of a new SSID, AKM or group when they are reconfigured; of
 * a new VLAN the access points alone. Throws as `addNetwork` does, and `not-found`, `network-in-use` for a segment that
 * devices are in.
 */
export async function changeNetwork(
  { store, clock }: DirectoryOptions,
  name: string,
  change: (before: NetworkDefinition) => NetworkTerms,
  by: string,
): Promise<NetworkAnswer> {
  const done = await store.transaction(async tx => {
    const known = await activeNetwork(tx, name)
    const terms = change(known)
    const findings = acceptable(terms)
    await requireSegments(tx, name, terms)
    const network = await define(tx, known, { name, terms, by, at: clock() })
    const devices = await usageOf(tx, name)
    const lost = Object.keys(devices).find(used => !terms.segments.some(segment => segment.name === used))
    if (lost !== undefined) {
      throw new OnboardingError('network-in-use', { network: name, segment: lost, devices: devices[lost] ?? 0 })
    }
    return { network, findings, devices }
  })
  return done
}

/** Takes a network away that no device has a credential for. Throws OnboardingError `not-found`, `network-in-use`. */
export async function removeNetwork({ store, clock }: DirectoryOptions, name: string, by: string): Promise<void> {
  await store.transaction(async tx => {
    const known = await activeNetwork(tx, name)
    const version = await tx.append(streamName('network', name), known.version, [
      { kind: 'network-removed', body: { by } },
    ])
    const devices = await tx.credential.count({ network: name, status: 'issued' })
    if (devices > 0) throw new OnboardingError('network-in-use', { network: name, devices })
    await tx.network.put({ ...known, status: 'removed', changedAt: clock(), changedBy: by, version })
  })
}

/** Throws OnboardingError `not-found`. */
export async function networkNamed(store: Store, name: string): Promise<NetworkAnswer> {
  return store.read(async tables => {
    const network = await activeNetwork(tables, name)
    const findings = networkFindings(termsOf(network))
    return { network, findings, devices: await usageOf(tables, name) }
  })
}

/** What somebody said of it. */
export function termsOf(network: NetworkDefinition): NetworkTerms {
  const { name: _, status: __, changedAt: ___, changedBy: ____, version: _____, ...terms } = network
  return terms
}

async function define(
  tx: Tx,
  known: NetworkDefinition | undefined,
  {
    name,
    terms,
    by,
    at,
  }: { readonly name: string; readonly terms: NetworkTerms; readonly by: string; readonly at: number },
): Promise<NetworkDefinition> {
  const version = await tx.append(streamName('network', name), known?.version ?? 0, [
    { kind: 'network-defined', body: { ...terms, by } },
  ])
  const network = { ...terms, name, status: 'active' as const, changedAt: at, changedBy: by, version }
  await tx.network.put(network)
  return network
}

function acceptable(terms: NetworkTerms): readonly NetworkFinding[] {
  const findings = networkFindings(terms)
  const refused = findings.find(({ severity }) => severity === 'error')
  if (refused === undefined) return findings
  throw new OnboardingError('network-refused', { rule: refused.rule, reason: refused.message })
}

async function requireSegments(tx: Tx, name: string, { segments }: NetworkTerms): Promise<void> {
  for (const other of await activeNetworks(tx)) {
    if (other.name === name) continue
    const taken = other.segments.find(each => segments.some(segment => segment.name === each.name))
    if (taken !== undefined) {
      throw new OnboardingError('network-segment-taken', { segment: taken.name, network: other.name })
    }
  }
}

async function activeNetwork(tables: Pick<Tables, 'network'>, name: string): Promise<NetworkDefinition> {
  const known = await tables.network.get(name)
  if (known?.status === 'active') return known
  throw new OnboardingError('not-found', { network: name })
}

function devicesOf(store: Store, name: string): Promise<Readonly<Record<string, number>>> {
  return store.read(tables => usageOf(tables, name))
}

/** Devices with a credential for the network that is in force, by the segment that they were configured for. */
export async function usageOf(
  tables: Pick<Tables, 'credential'>,
  network: string,
): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {}
  for (let after = ''; ; ) {
    const page = await tables.credential.find({ network, status: 'issued' }, { after, limit: 1000 })
    for (const { access } of page) if (access !== undefined) found[access.segment] = (found[access.segment] ?? 0) + 1
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return found
    after = last.id
  }
}
