import type { ErrorEntry } from './entry.ts'

/** Policies of a site, and what they decide. */
export const policyErrors = {
  'policy-refused': {
    title: 'Refused by policy',
    cause: 'No policy of this site permits this device, or one forbids it.',
    action: 'See which policy decided with `mooring policy explain`; change it, or the facts that it rests on.',
    status: 403,
  },
  'policy-waits': {
    title: 'Policy wants a person to decide',
    cause: 'The device is known here, but a policy lets it in only after a person has approved it.',
    action: 'Approve it with `mooring approval grant`, or see why with `mooring policy explain`.',
    status: 202,
  },
  'policy-failed': {
    title: 'A policy could not be evaluated',
    cause:
      'A policy of this site fails on the facts of this device. Nobody is let in on an error; devices that are in stay.',
    action: 'Correct the policy that the detail names, or go back with `mooring policy rollback`.',
    status: 503,
  },
  'policy-invalid': {
    title: 'Policy not valid',
    cause: 'The text of the policies cannot be read, or speaks of something that there is not.',
    action: 'Correct it at the line and column that the detail names; `mooring policy check` lists all of it.',
    status: 400,
  },
  'policy-too-large': {
    title: 'Too much policy',
    cause: 'The text is longer, has more policies, or is nested deeper than a decision has time for.',
    action: 'Put what single devices have in common into their model, manufacturer or standing, and say it once.',
    status: 413,
  },
  'policy-drops-devices': {
    title: 'Devices that are in would be dropped',
    cause: 'By the version to be activated some devices may not stay, or a policy fails on them.',
    action: 'Look at them with `mooring policy preview --number`; if that is meant, activate it with --yes.',
    status: 409,
  },
  'policy-changed': {
    title: 'Another version of the policies counts by now',
    cause: 'Somebody has activated another version since; to go back from that one would be something else.',
    action: 'See with `mooring policy list` which version counts, and ask again if that is meant.',
    status: 409,
  },
  'policy-not-found': {
    title: 'No such version of the policies',
    cause: 'This site has no policies under that number, or none to go back to.',
    action: 'List the versions with `mooring policy list`.',
    status: 404,
  },
} as const satisfies Record<string, ErrorEntry>
