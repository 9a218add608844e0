import * as z from 'zod'
import { lifecycleStateNames, supplyChainStates } from '../../../domain/lifecycle-table.ts'
import { postures } from '../../../domain/policy.ts'
import { EventView } from './audit.ts'
import { type Contract, DevicePath, Instant, Name, Page, pageOf, Serial } from './operation.ts'

export const DeviceView = z.object({
  id: z.string(),
  manufacturer: z.string(),
  serial: z.string(),
  model: z.string(),
  lifecycle: z.string(),
  since: Instant.optional().describe('When it came into that state of life'),
  wipedAt: Instant.optional(),
  broken: z.boolean().optional().describe('Beyond repair'),
  handOverTo: z.string().optional().describe('It is being handed over to this owner'),
  rung: z.enum(['expected', 'heard', 'authenticated', 'authorized', 'credentialed', 'connected']),
  standing: z.enum(['expected', 'waiting', 'approved', 'denied', 'withdrawn']),
  owner: z.string(),
  mudUrl: z.string().optional(),
  credential: z.string().optional(),
  refusal: z.object({ code: z.string(), title: z.string(), action: z.string(), at: Instant }).optional(),
  awaits: z.literal('person').optional().describe('It waits for a person to let it in'),
  segment: z.string().optional().describe('Where the policies put it; enforcing that waits for network access'),
  services: z.array(z.string()).optional().describe('What the policies grant it'),
  stay: z
    .object({ verdict: z.enum(['permit', 'refuse']), policies: z.array(z.string()), at: Instant })
    .optional()
    .describe('Whether it may stay, as it was last decided'),
  posture: z.enum(postures).optional(),
  firstHeardAt: Instant.optional(),
  lastHeardAt: Instant.optional(),
  connectedAt: Instant.optional(),
  recalls: z.array(z.string()).optional().describe('Ids of the recalls that hit it'),
  hold: z
    .object({
      kind: z.enum(['clone', 'lost', 'broken']),
      at: Instant,
      by: z.string(),
      reason: z.string().optional(),
      places: z.array(z.object({ place: z.string(), at: Instant })).optional(),
    })
    .optional()
    .describe('Kept out for now, and why'),
  birthBound: z
    .object({ place: z.string(), until: Instant })
    .optional()
    .describe('A copy of its birth identity is about: it onboards from here alone, until then'),
  components: z
    .object({
      verdict: z.enum(['match', 'differ', 'changed', 'no-reference', 'not-stated', 'not-declared']),
      code: z.string().optional(),
      at: Instant.optional(),
      differences: z.number().int(),
    })
    .optional()
    .describe('What the device states of its parts, against the list of its factory; its own word, not attested'),
  possible: z.array(z.string()).describe('Lifecycle events that the table knows from here'),
})
export type DeviceView = z.infer<typeof DeviceView>

export const deviceOperations = {
  deviceList: {
    method: 'GET',
    path: '/v1/devices',
    summary: 'Devices, in order of id',
    tag: 'device',
    authority: ['view.device'],
    query: Page.extend({
      rung: DeviceView.shape.rung.optional(),
      standing: DeviceView.shape.standing.optional(),
      manufacturer: Name.optional(),
      serial: Serial.optional(),
      lifecycle: z.enum(lifecycleStateNames).optional(),
    }),
    reply: pageOf(DeviceView),
  },
  deviceShow: {
    method: 'GET',
    path: '/v1/devices/{id}',
    summary: 'One device',
    tag: 'device',
    authority: ['view.device'],
    params: DevicePath,
    reply: DeviceView,
  },
  deviceHistory: {
    method: 'GET',
    path: '/v1/devices/{id}/events',
    summary: 'The history of one device, oldest first',
    tag: 'device',
    authority: ['view.device'],
    params: DevicePath,
    query: Page,
    reply: pageOf(EventView),
  },
  deviceExpect: {
    method: 'POST',
    path: '/v1/devices',
    summary: 'Expect one device that is on no manifest',
    tag: 'device',
    authority: [
      'device.onboard',
      'device.onboard@own-network',
      'device.onboard@own-network(temporary)',
      'onboarding.initiate',
    ],
    body: z.strictObject({
      manufacturer: Name,
      serial: Serial,
      model: z.string().max(64).default(''),
      lifecycle: z
        .enum(supplyChainStates)
        .optional()
        .describe('Where its record begins; the shelf when absent. Of a device that is known it changes nothing'),
    }),
    reply: DeviceView,
  },
  deviceWithdraw: {
    method: 'POST',
    path: '/v1/devices/{id}/withdrawal',
    summary: 'Withdraw a device: no onboarding from now on, its network credential revoked',
    tag: 'device',
    authority: ['device.onboard', 'device.disconnect', 'device.decommission', 'network.policy.write'],
    // For good. What must be kept out this minute one person reports as lost (`deviceReport`).
    fourEyes: true,
    params: DevicePath,
    body: z.strictObject({ reason: z.string().max(200).default('') }),
    reply: DeviceView,
  },
} as const satisfies Contract
