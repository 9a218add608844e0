import type { ErrorEntry } from './entry.ts'

/** What an Enrollee of Wi-Fi Easy Connect meets on its way into a network, as the device sees it. */
export const enrolleeErrors = {
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
    action: 'Reconfigure the device: `mooring dpp reconfigure`. Check the clocks.',
    status: 403,
  },
} as const satisfies Record<string, ErrorEntry>
