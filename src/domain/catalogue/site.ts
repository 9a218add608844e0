import type { ErrorEntry } from './entry.ts'

/** Running a site or a factory: configuration, API, CLI, files. */
export const siteErrors = {
  'not-authenticated': {
    title: 'No valid token',
    cause: 'The request carries neither a valid token nor a client certificate.',
    action:
      'Give one, in MOORING_TOKEN or as `Authorization: Bearer`; `mooring token create --offline` makes a new one.',
    status: 401,
  },
  'not-permitted': {
    title: 'Not permitted',
    cause: 'None of the roles of the caller includes the operation.',
    action: 'Use a token with a role that the detail names.',
    status: 403,
  },
  'too-many-attempts': {
    title: 'Too many failed attempts',
    cause: 'From this address came one wrong token after the other.',
    action: 'Wait a minute, and check which program sends an old or mistyped token.',
    status: 429,
  },
  'input-invalid': {
    title: 'Input not valid',
    cause: 'A parameter, option or field has a value that cannot be used.',
    action: 'Correct the field that the detail names.',
    status: 400,
  },
  'not-found': {
    title: 'Not found',
    cause: 'There is nothing under that name.',
    action: 'List what exists first.',
    status: 404,
  },
  'file-unreadable': {
    title: 'File cannot be read',
    cause: 'The file does not exist, may not be read, or does not hold what is wanted.',
    action: 'Check the path, its permissions, and that it is the right file.',
    status: 400,
  },
  'file-exists': {
    title: 'Something is there already',
    cause: 'There is something at that place already, and nothing is written over.',
    action: 'Choose another place, or move away what is there.',
    status: 409,
  },
  'data-missing': {
    title: 'Nothing in the data directory',
    cause: 'The directory holds no site, no factory, or no device, as the detail says.',
    action: 'Check --data; `mooring up` founds a site, `mooring factory init` a factory.',
    status: 404,
  },
  'file-unwritable': {
    title: 'File cannot be written',
    cause: 'The place does not exist, is full, or is closed to this user.',
    action: 'Choose another place, or make room and give yourself the right to write there.',
    status: 500,
  },
  'site-moved': {
    title: 'This site is on another machine',
    cause:
      'The site was moved from here. Going on in both places would make two records that know nothing of each other.',
    action: 'Start it where it is now. If the move came to nothing, `mooring move --cancel` takes it back.',
    status: 409,
  },
  'site-elsewhere': {
    title: 'Another machine answers as this site',
    cause:
      'At a name of this site a registrar of its own answers that this record does not know: nothing is issued here.',
    action: 'Run the site on one machine only: stop this one, or the other, which this one notices within minutes.',
    status: 503,
  },
  'record-missing': {
    title: 'Record missing',
    cause:
      'This site or factory was founded here, and its record is gone. A new one would know no device and no owner.',
    action: 'Put the file back, or make the site from its newest backup with `mooring restore`.',
    status: 500,
  },
  'manifest-invalid': {
    title: 'Manifest not valid',
    cause: 'The manifest is not signed by a manufacturer that this site trusts, or was altered.',
    action: 'Add the manufacturer with `mooring trust add`, or ask for a new manifest.',
    status: 403,
  },
  'recall-invalid': {
    title: 'Recall notice not valid',
    cause: 'The notice is not signed by a manufacturer that this site trusts, was altered, or contradicts itself.',
    action: 'Get the notice from the manufacturer again; add the manufacturer with `mooring trust add` if it is new.',
    status: 403,
  },
  'recall-foreign': {
    title: 'Recall in the name of another manufacturer',
    cause: 'Its signer is trusted for its own devices, and the notice names a manufacturer that it is not.',
    action: 'Do not use it, and ask the manufacturer that it names.',
    status: 403,
  },
  'recall-stale': {
    title: 'A newer notice about this recall is known',
    cause: 'A recall was changed or lifted since; an older notice never takes the place of a newer one.',
    action: 'See what is in force with `mooring recall list`, and ask the manufacturer for its newest notice.',
    status: 409,
  },
  'port-in-use': {
    title: 'Port in use',
    cause: 'Another program listens on the port.',
    action: 'Stop it, or choose another with --port, or --api-port for the API.',
    status: 500,
  },
  'key-store-failed': {
    title: 'Key store not usable',
    cause: 'A private key could not be read, made or used.',
    action: 'Do what the detail says; nothing was signed.',
    status: 500,
  },
  'keys-differ': {
    title: 'Keys of another installation',
    cause: 'The record was begun with other keys than those in this data directory.',
    action:
      'Start with the data directory that began it, or with a copy of its keys; all processes need the same ones.',
    status: 500,
  },
  'clock-wrong': {
    title: 'Clock of this machine is wrong',
    cause: 'It shows a time before this software was made; certificates made now would have run out already.',
    action: 'Set the clock, best by NTP, and start again; no certificate was made.',
    status: 500,
  },
  'service-unreachable': {
    title: 'Site does not answer',
    cause: 'No Mooring site answers at that address.',
    action: 'Start it with `mooring up`, or name it with --url.',
    status: 503,
  },
  'service-answer-invalid': {
    title: 'Not the answer of a site',
    cause: 'Something answers at that address, but not as a Mooring site of this version does.',
    action: 'Check the address in --url, and that CLI and site are of one version.',
    status: 502,
  },
  internal: {
    title: 'A fault of ours',
    cause: 'Something failed that should not fail.',
    action: 'Nothing acknowledged was lost. Please report it with the log line that carries the same id.',
    status: 500,
  },
} as const satisfies Record<string, ErrorEntry>
