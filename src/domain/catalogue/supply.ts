import type { ErrorEntry } from './entry.ts'

/** The feed of purchases between manufacturer and buyer. */
export const supplyErrors = {
  'feed-unreachable': {
    title: 'Feed of the manufacturer does not answer',
    cause: 'No answer came in time, or the manufacturer has a fault.',
    action:
      'It is tried again by itself. Check the URL in `mooring feed list` and the way to the internet if it lasts.',
    status: 502,
  },
  'feed-untrusted': {
    title: 'Server of the feed is not the manufacturer',
    cause: 'Its certificate has no path to the anchors of this manufacturer, or is for another name.',
    action: 'Check the URL; add the root of the manufacturer’s services with `mooring trust add --masa-anchor`.',
    status: 502,
  },
  'feed-address-refused': {
    title: 'Address of the feed is not permitted',
    cause: 'The URL is not https, or leads to an address of this machine or this organization.',
    action: 'If that is where the feed is, add it with `mooring feed add --private-address`.',
    status: 403,
  },
  'feed-answer-invalid': {
    title: 'Not the answer of a feed',
    cause: 'The answer is too large, cannot be read, or is not the file that the feed announced.',
    action: 'Tell the manufacturer. Manifests can be imported from files meanwhile.',
    status: 502,
  },
  'feed-refused': {
    title: 'The manufacturer refuses its feed',
    cause: 'It does not know this site as a buyer, or turned the request down.',
    action: 'Send it your card (`mooring site card`) and ask to be added to the feed.',
    status: 502,
  },
  'feed-buyer-unknown': {
    title: 'Not a buyer of this feed',
    cause: 'The certificate of the caller has no path to the root of a buyer that was added to the feed.',
    action: 'Add the buyer with `mooring factory feed add`; a site shows its registrar’s certificate with its root.',
    status: 403,
  },
  'components-differ': {
    title: 'Device is not made of what its factory built in',
    cause: 'What the device stated when it first came in differs from the list that its manufacturer signed.',
    action:
      'See what differs with `mooring device history`, ask the manufacturer, and say what you found with `mooring policy posture`.',
    status: 409,
  },
  'mud-url-differs': {
    title: 'MUD URL is not the one that the maker signed',
    cause: 'Birth certificate, manifest, declaration and the device itself name different MUD URLs for it.',
    action:
      'See who names which with `mooring device show`, and ask the maker; after a rebranding try `mooring ownership refresh`.',
    status: 409,
  },
  'notice-invalid': {
    title: 'Notice not valid',
    cause: 'It is not signed by a manufacturer with a subscription here, was altered, is for another site, or too old.',
    action: 'Nothing is needed: the feed is pulled by itself. Check both clocks if the manufacturer says it was right.',
    status: 403,
  },
  'notice-replayed': {
    title: 'Notice was heard before',
    cause: 'The same notice came a second time.',
    action: 'Wait: the first one led to a pull. Ask the manufacturer if many come.',
    status: 409,
  },
} as const satisfies Record<string, ErrorEntry>
