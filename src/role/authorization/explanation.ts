import { OnboardingError } from '../../domain/error.ts'
import { type StoredEvent, streamName } from '../../domain/event.ts'
import {
  factsHash,
  type PolicyBasis,
  type PolicyDecision,
  type PolicyQuestion,
  type PolicySummary,
} from '../../domain/policy.ts'
import type { Store } from '../../domain/port.ts'
import type { PolicyPoint } from './policy-point.ts'

/** A decision of the record, taken apart. */
export interface Explanation {
  readonly device: string
  readonly question: PolicyQuestion
  /** Version of the device's stream: the event that holds it. */
  readonly event: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly verdict: string
  readonly code?: string
  /** In the order in which they were asked; with an admission only. */
  readonly reasons: readonly { readonly rule: string; readonly holds: boolean; readonly note: string }[]
  /** Absent where no policy was asked. */
  readonly basis?: PolicyBasis
  /** The policies that decided, as the version on record has them. */
  readonly deciding: readonly PolicySummary[]
  /** The facts are those that were written down with their hash. */
  readonly factsIntact?: boolean
  /** The same version, asked again on the same facts, gives the same answer. */
  readonly reproduced?: boolean
  /** What it gives. */
  readonly again?: PolicyDecision
}

/** Events read at once, from the newest backwards. */
const window = 200

/**
 * The newest decision about a device, or the one in a given event of it. Throws OnboardingError `device-not-found`,
 * `not-found` where nothing was decided.
 */
export async function explainDecision(
  { store, point }: { readonly store: Store; readonly point: Pick<PolicyPoint, 'open'> },
  id: string,
  event?: number,
): Promise<Explanation> {
  const device = await store.read(tables => tables.device.get(id))
  if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
  const stream = streamName('device', id)
  const found =
    event === undefined ? await newestDecision(store, stream, device.version) : await decisionAt(store, stream, event)
  if (found === undefined) throw new OnboardingError('not-found', { device: id, decision: event ?? 'none yet' })
  const { basis, reasons = [], verdict, code, at } = found.body as unknown as Decided
  const question = found.kind === 'stay-decided' ? 'stay' : 'admit'
  const head = { device: id, question, event: found.version, at, verdict, reasons } as const
  const coded = code === undefined ? head : { ...head, code }
  if (basis === undefined) return { ...coded, deciding: [] }
  const version = await store.read(tables => tables.policy.get(basis.version))
  const factsIntact = factsHash(basis.facts) === basis.factsHash
  // A site that had no policies of its own yet decided by a profile, which this program may have changed.
  if (version === undefined) return { ...coded, basis, deciding: [], factsIntact }
  const loaded = point.open(version)
  const again = loaded.decide(question, basis.facts)
  const asked = { admit: 'permit', wait: 'wait', permit: 'permit' }[verdict] ?? 'refuse'
  const reproduced = again.verdict === asked && again.policies.join() === basis.policies.join()
  const deciding = (loaded.set?.policies ?? []).filter(each => basis.policies.includes(each.id))
  return { ...coded, basis, deciding, factsIntact, reproduced, again }
}

interface Decided {
  readonly verdict: string
  readonly code?: string
  readonly reasons?: Explanation['reasons']
  readonly basis?: PolicyBasis
  readonly at: number
}

function isDecision({ kind }: StoredEvent): boolean {
  return kind === 'admission-decided' || kind === 'stay-decided'
}

async function newestDecision(store: Store, stream: string, version: number): Promise<StoredEvent | undefined> {
  for (let end = version; end > 0; end -= window) {
    const from = Math.max(0, end - window)
    const events = await store.history(stream, from, end - from)
    const found = events.findLast(isDecision)
    if (found !== undefined) return found
  }
  return undefined
}

async function decisionAt(store: Store, stream: string, event: number): Promise<StoredEvent | undefined> {
  const [found] = await store.history(stream, event - 1, 1)
  return found !== undefined && isDecision(found) ? found : undefined
}
