import type { Clock, Log, Store } from '../domain/port.ts'
import type { AdmissionPolicy } from '../role/authorization/admission.ts'
import type { Place } from '../role/authorization/assessment.ts'
import type { PolicyPoint } from '../role/authorization/policy-point.ts'
import { createPolicyVersions, type PolicyVersions } from '../role/authorization/policy-version.ts'
import type { ProfileName } from '../role/authorization/profile/profile.ts'
import { createReconfirmations, type Reconfirmations } from '../role/authorization/reconfirmation.ts'
import type { Revocation } from '../role/onboarding/revocation.ts'
import { startWorker, type Worker } from './worker.ts'

/** The policies of a running site. */
export interface SitePolicies {
  readonly point: PolicyPoint
  readonly versions: PolicyVersions
  readonly reconfirmations: Reconfirmations
  readonly place: Place
  /** There are devices to be asked about again. */
  wake(): void
  /** From now on they are asked about when it is time; to be called when the site is up. */
  start(): void
  close(): Promise<void>
}

/** An hour: what changes with time alone, as working hours, ends that late at most. */
const defaultPeriod = 3_600_000

/** Sees that a site has policies, and that devices are asked about again when they change and from time to time. */
export async function openSitePolicies(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly point: PolicyPoint
  readonly policy: AdmissionPolicy
  readonly revocation: Revocation
  readonly profile: ProfileName
  /** Milliseconds; an hour when absent. */
  readonly period?: number
}): Promise<SitePolicies> {
  const { store, clock, log, point, policy, revocation, profile, period = defaultPeriod } = options
  const place = { network: policy.network, owners: policy.owners }
  const reconfirmations = createReconfirmations({ store, clock, point, place, revocation, period })
  const onActivation: Parameters<typeof createPolicyVersions>[0]['onActivation'] = tx =>
    reconfirmations.begin(tx, 'activation')
  const versions = createPolicyVersions({ store, clock, point, onActivation })
  await versions.establish(profile)
  let worker: Worker | undefined
  return {
    point,
    versions,
    reconfirmations,
    place,
    wake: () => worker?.wake(),
    start() {
      worker ??= startWorker({ name: 'policy', work: () => reconfirmations.run(), every: 15_000, log })
    },
    close: async () => worker?.close(),
  }
}
