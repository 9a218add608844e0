/** Why a requirement has no test yet. */
export const coverageGaps: Readonly<Record<string, string>> = {
  'WP-LG-6':
    'off the network in maintenance that disconnects; the flows of a device that stays connected end with network access',
  'WP-M6.03':
    'there is one protocol, and no switch that would leave local credentials out; a test comes with the second protocol',
  'WP-M6.06': 'no protocol here takes pre-shared keys; a policy that warns of them comes with DPP and PASE',
  'WP-M6.07': 'needs a look at the network itself, which comes with network access',
  'WP-M6.11': 'certificates of the registrar name the network to whoever connects',
  'WP-M6.14': 'needs flows that are enforced, which come with network access',
  'WP-M6.15': 'decided otherwise: a device renews in place while its credential is good, in operation, too',
  'S3.C4': 'application-layer onboarding is not there yet',
}

/** What the tests of a requirement leave open. */
export const coverageLimits: Readonly<Record<string, string>> = {
  'S3.C2': 'the ports of a network close with network access; until then the playbook calls it simulated',
  'WP-LG-3': 'the devices are virtual and hold no data of users',
  'WP-LG-4': 'that a device was destroyed is the word of people; a device that comes back is refused and recorded',
  'WP-R18': 'of the application company only the steps in the record; onboarding an application comes later',
}
