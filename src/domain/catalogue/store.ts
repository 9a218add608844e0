import type { ErrorEntry } from './entry.ts'

/** The record: ledger, projections, backup. */
export const storeErrors = {
  'store-conflict': {
    title: 'Changed by somebody else meanwhile',
    cause: 'Another request changed the same record first, again and again.',
    action: 'Repeat the request.',
    status: 409,
  },
  'store-exists': {
    title: 'Exists already',
    cause: 'A record with the same unique value exists.',
    action: 'Use the existing one, or choose another name.',
    status: 409,
  },
  'store-full': {
    title: 'No room for the record',
    cause: 'The disk is full; nothing was acknowledged that was not written.',
    action: 'Free disk space; the service goes on by itself.',
    status: 507,
  },
  'store-unavailable': {
    title: 'Record not available',
    cause: 'The database does not answer.',
    action: 'Check the database; requests are answered again as soon as it is back.',
    status: 503,
  },
  'store-version': {
    title: 'Record of another version',
    cause: 'The data directory was written by a newer Mooring.',
    action: 'Run the newer version, or restore a backup made by this one.',
    status: 500,
  },
  'store-locked': {
    title: 'Data directory in use',
    cause: 'Another Mooring process uses this data directory, and an embedded record belongs to one process at a time.',
    action:
      'Stop that process meanwhile; or let both use one PostgreSQL record, `mooring up` and `mooring masa up` take --store.',
    status: 500,
  },
  'ledger-altered': {
    title: 'Ledger was altered',
    cause: 'A record does not match its hash, or its signature does not verify.',
    action: 'Keep the data as evidence and restore a backup; `mooring audit verify` names the first bad record.',
    status: 500,
  },
  'ledger-incomplete': {
    title: 'Ledger is incomplete',
    cause: 'Records that a signed checkpoint counts are missing.',
    action: 'Keep the data as evidence and restore a backup; `mooring audit verify` names what is missing.',
    status: 500,
  },
  'backup-invalid': {
    title: 'Backup not usable',
    cause: 'The file is not a Mooring backup, or is damaged.',
    action: 'Use another backup.',
    status: 400,
  },
} as const satisfies Record<string, ErrorEntry>
