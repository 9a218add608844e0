import type { ErrorEntry } from './entry.ts'

/** Making units, selling them, and what the buyer's site makes of it. */
export const factoryErrors = {
  'batch-differs': {
    title: 'Batch was started with other terms',
    cause: 'A batch of this name exists, for another model, count or kind of serial number.',
    action: 'Resume it with the terms that it was started with, or choose another batch name.',
    status: 409,
  },
  'serial-prefix-taken': {
    title: 'Serial numbers belong to another batch',
    cause: 'Another batch already uses this prefix, and its serial numbers would be given twice.',
    action: 'Choose another prefix with --serial-prefix.',
    status: 409,
  },
  'unit-key-reused': {
    title: 'Key belongs to another unit',
    cause: 'A unit asked for a birth certificate with a key that another unit has.',
    action: 'Take both units off the line: their key store is cloned, or their random generator is broken.',
    status: 409,
  },
  'unit-key-changed': {
    title: 'Unit came back with another key',
    cause: 'The unit has its birth certificate already, but for another key than the one that it holds now.',
    action: 'Scrap the serial number, or restore the key store of the unit.',
    status: 409,
  },
  'unit-not-found': {
    title: 'No such unit',
    cause: 'This factory has no finished unit with that serial number.',
    action: 'Check the serial number; a unit whose making was interrupted is finished by running its batch again.',
    status: 404,
  },
  'unit-withdrawn': {
    title: 'Unit was withdrawn',
    cause: 'The manufacturer withdrew this unit; it can no longer be sold.',
    action: 'Leave it out of the shipment.',
    status: 409,
  },
  'issuer-key-missing': {
    title: 'Signing key not at hand',
    cause: 'A certificate exists, but the key store does not hold its key; a root is kept offline on purpose.',
    action: 'Bring the key back into the key store, under the label that the detail names, and run the command again.',
    status: 500,
  },
  'anchor-invalid': {
    title: 'Not a usable trust anchor',
    cause: 'The certificate is not a certification authority, has a weak key, or cannot be read.',
    action: 'Ask the manufacturer for its IDevID root certificate.',
    status: 400,
  },
  'manifest-too-large': {
    title: 'Manifest too large',
    cause: 'The manifest has more bytes or more units than one shipment may have.',
    action: 'Ask the manufacturer to split the shipment into several manifests.',
    status: 413,
  },
} as const satisfies Record<string, ErrorEntry>
