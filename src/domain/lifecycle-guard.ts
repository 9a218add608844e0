/**
 * What a caller knows about a device when it asks for a step. A fact that is not stated is neither true nor false:
 * every guard that rests on it is unmet.
 */
export interface LifecycleFacts {
  /** Onboarding and security requirements of the model are fixed. */
  readonly requirementsFixed?: boolean
  /** The maker keeps a device information declaration for this device. */
  readonly declarationSupported?: boolean
  /** The integrator is owner or authorized onboarder in the newest declaration. */
  readonly integratorAuthorized?: boolean
  /** The device is off the integrator's network. */
  readonly integratorDisconnected?: boolean
  readonly integratorCredentialsRemoved?: boolean
  /** Ownership, or the authorization to onboard, is back with the manufacturer. */
  readonly authorityReturned?: boolean
  readonly birthCredentialInstalled?: boolean
  /** By the policy of the site: some sites look past the notAfter of an IDevID (RFC 8995 section 2.6.2). */
  readonly birthCredentialExpired?: boolean
  readonly homologationCertified?: boolean
  /** The rebrander has taken over MUD file and declaration. */
  readonly maintenanceDutyPassed?: boolean
  /** The newest declaration names the one who acquires the device. */
  readonly ownershipTransferred?: boolean
  /** The place where the device goes cannot be reached afterwards. */
  readonly sealedAway?: boolean
  /** The network expects this device. */
  readonly registered?: boolean
  /** The device can be found by the network's own discovery. */
  readonly discoverable?: boolean
  /** The network belongs to the owner or to an authorized onboarder. */
  readonly networkAuthorized?: boolean
  /** The device holds a network credential that is issued, in its lifetime and not revoked. */
  readonly networkCredentialValid?: boolean
  readonly onboardedBeforeInstallation?: boolean
  readonly attemptEnded?: boolean
  /** Trusted application-layer bootstrapping information is on the device. */
  readonly applicationIntroduced?: boolean
  readonly applicationInstalled?: boolean
  readonly applicationCredentialInstalled?: boolean
  /** The application was patched, upgraded or reconfigured during this maintenance. */
  readonly applicationChanged?: boolean
  /** The work can be done on the network. */
  readonly maintainableConnected?: boolean
  /** The work cannot be done on the network: keys, certificates, crypto library, repair. */
  readonly disconnectionNeeded?: boolean
  readonly uninstalled?: boolean
  readonly supportEnded?: boolean
  /** The decision to decommission is on record. */
  readonly decisionRecorded?: boolean
  readonly functional?: boolean
  readonly repairable?: boolean
  /** Nothing is left on the device but its bootstrapping credentials. */
  readonly wiped?: boolean
  readonly sensitiveDataRemoved?: boolean
  /** Works, but is of no use to anybody. */
  readonly useless?: boolean
  readonly neverNetworkedAgain?: boolean
}

export type LifecycleFact = keyof LifecycleFacts

/**
 * The conditions of the transitions as data: a guard holds when every fact of one of its alternatives is as it says.
 * Whatever leads into onboarding needs a birth credential that has not run out (white paper section 4.1, shelf life);
 * whatever leads back into use needs a device that works (section 4.2: broken beyond repair ends at end of life).
 */
export const lifecycleGuards = {
  'requirements-fixed': [{ requirementsFixed: true }],
  'integrator-authorized': [{ integratorAuthorized: true }, { declarationSupported: false }],
  'returned-by-integrator': [
    { integratorDisconnected: true, integratorCredentialsRemoved: true, authorityReturned: true },
  ],
  'ready-for-release': [{ birthCredentialInstalled: true, homologationCertified: true }],
  'duty-passed': [{ maintenanceDutyPassed: true }],
  acquired: [
    { birthCredentialExpired: false, ownershipTransferred: true },
    { birthCredentialExpired: false, declarationSupported: false },
  ],
  'acquired-to-be-sealed': [
    { birthCredentialExpired: false, sealedAway: true, ownershipTransferred: true },
    { birthCredentialExpired: false, sealedAway: true, declarationSupported: false },
  ],
  'admitted-to-onboarding': [
    { birthCredentialExpired: false, networkAuthorized: true, registered: true },
    { birthCredentialExpired: false, networkAuthorized: true, discoverable: true },
  ],
  'onboarded-to-be-sealed': [{ networkCredentialValid: true, sealedAway: true }],
  'credential-valid': [{ networkCredentialValid: true }],
  'onboarded-before-installation': [{ onboardedBeforeInstallation: true, networkCredentialValid: true }],
  'attempt-failed': [{ attemptEnded: true, networkCredentialValid: false }],
  'application-introduced': [{ applicationIntroduced: true }],
  'application-installed': [{ applicationInstalled: true }],
  'application-provisioned': [{ applicationInstalled: true }, { applicationCredentialInstalled: true }],
  'maintainable-connected': [{ maintainableConnected: true }],
  'application-unchanged': [{ applicationChanged: false }],
  'application-changed': [{ applicationChanged: true }],
  'disconnection-needed': [{ disconnectionNeeded: true }],
  uninstalled: [{ uninstalled: true }],
  'credential-unusable': [{ birthCredentialExpired: false, networkCredentialValid: false }],
  'support-ended': [{ supportEnded: true }],
  'not-functional': [{ functional: false }],
  'decision-recorded': [{ decisionRecorded: true }],
  'beyond-repair': [{ functional: false, repairable: false }],
  'done-with': [
    { sensitiveDataRemoved: true, functional: false },
    { sensitiveDataRemoved: true, useless: true },
    { sensitiveDataRemoved: true, neverNetworkedAgain: true },
  ],
  wiped: [{ wiped: true, functional: true }],
  'wiped-for-onboarding': [{ wiped: true, functional: true, birthCredentialExpired: false }],
  'wiped-and-transferred': [{ wiped: true, functional: true, ownershipTransferred: true }],
} as const satisfies Record<string, readonly LifecycleFacts[]>

export type GuardName = keyof typeof lifecycleGuards

/** The facts that still stand between `facts` and the nearest alternative of the guard; empty when it holds. */
export function unmetFacts(guard: GuardName, facts: LifecycleFacts): readonly LifecycleFact[] {
  const alternatives: readonly LifecycleFacts[] = lifecycleGuards[guard]
  const unmet = alternatives.map(alternative =>
    factNames(alternative).filter(fact => facts[fact] !== alternative[fact]),
  )
  return unmet.reduce((nearest, other) => (other.length < nearest.length ? other : nearest))
}

function factNames(facts: LifecycleFacts): LifecycleFact[] {
  return Object.keys(facts) as LifecycleFact[]
}

/** Every fact that some condition looks at. */
export const lifecycleFactNames: readonly LifecycleFact[] = [
  ...new Set(
    Object.values(lifecycleGuards).flatMap((ways: readonly LifecycleFacts[]) => ways.flatMap(way => factNames(way))),
  ),
]
