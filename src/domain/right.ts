import type { DeviceInformationDeclaration } from './declaration.ts'
import { mayOnboard } from './ownership.ts'

/** What the newest declaration allows a site: by its keys, since a name is what anybody may call themselves. */
export type SiteRight = 'owner' | 'authorized-onboarder' | 'none'

export function rightOf(declaration: DeviceInformationDeclaration, domains: readonly string[]): SiteRight {
  const right = mayOnboard(declaration, domains)
  return right.allowed ? right.as : 'none'
}

/**
 * May a site whose owners go by these ids onboard the device? Where no declaration was held against the site's keys, the
 * name of the owner has to do; a device without any declaration is anybody's to expect.
 */
export function mayOnboardHere(
  { owner, right }: { readonly owner: string; readonly right?: SiteRight },
  owners: readonly string[],
): boolean {
  if (right !== undefined) return right !== 'none'
  return owner === '' || owners.includes(owner)
}

/** May a site whose owners go by these ids give the device away, or end its life? Who is only let onboard it may not. */
export function isOwnedHere(
  { owner, right }: { readonly owner: string; readonly right?: SiteRight },
  owners: readonly string[],
): boolean {
  return right === undefined ? mayOnboardHere({ owner }, owners) : right === 'owner'
}
