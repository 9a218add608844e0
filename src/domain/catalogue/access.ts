import type { ErrorEntry } from './entry.ts'

/** Who calls, as what, and with whose consent. */
export const accessErrors = {
  'role-not-assignable': {
    title: 'Role that the caller may not give',
    cause: 'Of the roles to give or take away, one is not for the caller to give.',
    action: 'Ask whoever may: an administrator may give every role, an owner those below the own one.',
    status: 403,
  },
  'credential-ambiguous': {
    title: 'Two credentials at once',
    cause: 'The call carries a token and a client certificate, and they might be two people.',
    action: 'Call with one of them.',
    status: 400,
  },
  'caller-certificate-invalid': {
    title: 'Client certificate that is not for this',
    cause: 'The certificate cannot be read, is not for TLS clients, or breaks a rule that the detail names.',
    action: 'Ask the authority that issued it for one for client authentication.',
    status: 401,
  },
  'caller-untrusted': {
    title: 'Client certificate of a foreign authority',
    cause: 'The certificate leads to no authority that this site trusts for people and organizations.',
    action: 'Use a certificate of such an authority; `mooring caller authorities` lists them.',
    status: 401,
  },
  'caller-expired': {
    title: 'Client certificate outside its time',
    cause: 'The certificate, or one above it, has run out or is not valid yet.',
    action: 'Renew it; check the clock of the site if it should be valid.',
    status: 401,
  },
  'caller-revoked': {
    title: 'Client certificate was revoked',
    cause: 'The authority that issued the certificate, or one above it, revoked it.',
    action: 'Use another one; ask the authority why.',
    status: 401,
  },
  'caller-status-unknown': {
    title: 'Whether the client certificate stands is not known',
    cause: 'The revocation list of its authority has run out, so that nobody can tell.',
    action: 'Give the site the newest list with `mooring caller crl`; a token works meanwhile.',
    status: 401,
  },
  'caller-unknown': {
    title: 'Genuine certificate that nobody let in',
    cause: 'The certificate is good, and the site has nobody under the identity in it.',
    action: 'Let it in with `mooring caller admit`.',
    status: 403,
  },
  'caller-ambiguous': {
    title: 'Certificate of more than one caller',
    cause: 'The certificate carries several identities that were let in as different callers.',
    action: 'Remove all but one with `mooring caller remove`.',
    status: 403,
  },
  'crl-invalid': {
    title: 'Revocation list that cannot be used',
    cause: 'The list is unreadable, by none of the anchors, older than the one there is, or not current.',
    action: 'Fetch the newest list of the authority and give that.',
    status: 400,
  },
  'confirmation-needed': {
    title: 'A second person must confirm',
    cause: 'This site wants four eyes for that. Nothing was done yet; the request waits.',
    action: 'Ask somebody else who may do it for `mooring request confirm`, before the time in the detail.',
    status: 409,
  },
  'confirmation-not-independent': {
    title: 'Not a second person',
    cause: 'Who asked and who confirms are of one party, or one let the other in since four eyes are on.',
    action: 'Have it confirmed by somebody else who was let in by somebody else.',
    status: 403,
  },
  'confirmation-impossible': {
    title: 'Nobody there who could confirm',
    cause: 'Four eyes need two parties that may switch them off again, and there are not two.',
    action: 'Make a token of another party first: `mooring token create` with --party.',
    status: 409,
  },
  'request-decided': {
    title: 'Request is decided already',
    cause: 'It was confirmed, declined or done before.',
    action: 'Look at it with `mooring request list`; ask anew if it is to be done again.',
    status: 409,
  },
  'request-expired': {
    title: 'Request has run out',
    cause: 'Nobody decided on it in time.',
    action: 'Ask for it again.',
    status: 410,
  },
  'request-void': {
    title: 'Request does not count any more',
    cause: 'Who asked may not do that any more, or the request is not as it was made.',
    action: 'Ask for it again, by somebody who may.',
    status: 409,
  },
  'too-many-requests': {
    title: 'Too many requests wait',
    cause: 'Of one party as many requests wait for a second person as may.',
    action: 'Have them confirmed or declined first; `mooring request list` shows them.',
    status: 409,
  },
} as const satisfies Record<string, ErrorEntry>
