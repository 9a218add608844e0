import { OnboardingError } from './error.ts'

/**
 * Who may do what: the sixteen functional roles of the white paper (NIST CSWP, draft of 2020-09-08, section 5) with exactly the
 * authorities that it gives them, and three bundles for sites where one person is many of them.
 */

/** What can be allowed, in words. Those of `view.` are ours: what one may look at; the white paper speaks of doing only. */
export const authorities = {
  'birth.create': 'make a device and install its bootstrapping credential',
  'declaration.create': 'create a device information declaration',
  'declaration.sign': 'sign declarations and manifests',
  'declaration.delegate': 'let another party keep declarations',
  'device.onboard': 'onboard a device and use it',
  'device.onboard@own-network': 'onboard a device to one’s own network, while its owner allows it',
  'device.onboard@own-network(temporary)': 'onboard a device to one’s own network for the time of an integration',
  'authorisation.grant': 'let another network onboard a device',
  'authorisation.revoke': 'take that back',
  'ownership.transfer': 'give a device to another owner',
  'ownership.designate-first-owner': 'tell the manufacturer who becomes owner',
  'role.assign': 'name who installs, onboards, manages and uses',
  'device.install': 'place a device and power it on',
  'onboarding.initiate': 'perform an onboarding, without ever seeing a credential',
  'device.connect': 'connect a device',
  'device.update': 'update, repair and maintain a device',
  'device.disconnect': 'disconnect and isolate a device',
  'device.decommission': 'decommission a device and erase what is on it',
  'device.retire': 'end the life of a device',
  'device.repurpose': 'hand a device over to its next owner or network',
  'device.use': 'use a device',
  'network.own': 'own the network, and say who runs it',
  'network.policy.write': 'express the policy of the network, whom it trusts first of all',
  'network.monitor': 'watch the network',
  'app.grant': 'name who installs, manages and uses an application',
  'app.install': 'onboard and install an application',
  'app.manage': 'manage an application',
  'app.use': 'use an application',
  'app.onboard': 'oversee the onboarding of an application',
  'app.execute': 'start an application',
  'app.update': 'update an application',
  'app.erase-data': 'erase what an application gathered',
  'service.operate-on-behalf': 'run services for the owner of a network',
  'view.device': 'look at the site, its devices and what waits',
  'view.credential': 'look at certificates and vouchers',
  'view.supply': 'look at manufacturers and manifests',
  'view.ledger': 'look at the ledger, verify it, and have a checkpoint signed',
  'view.access': 'look at who may do what; never at a token',
} as const satisfies Readonly<Record<string, string>>

export type Authority = keyof typeof authorities

export interface FunctionalRole {
  /** As the white paper calls it. */
  readonly name: string
  readonly does: string
  /** Of the requirements that this project was built by. */
  readonly requirement: string
  /** Of the white paper. */
  readonly section: string
  readonly authorities: readonly Authority[]
  /** What it has to look at for that. */
  readonly views: readonly Authority[]
  /** Roles that it may give to others. */
  readonly assigns: readonly RoleName[]
}

export const functionalRoleNames = [
  'device-manufacturer',
  'device-system-integrator',
  'device-owner',
  'device-authorised-onboarder',
  'device-purchaser',
  'device-installer',
  'device-onboarder',
  'device-manager',
  'device-user',
  'network-owner',
  'network-administrator',
  'application-owner',
  'application-installer',
  'application-manager',
  'application-user',
  'service-provider',
] as const

export type FunctionalRoleName = (typeof functionalRoleNames)[number]

export const bundleNames = ['administrator', 'operator', 'auditor'] as const

export type BundleName = (typeof bundleNames)[number]

export type RoleName = FunctionalRoleName | BundleName

export const roleNames: readonly RoleName[] = [...functionalRoleNames, ...bundleNames]

const section = '5'

export const functionalRoles: Readonly<Record<FunctionalRoleName, FunctionalRole>> = {
  'device-manufacturer': {
    name: 'Device manufacturer',
    does: 'makes the device and its birth credential, is its first owner, keeps its declaration',
    requirement: 'WP-R01',
    section,
    authorities: ['birth.create', 'declaration.create', 'declaration.sign', 'declaration.delegate'],
    views: [],
    assigns: [],
  },
  'device-system-integrator': {
    name: 'Device system integrator',
    does: 'integrates a part during manufacture, and onboards the device to its own network for that',
    requirement: 'WP-R02',
    section,
    authorities: ['device.onboard@own-network(temporary)'],
    views: ['view.device', 'view.supply'],
    assigns: [],
  },
  'device-owner': {
    name: 'Device owner',
    does: 'onboards, uses, authorizes others, transfers; names who installs, onboards, manages, uses',
    requirement: 'WP-R03',
    section,
    authorities: ['device.onboard', 'authorisation.grant', 'authorisation.revoke', 'ownership.transfer', 'role.assign'],
    views: ['view.device', 'view.credential', 'view.supply', 'view.ledger', 'view.access'],
    assigns: [
      'device-authorised-onboarder',
      'device-installer',
      'device-onboarder',
      'device-manager',
      'device-user',
      'application-owner',
      'application-installer',
      'application-manager',
      'application-user',
    ],
  },
  'device-authorised-onboarder': {
    name: 'Device authorized onboarder',
    does: 'onboards the device to its own network while the owner lists it; cannot pass that on',
    requirement: 'WP-R04',
    section,
    authorities: ['device.onboard@own-network'],
    views: ['view.device', 'view.supply'],
    assigns: [],
  },
  'device-purchaser': {
    name: 'Device purchaser',
    does: 'pays or leases, and says who becomes owner',
    requirement: 'WP-R05',
    section,
    authorities: ['ownership.designate-first-owner'],
    views: ['view.device', 'view.supply'],
    assigns: [],
  },
  'device-installer': {
    name: 'Device installer',
    does: 'places the device and may power it on',
    requirement: 'WP-R06',
    section,
    authorities: ['device.install'],
    views: ['view.device'],
    assigns: [],
  },
  'device-onboarder': {
    name: 'Device onboarder',
    does: 'performs the onboarding, and never sees a credential',
    requirement: 'WP-R07',
    section,
    authorities: ['onboarding.initiate'],
    views: ['view.device'],
    assigns: [],
  },
  'device-manager': {
    name: 'Device manager',
    does: 'connects, updates, repairs, disconnects, wipes, decommissions, retires, hands over',
    requirement: 'WP-R08',
    section,
    authorities: [
      'device.connect',
      'device.update',
      'device.disconnect',
      'device.decommission',
      'device.retire',
      'device.repurpose',
    ],
    views: ['view.device', 'view.credential'],
    assigns: [],
  },
  'device-user': {
    name: 'Device user',
    does: 'uses the device, with credentials of its own',
    requirement: 'WP-R09',
    section,
    authorities: ['device.use'],
    views: [],
    assigns: [],
  },
  'network-owner': {
    name: 'Network owner',
    does: 'owns the network; needs the device owner’s leave to onboard what it does not own',
    requirement: 'WP-R10',
    section,
    authorities: ['network.own'],
    views: ['view.device', 'view.credential', 'view.supply', 'view.ledger', 'view.access'],
    assigns: ['network-owner', 'network-administrator', 'service-provider', 'auditor'],
  },
  'network-administrator': {
    name: 'Network administrator',
    does: 'manages and watches the network, and writes the policy that the site enforces',
    requirement: 'WP-R11',
    section,
    authorities: ['network.policy.write', 'network.monitor'],
    views: ['view.device', 'view.credential', 'view.supply', 'view.ledger'],
    assigns: [],
  },
  'application-owner': {
    name: 'Application owner',
    does: 'installs, manages and uses an application, and lets others do so',
    requirement: 'WP-R12',
    section,
    authorities: ['app.grant', 'app.install', 'app.manage', 'app.use'],
    views: ['view.device'],
    assigns: ['application-installer', 'application-manager', 'application-user'],
  },
  'application-installer': {
    name: 'Application installer',
    does: 'onboards and installs the application',
    requirement: 'WP-R13',
    section,
    authorities: ['app.install'],
    views: ['view.device'],
    assigns: [],
  },
  'application-manager': {
    name: 'Application manager',
    does: 'oversees, starts and updates the application, and erases its data at the end',
    requirement: 'WP-R14',
    section,
    authorities: ['app.onboard', 'app.execute', 'app.update', 'app.erase-data'],
    views: ['view.device'],
    assigns: [],
  },
  'application-user': {
    name: 'Application user',
    does: 'uses the application, with credentials of its own',
    requirement: 'WP-R15',
    section,
    authorities: ['app.use'],
    views: [],
    assigns: [],
  },
  'service-provider': {
    name: 'Service provider',
    does: 'operates the transit network, and may run services for consumers',
    requirement: 'WP-R16',
    section,
    authorities: ['service.operate-on-behalf'],
    views: ['view.device'],
    assigns: [],
  },
}

/** Several roles under one name. In a home one person is nearly all of them (section 5). */
export interface RoleBundle {
  readonly does: string
  readonly roles: readonly FunctionalRoleName[]
  /** What it may look at beside what its roles may. */
  readonly views: readonly Authority[]
  readonly assigns: readonly RoleName[]
}

const allViews = ['view.device', 'view.credential', 'view.supply', 'view.ledger', 'view.access'] as const

export const roleBundles: Readonly<Record<BundleName, RoleBundle>> = {
  administrator: {
    does: 'all sixteen roles; may give any of them',
    roles: functionalRoleNames,
    views: allViews,
    assigns: roleNames,
  },
  operator: {
    does: 'the daily work: buys, installs, onboards and manages devices and applications',
    roles: [
      'device-authorised-onboarder',
      'device-purchaser',
      'device-installer',
      'device-onboarder',
      'device-manager',
      'application-installer',
      'application-manager',
    ],
    views: ['view.device', 'view.credential', 'view.supply', 'view.ledger'],
    assigns: [],
  },
  auditor: {
    does: 'looks at everything, does nothing; what it looks at is on record',
    roles: [],
    views: allViews,
    assigns: [],
  },
}

const held = new Map<RoleName, ReadonlySet<Authority>>(roleNames.map(role => [role, new Set(authoritiesIn(role))]))

function authoritiesIn(role: RoleName): readonly Authority[] {
  if (isBundle(role)) {
    const { roles, views } = roleBundles[role]
    return [...roles.flatMap(authoritiesIn), ...views]
  }
  return [...functionalRoles[role].authorities, ...functionalRoles[role].views]
}

function isBundle(role: RoleName): role is BundleName {
  return (bundleNames as readonly string[]).includes(role)
}

/** All that a role may do and look at. */
export function authoritiesOf(role: RoleName): ReadonlySet<Authority> {
  return held.get(role) ?? new Set()
}

/** The first of `roles` that has one of `wanted`. What nothing is wanted for is for anybody, and not asked here. */
export function roleWith(roles: readonly RoleName[], wanted: readonly Authority[]): RoleName | undefined {
  return roles.find(role => wanted.some(authority => authoritiesOf(role).has(authority)))
}

/** The roles that have one of `wanted`. */
export function rolesWith(wanted: readonly Authority[]): readonly RoleName[] {
  return roleNames.filter(role => roleWith([role], wanted) !== undefined)
}

/** In one line, for a list of roles. */
export function roleLine(role: RoleName): string {
  return isBundle(role) ? roleBundles[role].does : functionalRoles[role].does
}

/**
 * That somebody with `roles` may give or take away `given`. Without it, whoever names users could name himself an owner.
 * Throws OnboardingError `role-not-assignable`.
 */
export function requireAssignable(roles: readonly RoleName[], given: readonly RoleName[]): void {
  const assignable = new Set(
    roles.flatMap(role => (isBundle(role) ? roleBundles[role].assigns : functionalRoles[role].assigns)),
  )
  const refused = given.find(role => !assignable.has(role))
  if (refused === undefined) return
  throw new OnboardingError('role-not-assignable', { role: refused, roles: roles.join(', ') })
}
