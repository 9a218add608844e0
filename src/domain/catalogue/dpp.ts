import type { ErrorEntry } from './entry.ts'

/** Wi-Fi Easy Connect. */
export const dppErrors = {
  'configurator-keys-unreadable': {
    title: 'Keys of a Configurator not readable',
    cause: 'The file is no such file, was altered, or was sealed under another passphrase.',
    action:
      'Check passphrase and file; `mooring dpp export-keys` makes such a file, --hostap says that it came from hostap.',
    status: 400,
  },
  'bootstrapping-uri-invalid': {
    title: 'Bootstrapping URI not valid',
    cause: 'The text is no DPP URI, or its key is none that Wi-Fi Easy Connect allows.',
    action: 'Scan the whole code again; the text begins with DPP: and ends with two semicolons.',
    status: 400,
  },
  'bootstrapping-key-unknown': {
    title: 'Bootstrapping key not on record',
    cause: 'No device of this site is expected with this key, or the key was removed.',
    action: 'Import the manifest of its manufacturer, or scan its code with `mooring dpp add-uri`.',
    status: 404,
  },
  'bootstrapping-key-taken': {
    title: 'Bootstrapping key belongs to another device',
    cause: 'The same key is on record for another device: one of both is a copy, or was entered wrongly.',
    action: 'Find out which device the key is in, and remove it from the other with `mooring dpp remove`.',
    status: 409,
  },
  'device-has-bootstrapping-key': {
    title: 'Device has another bootstrapping key',
    cause: 'A device has one bootstrapping key at a time, and another one than this is on record.',
    action: 'If the device was given a new key, remove the old one first with `mooring dpp remove`.',
    status: 409,
  },
  'dpp-authentication-failed': {
    title: 'Easy Connect authentication failed',
    cause: 'One of both has not the key that the other thinks, a message was altered, or nobody answered in time.',
    action: 'Let the device try again; scan its code again if that happens each time.',
    status: 403,
  },
  'dpp-not-compatible': {
    title: 'Device is no Enrollee',
    cause: 'The other side wants to be the Configurator, too, or offers no role at all.',
    action: 'Put the device into onboarding mode as an Enrollee.',
    status: 409,
  },
  'dpp-request-invalid': {
    title: 'Configuration request not valid',
    cause: 'What the device asked for after its authentication cannot be read, or is nothing that we can give.',
    action: 'Look at the detail, and ask the maker of the device.',
    status: 400,
  },
  'dpp-role-refused': {
    title: 'Device may not have that role',
    cause: 'It asked to be configured as something else than its key is on record for.',
    action: 'If it is an access point of yours, add its code with `mooring dpp add-uri --access-point`.',
    status: 403,
  },
  'dpp-key-in-use': {
    title: 'Key of the device was used before',
    cause:
      'The key that it made for this exchange is that of another credential, which was revoked or is another device’s.',
    action: 'Look into how the device makes random numbers; reset it so that it makes a new key.',
    status: 409,
  },
  'dpp-configuration-rejected': {
    title: 'Device rejected its configuration',
    cause:
      'It could not verify the Connector, does not know this kind of network, or takes this one for none of its owner’s.',
    action: 'Compare what the device can do with `mooring network show`, and look into its own log.',
    status: 409,
  },
  'dpp-not-connected': {
    title: 'Device could not connect',
    cause: 'It has its configuration, and found no access point or was turned away there.',
    action: 'Check that an access point of this network is in reach, and its own configuration.',
    status: 409,
  },
  'connector-not-in-force': {
    title: 'Connector not in force',
    cause: 'The Connector that the device shows was revoked, or is none of this site.',
    action: 'Let the device onboard again by its code if it may come back.',
    status: 403,
  },
} as const satisfies Record<string, ErrorEntry>
