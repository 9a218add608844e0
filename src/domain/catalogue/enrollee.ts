import type { ErrorEntry } from './entry.ts'

/** What an Enrollee of Wi-Fi Easy Connect meets on its way into a network, as the device sees it. */
export const enrolleeErrors = {
  'bootstrapping-key-missing': {
    title: 'Device has no bootstrapping key',
    cause: 'Without a bootstrapping key nobody can recognise the device by its code.',
    action: 'Make one on the device: `mooring device enrollee uri`.',
    status: 409,
  },
  'configurator-unreachable': {
    title: 'Configurator does not answer',
    cause:
      'There was no connection, or it ended before the answer was there: a Configurator closes at once for a key it does not know.',
    action: 'Check the address, and add the code of the device: `mooring dpp add-uri`.',
    status: 503,
  },
  'configurator-not-authentic': {
    title: 'Configurator could not prove its key',
    cause:
      'What it sent was made with another key than that of the code that was scanned, or it does not know the code of this device.',
    action: 'Scan the code of the Configurator again; it may be another one, or somebody in between.',
    status: 403,
  },
  'configurator-answer-invalid': {
    title: 'Configurator answered with nonsense',
    cause: 'The answer is not one that Easy Connect allows here.',
    action: 'Check which service listens at that address.',
    status: 502,
  },
  'configurator-refused': {
    title: 'Configurator refused the device',
    cause: 'The Configurator answered that it does not configure this device, or not yet.',
    action: 'See what the Configurator recorded about it; the detail names the status.',
    status: 403,
  },
  'reconfiguration-impossible': {
    title: 'Device cannot ask for reconfiguration',
    cause: 'It was given no Connector and no key to ask with: it was never configured, or as devices of version 1 are.',
    action: 'Onboard it by its code: `mooring device enrollee onboard`.',
    status: 409,
  },
  'declaration-missing': {
    title: 'Network does not prove whose it is',
    cause:
      'Anybody with a photograph of the code could send this configuration: nothing the manufacturer signed goes with it.',
    action:
      'Onboard at the owner’s network, or scan the code of its Configurator on the device for mutual authentication.',
    status: 403,
  },
  'configuration-invalid': {
    title: 'Configuration not acceptable',
    cause: 'What the Configurator sent is no configuration, or one that this device cannot use.',
    action: 'The detail names the rule; check the network definition at the Configurator.',
    status: 502,
  },
  'connector-invalid': {
    title: 'Connector not acceptable',
    cause: 'The Connector is malformed, not signed by the C-sign key that came with it, or made for another device.',
    action: 'The detail names the rule; configure the device again.',
    status: 502,
  },
  'connector-expired': {
    title: 'Connector has expired',
    cause: 'The time until which the Connector is good is over.',
    action: 'Configure the device again at its Configurator, and check the clocks of both.',
    status: 403,
  },
} as const satisfies Record<string, ErrorEntry>
