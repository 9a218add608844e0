import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import { type CredentialRecord, revokeCredential } from '../../domain/credential.ts'
import type { DeviceEvent } from '../../domain/device.ts'
import { connectionMoves } from '../../domain/lifecycle-onboarding.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import { recordOnDevice } from './device-record.ts'
import type { Revocation } from './revocation.ts'
import { isWireless } from './wireless-access.ts'

/** What became of a configuration, as the device says under the key of its exchange. */
export interface EnrolleeOutcomes {
  /** `status`: of its Configuration Result; OK where a device of version 1 sends none. */
  resulted(key: BootstrappingKeyRecord, credentials: readonly string[], status: number): Promise<void>
  /** `result`: of its Connection Status, on a direct connection. */
  connected(key: BootstrappingKeyRecord, credentials: readonly string[], result: number): Promise<void>
}

export function createEnrolleeOutcomes(options: {
  readonly store: Store
  readonly clock: Clock
  readonly revocation: Revocation
}): EnrolleeOutcomes {
  const { store, clock, revocation } = options
  return {
    async resulted(key, credentials, status) {
      if (status === dppStatus.ok) await store.transaction(tx => recordAccepted(tx, key, credentials, clock()))
      else {
        await recordRejected(options, key.device, status)
        for (const credential of credentials) {
          await revocation.revoke(credential, 'cessationOfOperation', 'the device, which rejected it')
        }
      }
    },
    async connected({ device }, [credential], result) {
      const at = clock()
      await store.transaction(tx =>
        recordOnDevice(tx, device, current => {
          if (result !== dppStatus.ok) {
            const note = `connection status ${result}`
            return [{ kind: 'onboarding-refused', body: { code: 'dpp-not-connected', at, note } }]
          }
          if (credential === undefined || current.credential !== credential) return []
          return [{ kind: 'device-connected', body: { credential, at } }, ...connectionMoves(current, at)]
        }),
      )
    },
  }
}

/** What it had before for a wireless network is of no use any more; a credential for the wire is none of this. */
async function recordAccepted(
  tx: Tx,
  key: BootstrappingKeyRecord,
  credentials: readonly string[],
  at: number,
): Promise<void> {
  const { device } = key
  let replaced: readonly CredentialRecord[] = []
  await recordOnDevice(tx, device, async ({ attempt }) => {
    const issued = await tx.credential.find({ device, status: 'issued' })
    const wireless = issued.filter(isWireless)
    const current = wireless.some(({ id }) => credentials.includes(id))
    replaced = current ? wireless.filter(({ id }) => !credentials.includes(id)) : []
    return [
      { kind: 'enroll-status-reported', body: { enrolled: true, withNewCredential: true } },
      ...declarationEvidence(key, attempt?.id ?? ''),
      ...replaced.map(
        ({ id }): DeviceEvent => ({
          kind: 'credential-revoked',
          body: { credential: id, reason: 'superseded', by: 'a newer configuration' },
        }),
      ),
    ]
  })
  for (const record of replaced) await tx.credential.put(revokeCredential(record, { at, reason: 'superseded' }))
}

/** What its manufacturer signed went with the configuration, and the device has taken it. */
function declarationEvidence({ declaration }: BootstrappingKeyRecord, attempt: string): DeviceEvent[] {
  if (declaration === undefined) return []
  const note = 'in the encrypted configuration, which the device accepted'
  const items = [{ step: 'declaration-sent', result: 'pass', note }] as const
  return [{ kind: 'evidence-recorded', body: { attempt, transcript: declaration, items } }]
}

async function recordRejected(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  device: string,
  status: number,
): Promise<void> {
  const reason = `status ${status} of the configuration result`
  await store.transaction(tx =>
    recordOnDevice(tx, device, () => [
      { kind: 'enroll-status-reported', body: { enrolled: false, withNewCredential: true, reason } },
      { kind: 'onboarding-refused', body: { code: 'dpp-configuration-rejected', at: clock(), note: reason } },
    ]),
  )
}
