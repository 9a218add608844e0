import { cedarEngine } from '../src/adapter/policy/cedar.ts'
import type { PolicyServices } from '../src/app/api/service.ts'
import type { Clock, Store } from '../src/domain/port.ts'
import { createPolicyPoint, type PolicyPoint } from '../src/role/authorization/policy-point.ts'
import { createPolicyVersions } from '../src/role/authorization/policy-version.ts'
import type { ProfileName } from '../src/role/authorization/profile/profile.ts'
import { createReconfirmations } from '../src/role/authorization/reconfirmation.ts'
import type { Revocation } from '../src/role/onboarding/revocation.ts'
import { silentLog } from './store.ts'

/** Where a test's site asks: the policies of its record, or those of a profile as long as it has none. */
export function testPolicies(profile: ProfileName = 'home'): PolicyPoint {
  return createPolicyPoint({ engine: cedarEngine, log: silentLog, profile })
}

/** All of it, as the API has it. Nothing runs by itself: a test calls `reconfirmations.run`. */
export function testPolicyServices(options: {
  readonly store: Store
  readonly clock: Clock
  readonly revocation: Pick<Revocation, 'publishWith'>
}): PolicyServices {
  const point = testPolicies()
  const place = { network: 'harbour-iot', owners: ['harbour'] }
  const reconfirmations = createReconfirmations({ ...options, point, place, period: 3_600_000 })
  const versions = createPolicyVersions({
    ...options,
    point,
    onActivation: tx => reconfirmations.begin(tx, 'activation'),
  })
  return { point, versions, reconfirmations, place, wake() {} }
}
