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
} as const satisfies Record<string, ErrorEntry>
