import { hash } from 'node:crypto'
import type { Secret } from '../../crypto/secret.ts'
import { type CredentialRecord, issueCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Random, Store, Tables, Tx } from '../../domain/port.ts'
import { type ConnectorFields, connectorSigningInput, encodeConnector } from '../../protocol/dpp/connector.ts'
import { type DppPublicKey, exportUncompressedSpki, signRaw } from '../../protocol/dpp/key.ts'
import { checkRecall } from '../supply-chain/recall-check.ts'
import type { ConfiguratorKey } from './configurator-key.ts'
import { recordOnDevice } from './device-record.ts'
import type { NetworkConfiguration } from './network-definition.ts'
import { accessGranted, type GrantedAccess, grantAccess, type SecretBox } from './network-secret.ts'

/** Who gets a Connector, and what holds of it. */
export interface ConnectorRequest {
  readonly device: string
  /** Of the exchange: one attempt, one Connector. */
  readonly attempt: string
  readonly configuration: NetworkConfiguration
  readonly netAccessKey: DppPublicKey
  /** Version of the protocol that the device speaks. */
  readonly version: number
  readonly cSign: ConfiguratorKey
  /** Beside a certificate, which stands for the device in its network. */
  readonly beside?: true
  /** What must hold of the device at the moment of issue; throws OnboardingError. */
  readonly authorize: (device: Device, tables: Pick<Tables, 'credential' | 'network'>) => void | Promise<void>
}

export interface IssuedConnector {
  readonly credential: CredentialRecord
  /** Compact JWS. */
  readonly connector: string
  /** The secret that only this device has, where the network wants one. */
  readonly secret?: Secret
}

export interface ConnectorIssuer {
  issue(request: ConnectorRequest): Promise<IssuedConnector>
}

/**
 * A Connector is a network credential like a certificate: its bytes stand in the ledger before they are signed, and it is on
 * record as issued before it is sent. With it goes the secret that the device gets beside it, sealed.
 */
export function createConnectorIssuer(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly box: SecretBox
  /** Throws when this process may not sign now. */
  readonly mayIssue?: () => void
}): ConnectorIssuer {
  const { store, clock } = options
  return {
    async issue(request) {
      options.mayIssue?.()
      const { planned, granted } = await plan(options, request)
      const input = Buffer.from(planned.tbs, 'base64')
      const connector = signed(input, request.cSign)
      const credential = await store.transaction(tx => recordIssued(tx, planned, connector, request))
      const at = clock()
      // A clock that was turned back must not make it good for longer than it was meant to be.
      if (at > credential.notAfter) throw new OnboardingError('credential-not-in-force', { credential: credential.id })
      return { credential, connector, ...(granted.secret === undefined ? {} : { secret: granted.secret }) }
    },
  }
}

function signed(input: Buffer, { pair }: ConfiguratorKey): string {
  return encodeConnector(input.toString('latin1'), signRaw(pair, input))
}

type Options = Parameters<typeof createConnectorIssuer>[0]

async function plan(
  { store, clock, random, box }: Options,
  request: ConnectorRequest,
): Promise<{ readonly planned: CredentialRecord; readonly granted: GrantedAccess }> {
  const { device: id, configuration, netAccessKey } = request
  const granted = grantAccess({ box, random }, id, configuration)
  const keyHash = hash('sha256', exportUncompressedSpki(netAccessKey))
  const planned = recordOf(request, granted, { keyHash, at: clock() })
  await store.transaction(async tx => {
    await recordOnDevice(tx, id, async device => {
      await request.authorize(device, tx)
      await checkRecall(tx, device)
      await checkKey(tx, id, keyHash)
      const { id: credential, serialHex, notAfter } = planned
      return [
        { kind: 'credential-planned', body: { credential, serialHex, notAfter } },
        ...(request.beside ? [] : [accessGranted(credential, configuration.network, granted.access)]),
      ]
    })
    await insert(tx, planned)
  })
  return { planned, granted }
}

function recordOf(
  request: ConnectorRequest,
  { access }: GrantedAccess,
  { keyHash, at }: { readonly keyHash: string; readonly at: number },
): CredentialRecord {
  const { device, attempt, configuration, netAccessKey, version, cSign } = request
  const { groups, expiry, network } = configuration
  const fields: ConnectorFields = {
    groups,
    netAccessKey,
    expiry: new Date(expiry),
    ...(version >= 3 ? { version } : {}),
  }
  const tbs = Buffer.from(connectorSigningInput(fields, cSign.pair))
  const id = hash('sha256', tbs)
  return {
    id,
    device,
    kind: 'network',
    form: 'connector',
    status: 'planned',
    // A Connector has no number of its own; that of the record is as good as any.
    serialHex: id.slice(0, 32),
    requestHash: hash('sha256', `${device}\0${attempt}\0${id}`),
    keyHash,
    issuer: cSign.record.id,
    notBefore: at,
    // Whole seconds, as in the Connector.
    notAfter: Math.floor(expiry / 1000) * 1000,
    tbs: tbs.toString('base64'),
    ...(request.beside ? {} : { network, access }),
  }
}

/** A key that was given up, or taken from the device, gets no Connector again. */
async function checkKey(tx: Tx, device: string, keyHash: string): Promise<void> {
  const ofKey = await tx.credential.find({ keyHash }, { limit: 1000 })
  const given = ofKey.find(record => record.status === 'revoked' && record.revocationReason !== 'superseded')
  if (given !== undefined) throw new OnboardingError('dpp-key-in-use', { device, credential: given.id })
}

async function insert(tx: Tx, record: CredentialRecord): Promise<void> {
  try {
    await tx.credential.insert(record)
  } catch (error) {
    if (!(error instanceof OnboardingError) || error.code !== 'store-exists') throw error
    // Of another device: a copied key, or a broken generator.
    throw new OnboardingError('dpp-key-in-use', { device: record.device }, { cause: error })
  }
}

async function recordIssued(
  tx: Tx,
  planned: CredentialRecord,
  connector: string,
  { authorize, attempt }: ConnectorRequest,
): Promise<CredentialRecord> {
  const credential = issueCredential(planned, Buffer.from(connector).toString('base64'))
  await recordOnDevice(tx, planned.device, async device => {
    // Rights end in between, too.
    await authorize(device, tx)
    await checkRecall(tx, device)
    return issued(credential, connector, attempt)
  })
  await tx.credential.put(credential)
  return credential
}

function issued({ id, notAfter }: CredentialRecord, connector: string, attempt: string): DeviceEvent[] {
  return [
    { kind: 'credential-issued', body: { credential: id, certificateHash: hash('sha256', connector), notAfter } },
    {
      kind: 'evidence-recorded',
      body: {
        attempt,
        transcript: attempt,
        items: [{ step: 'credential-provisioned', result: 'pass', note: 'Connector for a key made on the device' }],
      },
    },
  ]
}
