import { cedarEngine } from '../src/adapter/policy/cedar.ts'
import { createPolicyPoint, type PolicyPoint } from '../src/role/authorization/policy-point.ts'
import type { ProfileName } from '../src/role/authorization/profile/profile.ts'
import { silentLog } from './store.ts'

/** Where a test's site asks: the policies of its record, or those of a profile as long as it has none. */
export function testPolicies(profile: ProfileName = 'home'): PolicyPoint {
  return createPolicyPoint({ engine: cedarEngine, log: silentLog, profile })
}
