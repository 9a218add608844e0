import type { ErrorEntry } from './entry.ts'

/** Decisions about a device, its life and its owner. */
export const deviceErrors = {
  'device-unexpected': {
    title: 'Nobody expects this device',
    cause: 'The device is genuine, but on no manifest of this site and not approved by a person.',
    action: 'Approve it with `mooring approval grant`, or import the manifest of your purchase.',
    status: 202,
  },
  'device-denied': {
    title: 'Device was denied',
    cause: 'A person denied this device the network.',
    action: 'Grant it with `mooring approval grant` if that was a mistake.',
    status: 403,
  },
  'device-withdrawn': {
    title: 'Device was withdrawn',
    cause: 'The manufacturer or the owner withdrew the device.',
    action: 'Do not use it; ask the manufacturer.',
    status: 403,
  },
  'device-clone-suspected': {
    title: 'One identity in two places',
    cause: 'The identity of this device was used by two devices. Both are kept out.',
    action: 'Find out which one is genuine, and say so with `mooring device resolve-clone`.',
    status: 403,
  },
  'birth-identity-copied': {
    title: 'Birth identity was copied',
    cause: 'A copy of the birth identity of this device is about: it counts only where and while a person says so.',
    action: 'If this is the genuine device, say where it is with `mooring device resolve-clone`.',
    status: 403,
  },
  'device-lost': {
    title: 'Device was reported lost',
    cause: 'Somebody reported this device as lost; its credentials are on hold.',
    action: 'Release them with `mooring device report DEVICE found` when it is back.',
    status: 403,
  },
  'device-broken': {
    title: 'Device was reported broken',
    cause: 'Somebody reported this device as broken; its credentials were revoked.',
    action: 'Let it onboard again with `mooring device report DEVICE repaired` when it works.',
    status: 403,
  },
  'device-not-held': {
    title: 'Device is not held for that',
    cause: 'There is nothing to lift or to resolve.',
    action: 'See what holds the device with `mooring device show`.',
    status: 409,
  },
  'device-recalled': {
    title: 'Device was recalled',
    cause: 'Its manufacturer recalled it, by its serial number or with its whole model.',
    action:
      'Do what the reference of the recall says (`mooring recall show`); it comes in again once the manufacturer lifts the recall.',
    status: 403,
  },
  'device-not-found': {
    title: 'No such device',
    cause: 'This site has no record under that id.',
    action: 'List the devices with `mooring device list`.',
    status: 404,
  },
  'device-identity-cloned': {
    title: 'Two devices claim one identity',
    cause: 'The same serial number appeared with a key other than the one on record.',
    action: 'Hold both devices and ask the manufacturer which one is genuine.',
    status: 403,
  },
  'lifecycle-transition-refused': {
    title: 'Not possible in this state of life',
    cause: 'The lifecycle has no such step from the state that the device is in.',
    action: 'See the steps that are possible now with `mooring device allowed`.',
    status: 409,
  },
  'lifecycle-guard-unmet': {
    title: 'A condition of this step does not hold',
    cause: 'The lifecycle knows the step, but its condition is not met.',
    action: 'Bring about the condition that the detail names, then repeat the step.',
    status: 409,
  },
  'lifecycle-actor-refused': {
    title: 'Step of another party',
    cause: 'The lifecycle gives this step to another role than the one that asked for it.',
    action: 'Ask the party that the detail names.',
    status: 403,
  },
  'credential-status-refused': {
    title: 'Not possible for this credential',
    cause: 'A credential goes from planned to issued, and from there to revoked or superseded, and no other way.',
    action: 'Look at the status of the credential; to replace it, onboard the device again.',
    status: 409,
  },
  'declaration-invalid': {
    title: 'Ownership declaration not valid',
    cause: 'The device information declaration is not signed by a party that this manufacturer allows, or was altered.',
    action: 'Ask the manufacturer for the current declaration.',
    status: 403,
  },
  'declaration-stale': {
    title: 'Ownership declaration superseded',
    cause: 'A newer version of the device information declaration is known.',
    action: 'Fetch the current declaration from the manufacturer.',
    status: 409,
  },
  'not-owner': {
    title: 'Only the owner may do this',
    cause: 'The request was not made by the owner that the declaration names.',
    action: 'Ask the owner.',
    status: 403,
  },
} as const satisfies Record<string, ErrorEntry>
