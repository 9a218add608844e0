import type { ErrorEntry } from './entry.ts'

/** What a device meets on its way into a network, as the device sees it. */
export const pledgeErrors = {
  'registrar-unreachable': {
    title: 'Registrar does not answer',
    cause: 'The network could not be reached, or the connection broke before the answer was there.',
    action: 'Nothing was lost: the device tries again by itself. Check the address and the cable.',
    status: 503,
  },
  'registrar-refused': {
    title: 'Registrar refused the device',
    cause: 'The network answered that it does not take this device.',
    action: 'See what the registrar recorded about it; the device goes on to the next network and comes back later.',
    status: 403,
  },
  'registrar-answer-invalid': {
    title: 'Registrar answered with nonsense',
    cause: 'The answer is not one that the protocol allows here.',
    action: 'Check which service listens at that address.',
    status: 502,
  },
  'domain-certificates-invalid': {
    title: 'CA certificates of the network not acceptable',
    cause: 'The CA certificates that the network handed out are no CAs, or the registrar does not belong to them.',
    action: 'Configure the registrar to answer /cacerts with the chain of its own domain.',
    status: 502,
  },
  'certificate-invalid': {
    title: 'Issued certificate not acceptable',
    cause: 'The certificate that the network issued is for another key, from another CA, or not fit for a device.',
    action: 'The detail names the rule; check the profile of the issuing CA.',
    status: 502,
  },
  'device-key-failed': {
    title: 'Device cannot use its key',
    cause: 'The key store of the device did not sign, or could not make a key.',
    action: 'Check the key store or the secure element; the device tries again by itself.',
    status: 500,
  },
  'device-storage-failed': {
    title: 'Device cannot write its memory',
    cause: 'The device could not store what it has to remember across a power loss, so it sent nothing.',
    action: 'Free or replace the storage; the device tries again by itself.',
    status: 507,
  },
} as const satisfies Record<string, ErrorEntry>
