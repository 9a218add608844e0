import type { PolicyVersion } from '../../src/domain/policy.ts'
import { profiles } from '../../src/role/authorization/profile/profile.ts'
import type { House } from '../all-in-one/house.ts'
import type { Ground, GroundDevice } from './place.ts'

/** The home profile, and a rule that ends the stay of one device in ten. */
const source = `${profiles.home}
@id("lab-sevens-out")
@credential("revoke")
forbid (principal, action == Action::"stay", resource)
when { principal.serial like "*7" };
`

export function isDropped({ serial }: Pick<GroundDevice, 'serial'>): boolean {
  return serial.endsWith('7')
}

export function dropped({ devices }: Ground): readonly GroundDevice[] {
  return devices.filter(isDropped)
}

/** Written down, and counting for nothing yet; the same text again is the same version. */
export function draftDrop({ site }: House): Promise<PolicyVersion> {
  return site.policies.versions.draft({ name: 'sevens-out', source, by: 'lab' })
}

export async function activeVersion({ site }: House): Promise<string | undefined> {
  return (await site.store.read(tables => tables.policyState.get('set')))?.active
}
