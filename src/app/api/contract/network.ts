import * as z from 'zod'
import { networkAkms, networkCurves } from '../../../domain/network-definition.ts'
import { type Contract, Instant, Name, Page, pageOf } from './operation.ts'

const Akm = z.enum(networkAkms).describe('How devices authenticate to an access point')
const Curve = z.enum(networkCurves)
const Ssid64 = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,43}$/, '1 to 32 octets in base64url')
  .describe('1 to 32 octets in base64url, where the SSID is no text')

const Segment = z.strictObject({
  name: Name.describe('As policies assign it'),
  vlan: z.number().int().min(1).max(4094).optional(),
  group: z
    .string()
    .regex(/^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,31})$/, '* or 1 to 32 of A-Z a-z 0-9 . _ -')
    .optional()
    .describe('Group in Connectors; the name of the segment when absent'),
})

const terms = {
  ssid: z.string().min(1).max(32).optional(),
  ssid64: Ssid64.optional(),
  segments: z.array(Segment).min(1).max(64),
  passphraseLength: z
    .number()
    .int()
    .min(20)
    .max(63)
    .describe('Characters of the secret that each device has for itself'),
  connectorLifetimeDays: z
    .number()
    .int()
    .min(0)
    .max(3650)
    .describe('0: Connectors end with the credential of the device, and not earlier'),
  channels: z
    .array(z.string().max(7))
    .max(32)
    .describe('Where access points listen: operating class and channel, `81/6`'),
  serverName: z.string().min(1).max(253).describe('Name of the RADIUS server; for dot1x'),
  serverCa: z
    .string()
    .max(20_000)
    .describe('PEM of what the chain of the RADIUS server ends in; the root of the site when absent'),
  curve: Curve.describe('Of all netAccessKeys'),
  cSignCurve: Curve.describe('Of the key that signs Connectors'),
  pmksaCaching: z.boolean().describe('Access points remember who has authenticated'),
}

const change = z.strictObject({
  ...terms,
  akm: Akm,
})

export const NetworkView = z.object({
  name: z.string(),
  ssid: z.string().optional().describe('Absent where it is no text'),
  ssid64: z.string(),
  akm: Akm,
  segments: z.array(
    z.object({
      name: z.string(),
      vlan: z.number().int().optional(),
      group: z.string(),
      devices: z.number().int().describe('Configured for it, with a credential in force'),
    }),
  ),
  passphraseLength: z.number().int(),
  connectorLifetimeDays: z.number().int().optional(),
  channels: z.array(z.string()),
  server: z
    .object({
      name: z.string(),
      ca: z.object({ subject: z.string(), fingerprint: z.string(), notAfter: Instant }).optional(),
    })
    .optional(),
  curve: Curve,
  cSignCurve: Curve,
  pmksaCaching: z.boolean(),
  findings: z
    .array(z.object({ rule: z.string(), message: z.string() }))
    .describe('What to know about a network like this'),
  changedAt: Instant,
  changedBy: z.string(),
})
export type NetworkView = z.infer<typeof NetworkView>

const path = z.strictObject({ name: Name })

export const networkOperations = {
  networkAdd: {
    method: 'POST',
    path: '/v1/networks',
    summary: 'Add a wireless network that devices can be configured for',
    tag: 'network',
    authority: ['network.policy.write'],
    body: change.partial().extend({ name: Name, akm: Akm.default('dpp+sae') }),
    reply: NetworkView,
  },
  networkList: {
    method: 'GET',
    path: '/v1/networks',
    summary: 'Wireless networks of the site',
    tag: 'network',
    authority: ['view.device'],
    query: Page,
    reply: pageOf(NetworkView),
  },
  networkShow: {
    method: 'GET',
    path: '/v1/networks/{name}',
    summary:
      'One wireless network, and how many devices are in its segments. Secrets of devices are nowhere to be seen',
    tag: 'network',
    authority: ['view.device'],
    params: path,
    reply: NetworkView,
  },
  networkChange: {
    method: 'PUT',
    path: '/v1/networks/{name}',
    summary: 'Change what the body names of a wireless network',
    tag: 'network',
    authority: ['network.policy.write'],
    params: path,
    body: change.partial(),
    reply: NetworkView,
  },
  networkRemove: {
    method: 'DELETE',
    path: '/v1/networks/{name}',
    summary: 'Remove a wireless network that no device is on',
    tag: 'network',
    authority: ['network.policy.write'],
    params: path,
    reply: z.object({ removed: z.string() }),
  },
} as const satisfies Contract
