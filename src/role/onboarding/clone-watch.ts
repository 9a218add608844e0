import { Recent } from '../../crypto/recent.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { placeOf, type Sighting, sighted, takesTurns } from '../../domain/device-hold.ts'
import type { Clock, Log } from '../../domain/port.ts'
import type { DeviceHolds } from './device-hold.ts'

/** Credentials that are watched at once, at least. A site of this size sees each one every few minutes at most. */
const watched = 10_000

/** Requests that were under way with the credential before, when the new one was shown. */
const settling = 300_000

/** Sees one identity in two places. What it has seen is in memory: it is about minutes. */
export interface CloneWatch {
  /** A credential in force was used from there. */
  used(credential: CredentialRecord, address: string): Promise<void>
  /** A credential that is not in force any more was shown, with its key. */
  spent(credential: CredentialRecord, address: string): Promise<void>
}

/**
 * Two signs, each of which a single device cannot give: one credential used from two places by turns, and a credential shown
 * after its device has renewed it and shown the new one - a device writes the new one over the old.
 */
export function createCloneWatch(options: {
  readonly clock: Clock
  readonly log: Log
  readonly holds: Pick<DeviceHolds, 'suspectClone'>
}): CloneWatch {
  const { clock, log, holds } = options
  const sightings = new Recent<readonly Sighting[]>(watched)
  async function suspect(device: string, reason: string, places: readonly Sighting[]): Promise<void> {
    log.warn({ code: 'device-clone-suspected', device, reason, places }, 'one identity in two places: both are held')
    await holds.suspectClone(device, reason, places)
  }
  return {
    async used({ id, device }, address) {
      const next = sighted(sightings.get(id) ?? [], { place: placeOf(address), at: clock() })
      sightings.set(id, next)
      if (takesTurns(next)) await suspect(device, 'two-places-by-turns', next)
    },
    async spent({ device, status, revocationReason, revokedAt = 0, notAfter }, address) {
      const at = clock()
      if (status !== 'revoked' || revocationReason !== 'superseded') return
      if (at > notAfter || at - revokedAt <= settling) return
      await suspect(device, 'replaced-credential-used', [{ place: placeOf(address), at }])
    },
  }
}
