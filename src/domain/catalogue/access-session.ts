import type { ErrorEntry } from './entry.ts'

/** Access points and switches that ask whom to let in, and devices that are let in or not. */
export const accessSessionErrors = {
  'radius-client-exists': {
    title: 'There is an access point of that name',
    cause: 'A RADIUS client of this site has the name already.',
    action: 'Remove it first, or choose another name.',
    status: 409,
  },
  'radius-address-taken': {
    title: 'Address belongs to another access point',
    cause: 'Requests from one address must be those of one RADIUS client: they are told apart by nothing else.',
    action: 'Give each access point an address of its own, or remove the other one.',
    status: 409,
  },
  'radius-secret-weak': {
    title: 'Shared secret too weak',
    cause: 'A RADIUS secret that is short, or made of few different characters, can be guessed from one packet.',
    action: 'Leave it out and let one be made, or give at least 16 characters that nobody can guess.',
    status: 422,
  },
  'radius-client-unknown': {
    title: 'Access point not on record',
    cause: 'RADIUS requests come from an address that is not that of a known access point.',
    action: 'If it is yours, add it with `mooring access client add`.',
    status: 403,
  },
  'radius-unauthentic': {
    title: 'RADIUS request not authentic',
    cause: 'The Message-Authenticator is missing or wrong: another shared secret, or an attempt to forge.',
    action: 'Compare the shared secret; old equipment may need an update to send a Message-Authenticator.',
    status: 403,
  },
  'radius-malformed': {
    title: 'RADIUS packet that cannot be read',
    cause: 'A datagram from an access point breaks the rules of RFC 2865.',
    action: 'Update the access point; look for a second program that sends to this port.',
    status: 400,
  },
  'radius-crowded': {
    title: 'Too many authentications at once',
    cause: 'More devices authenticate at the same time than this process takes.',
    action: 'They try again by themselves; after a power cut that takes minutes.',
    status: 503,
  },
  'access-certificate-foreign': {
    title: 'Certificate that opens nothing here',
    cause: 'The device showed a certificate that is none of this network, or none at all.',
    action: 'Onboard the device; a birth certificate leads to the onboarding segment only where there is one.',
    status: 403,
  },
  'access-segment-undefined': {
    title: 'Segment has no VLAN',
    cause: 'A policy puts the device into a segment that no network of this site defines.',
    action: 'Define the segment with `mooring network change`, or correct the policy.',
    status: 409,
  },
  'hostapd-unreachable': {
    title: 'No answer from hostapd',
    cause: 'There is no hostapd with that control interface, or it is about to end.',
    action: 'Start hostapd with `ctrl_interface=DIRECTORY`, and name that directory and its interface.',
    status: 503,
  },
  'fence-failed': {
    title: 'Packet filter refused a change',
    cause: 'A rule was not taken by nftables; the detail says why. Nobody is let in by that.',
    action: 'Run the gateway with CAP_NET_ADMIN on a machine with nftables; name every segment that policies assign.',
    status: 500,
  },
  'eap-method-refused': {
    title: 'Device wants another EAP method',
    cause: 'The device refused EAP-TLS, the only method that proves a credential of its own.',
    action: 'Configure the device for EAP-TLS with its network credential.',
    status: 403,
  },
  'eap-tls-failed': {
    title: 'TLS of the device failed',
    cause: 'The handshake inside EAP broke off; the detail says what TLS said.',
    action: 'If the device does not trust the server, give it the root of this site and the server’s name.',
    status: 403,
  },
  'eap-malformed': {
    title: 'EAP conversation out of order',
    cause: 'The device broke the rules of EAP-TLS, or sent more than it may.',
    action: 'Update the device; if many do it, look at the access point between.',
    status: 400,
  },
} as const satisfies Record<string, ErrorEntry>
