import type { RevocationReason } from '../../codec/crl.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Store } from '../../domain/port.ts'
import type { Revocation } from './revocation.ts'

/** What a device had for wireless networks, and has no more. */
export interface EndedAccess {
  readonly device: string
  readonly credentials: readonly EndedCredential[]
}

export interface EndedCredential {
  readonly id: string
  readonly form: 'certificate' | 'connector'
  readonly network?: string
  /**
   * Until when an access point that does not ask us takes it nevertheless, milliseconds: a Connector is judged by whoever
   * meets it, from its signature and its expiry. A certificate is of no use at once where RADIUS asks, a secret where the
   * access point's file is written anew.
   */
  readonly takenUntil?: number
}

export interface WirelessAccess {
  /**
   * Ends what the device has, and lets it have something new: it asks by its Connector when it finds no way in, and the
   * policies are asked again. Throws OnboardingError `device-not-found`, `not-found` when it has nothing.
   */
  reconfigure(device: string, by: string): Promise<EndedAccess>
  /** Ends what the device has. Its Connector gets it nothing any more; its bootstrapping key still may. Throws as above. */
  revoke(device: string, by: string): Promise<EndedAccess>
}

export function createWirelessAccess(options: {
  readonly store: Store
  readonly revocation: Pick<Revocation, 'revoke'>
}): WirelessAccess {
  return {
    reconfigure: (device, by) => end(options, device, 'superseded', by),
    revoke: (device, by) => end(options, device, 'privilegeWithdrawn', by),
  }
}

async function end(
  { store, revocation }: Parameters<typeof createWirelessAccess>[0],
  device: string,
  reason: RevocationReason,
  by: string,
): Promise<EndedAccess> {
  const found = await store.read(async tables => {
    if ((await tables.device.get(device)) === undefined) throw new OnboardingError('device-not-found', { device })
    return (await tables.credential.find({ device, status: 'issued' }, { limit: 1000 })).filter(isWireless)
  })
  if (found.length === 0) throw new OnboardingError('not-found', { device, wireless: 'no credential in force' })
  for (const { id } of found) await revocation.revoke(id, reason, by)
  return { device, credentials: found.map(ended) }
}

/** A Connector, or whatever else a device was configured with for a wireless network. */
export function isWireless({ network, form }: CredentialRecord): boolean {
  return network !== undefined || form === 'connector'
}

function ended({ id, form, network, notAfter }: CredentialRecord): EndedCredential {
  return {
    id,
    form: form ?? 'certificate',
    ...(network === undefined ? {} : { network }),
    ...(form === 'connector' ? { takenUntil: notAfter } : {}),
  }
}
