import * as z from 'zod'
import { type Contract, DeviceId, Instant, Sha256 } from './operation.ts'

const curve = z.enum(['P-256', 'P-384', 'P-521', 'BP-256', 'BP-384', 'BP-512'])

export const ConfiguratorKeyView = z.object({
  id: z.string(),
  use: z.enum(['bootstrapping', 'c-sign', 'pp']),
  curve: z.string(),
  state: z.enum(['current', 'former']),
  source: z.enum(['made', 'imported']),
  establishedAt: Instant,
  establishedBy: z.string(),
})
export type ConfiguratorKeyView = z.infer<typeof ConfiguratorKeyView>

export const ConfiguratorView = z.object({
  uri: z.string().describe('What access points enrol with, and devices scan to authenticate the network, too'),
  keyHash: Sha256.describe('`pkhash` of `dpp_controller` in the configuration of hostapd'),
  port: z.number().int().optional().describe('Absent where the site has no Easy Connect'),
  sessions: z.number().int().describe('Onboardings under way in this process'),
  waiting: z
    .array(z.object({ keyHash: Sha256, address: z.string() }))
    .describe('Enrollees that know our code, and whose own nobody has scanned or let in: only they say who they are'),
  keys: z.array(ConfiguratorKeyView),
})
export type ConfiguratorView = z.infer<typeof ConfiguratorView>

export const EndedAccessView = z.object({
  device: z.string(),
  credentials: z.array(
    z.object({
      id: z.string(),
      form: z.enum(['certificate', 'connector']),
      network: z.string().optional(),
      takenUntil: Instant.optional().describe('Until then an access point that does not ask the site takes it'),
    }),
  ),
})
export type EndedAccessView = z.infer<typeof EndedAccessView>

const device = z.strictObject({ device: DeviceId })

export const configuratorOperations = {
  dppController: {
    method: 'GET',
    path: '/v1/dpp/controller',
    summary: 'The Configurator: its code, its keys, and who waits for a person',
    tag: 'dpp',
    authority: ['view.device'],
    reply: ConfiguratorView,
  },
  configuratorKeyRotate: {
    method: 'POST',
    path: '/v1/dpp/controller/keys',
    summary: 'Make the next key of the Configurator; what the one before has signed stays good until it ends',
    tag: 'dpp',
    authority: ['network.own'],
    fourEyes: true,
    body: z.strictObject({ use: z.enum(['bootstrapping', 'c-sign', 'pp']), curve: curve.default('P-256') }),
    reply: ConfiguratorKeyView,
  },
  dppReconfigure: {
    method: 'POST',
    path: '/v1/dpp/devices/{device}/reconfiguration',
    summary: 'End what a device has for wireless networks, and give it something new when it comes back',
    tag: 'dpp',
    authority: ['device.disconnect', 'network.policy.write'],
    params: device,
    reply: EndedAccessView,
  },
  dppRevoke: {
    method: 'POST',
    path: '/v1/dpp/devices/{device}/revocation',
    summary: 'End what a device has for wireless networks; its Connector gets it nothing any more',
    tag: 'dpp',
    authority: ['device.disconnect', 'network.policy.write'],
    params: device,
    reply: EndedAccessView,
  },
} as const satisfies Contract
