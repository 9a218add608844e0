import type { LifecycleFact } from './lifecycle.ts'

/** Each fact in words: when it holds, and when it does not. */
export const factWords: Readonly<Record<LifecycleFact, readonly [holds: string, fails: string]>> = {
  requirementsFixed: ['the requirements of the model are fixed', 'the requirements of the model are open'],
  declarationSupported: ['its owner is declared', 'nobody keeps a declaration of its owner'],
  integratorAuthorized: ['the declaration names the integrator', 'the declaration does not name the integrator'],
  integratorDisconnected: ["it is off the integrator's network", "it is on the integrator's network"],
  integratorCredentialsRemoved: ["the integrator's credentials are removed", "it has a credential of the integrator's"],
  authorityReturned: ['the right to onboard it is back with its maker', 'the right to onboard it is not back'],
  birthCredentialInstalled: ['its birth credential is installed', 'it has no birth credential'],
  birthCredentialExpired: ['its birth credential has run out', 'its birth credential has not run out'],
  homologationCertified: ['its homologation is certified', 'its homologation is not certified'],
  maintenanceDutyPassed: ['the duty for MUD file and declaration has passed', 'the duty has not passed'],
  ownershipTransferred: ['its ownership has passed to who gets it', 'its ownership has not passed'],
  sealedAway: ['it is sealed away where it goes', 'it can be reached where it goes'],
  registered: ['the site expects it or a person approved it', 'the site neither expects it nor was it approved'],
  discoverable: ['the network discovers it', 'the network does not discover it'],
  networkAuthorized: ['this network may onboard it', 'its owner is another, for whom this network may not onboard it'],
  networkCredentialValid: ['it has a network credential in force', 'it has no network credential in force'],
  onboardedBeforeInstallation: ['it was onboarded before it was installed', 'it was not onboarded before installation'],
  attemptEnded: ['the attempt has ended', 'the attempt has not ended'],
  applicationIntroduced: ['it knows whom to trust for its application', 'it does not know whom to trust'],
  applicationInstalled: ['its application is installed', 'its application is not installed'],
  applicationCredentialInstalled: [
    'the credential of its application is installed',
    'that credential is not installed',
  ],
  applicationChanged: ['its application was changed', 'its application was not changed'],
  maintainableConnected: ['the work can be done on the network', 'the work cannot be done on the network'],
  disconnectionNeeded: ['the work needs it off the network', 'the work does not need it off the network'],
  uninstalled: ['it was taken out of its place', 'it was left in its place'],
  supportEnded: ['its maker or integrator ended the support', 'it is supported'],
  decisionRecorded: ['the decision is on record: give a reason', 'no decision is on record'],
  functional: ['it works', 'it does not work'],
  repairable: ['it can be repaired', 'it is beyond repair'],
  wiped: ['it was reset, and holds its birth credential and nothing else', 'it was not wiped'],
  sensitiveDataRemoved: ['no sensitive data is left on it', 'sensitive data is left on it'],
  useless: ['it is of no use to anybody', 'it is of use'],
  neverNetworkedAgain: ['it will never be on a network again', 'it may be on a network again'],
}

export function wordsFor(fact: LifecycleFact, value: boolean): string {
  return factWords[fact][value ? 0 : 1]
}
