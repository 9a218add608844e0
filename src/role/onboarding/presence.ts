import { type CredentialRecord, revokeCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { connectionMoves } from '../../domain/lifecycle-onboarding.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Store, Tx } from '../../domain/port.ts'
import { checkRecall } from '../supply-chain/recall-check.ts'
import type { CredentialCheck, CredentialHolder } from './credential-holder.ts'
import { recordOnDevice } from './device-record.ts'
import type { RefusalRecord } from './refusal-record.ts'
import { checkStanding, checkStay } from './standing.ts'

export const presencePath = '/.well-known/mooring/presence'

/**
 * Where a device shows itself with its network credential: mutual TLS with an LDevID that is in force. Until an access
 * point or a switch reports connections, this is what `connected` rests on.
 */
export function createPresence(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly credentials: CredentialCheck
  readonly refusals: RefusalRecord
  readonly network: string
}): Endpoint {
  const { store, clock, log, credentials, refusals, network } = options
  return {
    async handle(request: EndpointRequest): Promise<EndpointReply | undefined> {
      if (request.path !== presencePath) return undefined
      if (request.method !== 'GET') return { status: 405, headers: { allow: 'GET' } }
      try {
        const holder = await credentials.holder(request.peer)
        if (holder === undefined) throw new OnboardingError('credential-required')
        const device = await store.transaction(tx => recordConnection(tx, holder, clock()))
        return {
          status: 200,
          headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
          body: JSON.stringify({ network, device: device.id, serial: device.serial }),
        }
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: request.peer.address }, 'connection refused')
        await refusals.record(error, request.peer)
        return refusalReply(error)
      }
    },
  }
}

async function recordConnection(tx: Tx, holder: CredentialHolder, at: number): Promise<Device> {
  const reason = 'superseded'
  let replaced: readonly CredentialRecord[] = []
  const device = await recordOnDevice(tx, holder.device, async current => {
    checkStanding(current)
    await checkRecall(tx, current)
    checkStay(current)
    replaced = await replacedCredentials(tx, holder)
    return [
      ...connection(current, holder, at, replaced.length > 0),
      ...replaced.map(
        ({ id }): DeviceEvent => ({ kind: 'credential-revoked', body: { credential: id, reason, by: 'renewal' } }),
      ),
    ]
  })
  for (const record of replaced) await tx.credential.put(revokeCredential(record, { at, reason }))
  return device
}

function connection(device: Device, holder: CredentialHolder, at: number, renewed: boolean): DeviceEvent[] {
  // Once a day is enough to know that it lives; each request is not an event. The first one with a new credential is.
  const fresh = device.rung === 'connected' && device.connectedAt !== undefined && at - device.connectedAt < 86_400_000
  // The one before, while a newer one has not been shown yet, tells the record nothing.
  const current = device.credential === holder.credential.id
  if ((fresh && !renewed) || !current) return []
  const events: DeviceEvent[] = [{ kind: 'device-connected', body: { credential: holder.credential.id, at } }]
  events.push(...connectionMoves(device, at))
  return events
}

/** A renewed credential ends the ones before it, but only now that the device has shown that it works. */
async function replacedCredentials(tx: Tx, holder: CredentialHolder): Promise<readonly CredentialRecord[]> {
  const issued = await tx.credential.find({ device: holder.device, status: 'issued' })
  const { id, form, network, notBefore } = holder.credential
  // What it has for another network, or in another form, is of use there.
  const alike = issued.filter(each => each.form === form && each.network === network)
  return alike.filter(each => each.id !== id && each.notBefore <= notBefore)
}
