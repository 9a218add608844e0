/** Why a requirement has no test yet. */
export const coverageGaps: Readonly<Record<string, string>> = {
  'WP-M6.06':
    'no admission rests on a pre-shared key yet: BRSKI and the bootstrapping keys of Easy Connect are key pairs; the codes of PKEX ' +
    'are pre-shared, and their warning comes with PKEX at the Configurator',
  'WP-M6.07':
    'unauthorised and expected devices are told apart at the services of the site (refusals, presence); rogue ones, and who is ' +
    'missing, need the list of what is connected, which access points and switches give with network access',
  'S3.C4': 'application-layer onboarding is not there yet',
}

/** What the tests of a requirement leave open. */
export const coverageLimits: Readonly<Record<string, string>> = {
  'S3.C2': 'the ports of a network close with network access; until then the playbook calls it simulated',
  'WP-LG-6': 'the decision and its record; the flows of a device in the network are blocked with network access',
  'WP-M6.03': 'the protocols that there are; each new one brings its own admission to the same question',
  'WP-M6.11':
    'with TLS 1.3; a device that speaks TLS 1.2 shows its birth certificate to who listens, and the registrar names its network ' +
    'to whoever connects',
  'WP-M6.14': 'the decision and its record; reaching the server is prevented with network access',
  'WP-M6.15':
    'a site that wants it says so in its policies; the profiles let a device in operation renew in place, since a credential that ' +
    'ran out would cost the network the device',
  'WP-LG-3': 'the devices are virtual and hold no data of users',
  'WP-LG-4': 'that a device was destroyed is the word of people; a device that comes back is refused and recorded',
  'WP-R18': 'of the application company only the steps in the record; onboarding an application comes later',
}
