import type { ErrorEntry } from './entry.ts'

/** Changes of owner and of authorized onboarders. */
export const ownershipErrors = {
  'ownership-request-invalid': {
    title: 'Ownership request not valid',
    cause: 'The request cannot be read, is signed wrongly, is for another manufacturer, or was made too long ago.',
    action: 'Make the request again, on a machine whose clock is right.',
    status: 400,
  },
  'not-keeper': {
    title: 'Not the keeper of the MUD file',
    cause: 'Where the MUD file of a device is says its manufacturer, or whoever has taken that over from it.',
    action: 'Ask the keeper that `mooring ownership show` names; owning a device gives no right over its MUD file.',
    status: 403,
  },
  'delegate-revoked': {
    title: 'Delegate may not sign any more',
    cause: 'The manufacturer has ended the right of this delegate to sign declarations and manifests.',
    action: 'Let the manufacturer run the service itself, or certify another delegate with `mooring factory delegate`.',
    status: 403,
  },
  'offer-not-found': {
    title: 'No such offer',
    cause: 'Nobody has made an offer of that id, or it was not sent to the manufacturer yet.',
    action: 'Ask the seller for the offer file; it holds the offer itself.',
    status: 404,
  },
  'offer-not-yours': {
    title: 'Offer is for somebody else',
    cause: 'The offer names its buyer, and the acceptance is signed by another.',
    action: 'Ask the owner for an offer in your name.',
    status: 403,
  },
  'offer-secret-wrong': {
    title: 'Acceptance secret is wrong',
    cause: 'Whoever accepts an offer shows the secret that came with it; this is another one.',
    action: 'Use the offer file or link as the seller gave it to you.',
    status: 403,
  },
  'offer-accepted': {
    title: 'Offer was accepted',
    cause: 'Somebody has accepted this offer; it cannot be accepted again, nor revoked.',
    action: 'If it was not you, ask the seller at once; the devices belong to whoever accepted first.',
    status: 409,
  },
  'offer-revoked': {
    title: 'Offer was revoked',
    cause: 'The owner took the offer back before anybody had accepted it.',
    action: 'Ask the owner for a new offer.',
    status: 409,
  },
  'offer-expired': {
    title: 'Offer has expired',
    cause: 'Nobody accepted the offer in its time.',
    action: 'Ask the owner for a new offer.',
    status: 409,
  },
} as const satisfies Record<string, ErrorEntry>
