import type { ErrorEntry } from './entry.ts'

/** Wi-Fi Easy Connect. */
export const dppErrors = {
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
} as const satisfies Record<string, ErrorEntry>
