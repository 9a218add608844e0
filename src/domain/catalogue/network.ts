import type { ErrorEntry } from './entry.ts'

/** Wireless networks that devices are configured for. */
export const networkErrors = {
  'network-refused': {
    title: 'Network cannot be run like that',
    cause: 'An access point cannot do what the definition says, or would do something dangerous instead.',
    action: 'Change what the detail names.',
    status: 422,
  },
  'network-exists': {
    title: 'There is a network of that name',
    cause: 'A network of this site has the name already.',
    action: 'Change it with `mooring network change`, or choose another name.',
    status: 409,
  },
  'network-segment-taken': {
    title: 'Segment belongs to another network',
    cause: 'A policy names a segment only, so that each segment of a site must be in one network.',
    action: 'Choose another name for the segment, or take it out of the other network first.',
    status: 409,
  },
  'network-in-use': {
    title: 'Devices are on this network',
    cause: 'Devices of this site hold credentials for the network or for a segment that would go.',
    action: 'Reconfigure or revoke them first; `mooring network show` says how many there are.',
    status: 409,
  },
  'network-undefined': {
    title: 'No network for this device',
    cause: 'No wireless network of this site has the segment that the policies give the device.',
    action: 'Add one with `mooring network add`, or give a network that segment with `mooring network change`.',
    status: 409,
  },
  'network-ambiguous': {
    title: 'Policies do not say which network',
    cause: 'The site has several wireless networks, and no policy assigns the device a segment.',
    action: 'Let a policy assign a segment (`assignSegment`).',
    status: 409,
  },
  'network-curve-differs': {
    title: 'Key of the device is on another curve',
    cause:
      'All Connectors of a network are on one curve. The key of the device is on another, and it cannot make a new one.',
    action: 'Configure the device for a network on its curve; `mooring network add` makes one.',
    status: 409,
  },
  'network-version-old': {
    title: 'Device cannot be told this network',
    cause: 'Version 1 of the protocol knows no SSID that is not text.',
    action: 'Give the network another SSID, or update the device.',
    status: 409,
  },
  'network-address-missing': {
    title: 'Address of the device is not known',
    cause: 'An access point finds the sae secret of a device by its MAC address, and its bootstrapping URI has none.',
    action: 'Add the URI again with its MAC address (M:), or use a network with psk or dpp.',
    status: 409,
  },
  'network-no-dpp': {
    title: 'Network without Connectors',
    cause: 'An access point was to be configured over DPP for a network that has no dpp.',
    action: 'Write its configuration with `mooring network access-point`, or use a network with dpp.',
    status: 409,
  },
  'network-secret-missing': {
    title: 'Secret of the device is gone',
    cause: 'The credential of the device has no secret any more, or it was sealed with another key.',
    action: 'Reconfigure the device: it gets a new one.',
    status: 409,
  },
  'picture-unreadable': {
    title: 'Picture cannot be read',
    cause: 'The file is no PNG or JPEG, is damaged, or is larger than what is decoded here.',
    action: 'Take the picture again, smaller and as PNG or JPEG.',
    status: 400,
  },
  'too-many-pictures': {
    title: 'Too many pictures at once',
    cause: 'Others are being decoded, one at a time.',
    action: 'Try again in a few seconds.',
    status: 503,
  },
  'code-missing': {
    title: 'No code in the picture',
    cause: 'There is no QR code in it, or it is too small, blurred or torn to be read.',
    action: 'Take the picture from nearer, sharp and with light, the whole code and its white margin in it.',
    status: 422,
  },
  'code-several': {
    title: 'Several devices in one picture',
    cause: 'More than one bootstrapping code is in the picture, and each is another device.',
    action: 'Take a picture of each code by itself.',
    status: 422,
  },
} as const satisfies Record<string, ErrorEntry>
