import type { ErrorEntry } from './entry.ts'

/** The life of a device: steps by people, time-outs, handing over. */
export const lifecycleErrors = {
  'device-decommissioned': {
    title: 'Device is decommissioned',
    cause: 'The device was taken out of use and is isolated: no network credential, no onboarding.',
    action: 'Wipe it and repurpose it with `mooring device step`, or retire it.',
    status: 403,
  },
  'device-retired': {
    title: 'Device has reached the end of its life',
    cause: 'The device was retired. Its identity is blocked for good.',
    action: 'Destroy or recycle the device; nothing brings it back onto a network.',
    status: 403,
  },
  'lifecycle-fact-contradicted': {
    title: 'The record says otherwise',
    cause: 'Somebody claimed a fact about the device that its record disproves.',
    action:
      'Look at the timeline of the device with `mooring device timeline`; claim only what the record cannot know.',
    status: 409,
  },
  'device-changed': {
    title: 'The device has changed meanwhile',
    cause: 'The request was made for another version of the device than the one on record.',
    action: 'Look at the device again, then decide again.',
    status: 409,
  },
  'hand-over-under-way': {
    title: 'The device is being handed over to somebody else',
    cause: 'A hand-over of this device was begun to another owner and has not ended.',
    action: 'Cancel it with `mooring device hand-over DEVICE --cancel`, or bring it to its end.',
    status: 409,
  },
} as const satisfies Record<string, ErrorEntry>
