import * as z from 'zod'
import { type Contract, Instant, Name, Page, pageOf } from './operation.ts'

export const RadiusClientView = z.object({
  name: z.string(),
  address: z.string().describe('Where its requests come from'),
  disconnectPort: z.number().int().describe('UDP port where it takes Disconnect requests; 0: none'),
  changedAt: Instant,
  changedBy: z.string(),
})
export type RadiusClientView = z.infer<typeof RadiusClientView>

const RadiusClientMade = RadiusClientView.extend({
  secret: z.string().optional().describe('Shown once, and only when the site made it'),
})

export const AccessSessionView = z.object({
  id: z.string(),
  state: z.enum(['granted', 'open', 'ended']).describe('`open` once the access point has reported it'),
  device: z.string(),
  client: z.string().describe('Access point or switch'),
  station: z.string().optional().describe('MAC address of the device, as the access point says'),
  port: z.string().optional(),
  ssid: z.string().optional(),
  segment: z.string().optional(),
  vlan: z.number().int().optional(),
  grantedAt: Instant,
  seenAt: Instant,
  until: Instant.describe('It has to authenticate again by then'),
  startedAt: Instant.optional(),
  endedAt: Instant.optional(),
  endReason: z.string().optional(),
  received: z.number().optional().describe('Octets from the device'),
  sent: z.number().optional().describe('Octets to the device'),
})
export type AccessSessionView = z.infer<typeof AccessSessionView>

const SessionId = z.string().regex(/^[0-9a-f]{32}$/, '32 hex digits')

export const accessOperations = {
  radiusClientAdd: {
    method: 'POST',
    path: '/v1/radius-clients',
    summary: 'Let an access point or switch ask whom to let in; its secret is shown once, or given',
    tag: 'access',
    authority: ['network.policy.write'],
    body: z.strictObject({
      name: Name,
      address: z.string().max(45).describe('IPv4 or IPv6 address'),
      disconnectPort: z.number().int().min(0).max(65_535).default(3799),
      secret: z.string().max(128).optional().describe('One is made when absent'),
    }),
    reply: RadiusClientMade,
  },
  radiusClientList: {
    method: 'GET',
    path: '/v1/radius-clients',
    summary: 'Access points and switches that may ask; their secrets are nowhere to be seen',
    tag: 'access',
    authority: ['view.device'],
    query: Page,
    reply: pageOf(RadiusClientView),
  },
  radiusClientRemove: {
    method: 'DELETE',
    path: '/v1/radius-clients/{name}',
    summary: 'Answer an access point or switch no more',
    tag: 'access',
    authority: ['network.policy.write'],
    params: z.strictObject({ name: Name }),
    reply: z.object({ removed: z.string() }),
  },
  accessSessionList: {
    method: 'GET',
    path: '/v1/access-sessions',
    summary: 'Who is on the network: where, since when, in which segment',
    tag: 'access',
    authority: ['view.device'],
    query: Page.extend({
      device: z.string().max(64).optional(),
      client: Name.optional(),
      state: z.enum(['granted', 'open', 'ended']).optional(),
    }),
    reply: pageOf(AccessSessionView),
  },
  accessSessionEnd: {
    method: 'POST',
    path: '/v1/access-sessions/{id}/end',
    summary: 'Ask the access point to end a session; the device may come back, unless its right to be there ends, too',
    tag: 'access',
    authority: ['device.disconnect'],
    params: z.strictObject({ id: SessionId }),
    body: z.strictObject({ reason: z.string().min(1).max(200) }),
    reply: z.object({ session: AccessSessionView, ended: z.boolean().describe('The access point said that it did') }),
  },
} as const satisfies Contract
