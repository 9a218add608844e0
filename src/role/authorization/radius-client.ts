import { hash } from 'node:crypto'
import { addressOctets } from '../../codec/x509/host-name.ts'
import { Secret } from '../../crypto/secret.ts'
import type { RadiusClientRecord } from '../../domain/access-session.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Log, Random, Store, Tables } from '../../domain/port.ts'
import type { SecretBox } from '../onboarding/network-secret.ts'
import type { RadiusClient } from './radius-port.ts'

export interface RadiusClientTerms {
  readonly name: string
  readonly address: string
  readonly disconnectPort?: number
  /** Absent: one is made. */
  readonly secret?: Secret
}

/** RFC 5176 section 2.3. */
const usualDisconnectPort = 3799
/** RFC 2865 section 3: at least as large and unguessable as a well-chosen password; 22 of ours have 132 bits. */
const minSecret = 16
const minDifferent = 8
const madeSecret = 22

export interface RadiusClients {
  /**
   * @returns the secret beside the record only when it was made here: to be shown once. Throws OnboardingError
   * `input-invalid`, `radius-client-exists`, `radius-address-taken`, `radius-secret-weak`.
   */
  add(terms: RadiusClientTerms, by: string): Promise<{ readonly client: RadiusClientRecord; readonly made?: Secret }>
  /** Throws OnboardingError `not-found`. */
  remove(name: string, by: string): Promise<void>
  /** Who sends from that address; for a listener, so from memory. */
  at(address: string): RadiusClient | undefined
  /** With its secret. Undefined when it is not active. */
  named(name: string): (RadiusClientRecord & { readonly secret: Secret }) | undefined
  /** Reads the record again; done by itself after each change. */
  refresh(): Promise<void>
  close(): void
}

export function createRadiusClients(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly box: SecretBox
}): RadiusClients {
  const { store, clock, random, box, log } = options
  let known: readonly (RadiusClientRecord & { readonly secret: Secret })[] = []
  const read = async () => {
    const records = await store.read(allActive)
    known = records.flatMap(record => {
      const secret = box.open(record.box, contextOf(record.name))
      if (secret === undefined) log.error({ client: record.name }, 'the secret of a RADIUS client does not open')
      return secret === undefined ? [] : [{ ...record, secret }]
    })
  }
  // One after the other: what was read before a client was removed must not come last.
  let reading: Promise<void> = Promise.resolve()
  const refresh = () => {
    reading = reading.catch(() => {}).then(read)
    return reading
  }
  const end = store.onCommit(
    () => void refresh().catch((error: unknown) => log.error({ error }, 'RADIUS clients could not be read')),
    ['radius-client'],
  )
  return {
    async add(terms, by) {
      const { name, address, disconnectPort = usualDisconnectPort } = terms
      if (addressOctets(address) === undefined)
        throw new OnboardingError('input-invalid', { field: 'address', rule: 'an IP address' })
      const secret = terms.secret === undefined ? makeSecret(random) : strong(terms.secret)
      const client = await store.transaction(async tx => {
        const before = await tx.radiusClient.get(name)
        if (before?.status === 'active') throw new OnboardingError('radius-client-exists', { client: name })
        const sealed = box.seal(secret, contextOf(name))
        const version = await tx.append(streamName('radius-client', name), before?.version ?? 0, [
          { kind: 'radius-client-added', body: { address, disconnectPort, secretHash: hash('sha256', sealed), by } },
        ])
        const [other] = await tx.radiusClient.find({ address, status: 'active' }, { limit: 1 })
        if (other !== undefined) throw new OnboardingError('radius-address-taken', { address, client: other.name })
        const changed = { changedAt: clock(), changedBy: by, version }
        const record: RadiusClientRecord = { name, status: 'active', address, disconnectPort, box: sealed, ...changed }
        await tx.radiusClient.put(record)
        return record
      })
      await refresh()
      return { client, ...(terms.secret === undefined ? { made: secret } : {}) }
    },
    async remove(name, by) {
      await store.transaction(async tx => {
        const before = await tx.radiusClient.get(name)
        if (before?.status !== 'active') throw new OnboardingError('not-found', { client: name })
        const version = await tx.append(streamName('radius-client', name), before.version, [
          { kind: 'radius-client-removed', body: { by } },
        ])
        await tx.radiusClient.put({ ...before, status: 'removed', changedAt: clock(), changedBy: by, version })
      })
      await refresh()
    },
    at(address) {
      const found = known.find(client => client.address === address)
      return found === undefined ? undefined : { id: found.name, secret: found.secret }
    },
    named: name => known.find(client => client.name === name),
    refresh,
    close: end,
  }
}

async function allActive(tables: Tables): Promise<readonly RadiusClientRecord[]> {
  const found: RadiusClientRecord[] = []
  for (let after = ''; ; ) {
    const page = await tables.radiusClient.find({ status: 'active' }, { after, limit: 1000 })
    found.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return found
    after = last.name
  }
}

function makeSecret(random: Random): Secret {
  const bytes = Buffer.from(random(madeSecret))
  const secret = new Secret(bytes.toString('base64url').slice(0, madeSecret))
  bytes.fill(0)
  return secret
}

function strong(secret: Secret): Secret {
  const octets = secret.reveal()
  const printable = octets.every(octet => octet >= 0x21 && octet <= 0x7e)
  if (!printable || octets.length > 128)
    throw new OnboardingError('input-invalid', { field: 'secret', rule: '16 to 128 visible ASCII characters' })
  if (octets.length < minSecret || new Set(octets).size < minDifferent) throw new OnboardingError('radius-secret-weak')
  return secret
}

function contextOf(name: string): string {
  return `mooring RADIUS client 1\n${name}`
}
