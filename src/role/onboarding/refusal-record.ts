import { hash } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { formatName } from '../../codec/x509/name.ts'
import type { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Peer, Store } from '../../domain/port.ts'

/** Refusals kept per minute. A flood of strangers must not fill the ledger; the log counts them all. */
const perMinute = 120

export interface RefusalRecord {
  record(error: OnboardingError, peer: Pick<Peer, 'address' | 'certificates' | 'connection'>): Promise<void>
}

/**
 * Keeps refusals of peers whose identity was not proven. They never touch a device's own record: whoever only claims a
 * serial number could otherwise write into the history of the genuine device.
 */
export function createRefusalRecord(store: Store, clock: Clock): RefusalRecord {
  let minute = 0
  let kept = 0
  return {
    async record(error, peer) {
      // The record's own trouble is no refusal, and where it cannot be written there is nothing to wait for.
      if (error.code.startsWith('store-')) return
      const at = clock()
      const now = Math.floor(at / 60_000)
      if (now !== minute) {
        minute = now
        kept = 0
      }
      if (kept >= perMinute) return
      kept++
      const certificate = peer.certificates[0]
      const facts = {
        code: error.code,
        address: peer.address,
        at,
        facts: { ...error.detail },
        ...(certificate === undefined ? {} : { certificateHash: hash('sha256', certificate, 'hex') }),
        ...claimedSubject(certificate),
      }
      // One stream an attempt: strangers share no version to contend for.
      const stream = streamName(
        'refusal',
        hash('sha256', JSON.stringify([facts, peer.connection, kept]), 'hex').slice(0, 24),
      )
      await store.transaction(tx => tx.append(stream, 0, [{ kind: 'stranger-refused', body: facts }]))
    },
  }
}

/** Whom the stranger claims to be; nothing of it is proven. */
function claimedSubject(certificate: Uint8Array | undefined): { readonly claims?: string } {
  if (certificate === undefined) return {}
  try {
    return { claims: formatName(decodeCertificate(certificate).subject).slice(0, 200).toWellFormed() }
  } catch (error) {
    if (error instanceof CodecError) return {}
    throw error
  }
}
