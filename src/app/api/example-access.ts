import type { accessOperations } from './contract/access.ts'
import type { Api } from './contract.ts'
import type { Example } from './example.ts'
import { at, by } from './example-device.ts'

const client = { name: 'gw1', address: '192.0.2.10', disconnectPort: 3799, changedAt: at, changedBy: by }

const session = {
  id: '3f2a9c0d5be84716a0c1d2e3f4051627',
  state: 'open' as const,
  device: 'b5a1c2d3e4f5061728394a5b6c7d8e9f',
  client: 'gw1',
  station: '02:00:00:00:00:11',
  ssid: 'harbour',
  segment: 'cameras',
  vlan: 30,
  grantedAt: at,
  seenAt: at,
  until: at,
  startedAt: at,
}

export const accessExamples: { readonly [N in keyof typeof accessOperations]: Example<Api[N]> } = {
  radiusClientAdd: {
    body: { name: 'gw1', address: '192.0.2.10', disconnectPort: 3799 },
    reply: { ...client, secret: 'Jx4mQ0b_8sVnZr2LwT6kPd' },
  },
  radiusClientList: { reply: { items: [client] } },
  radiusClientRemove: { reply: { removed: 'gw1' } },
  accessSessionList: { reply: { items: [session] } },
  accessSessionEnd: {
    body: { reason: 'moved to the other building' },
    reply: {
      session: { ...session, state: 'ended', endedAt: at, endReason: `moved to the other building (${by})` },
      ended: true,
    },
  },
}
