import type { networkOperations } from './contract/network.ts'
import type { Api } from './contract.ts'
import type { Example } from './example.ts'
import { at, by } from './example-device.ts'

const network = {
  name: 'cameras',
  ssid: 'harbour-cameras',
  ssid64: 'aGFyYm91ci1jYW1lcmFz',
  akm: 'sae' as const,
  segments: [
    { name: 'cameras', vlan: 30, group: 'cameras', devices: 12 },
    { name: 'quarantine', vlan: 99, group: 'quarantine', devices: 0 },
  ],
  passphraseLength: 32,
  channels: ['81/6', '115/36'],
  curve: 'P-256' as const,
  cSignCurve: 'P-256' as const,
  pmksaCaching: false,
  findings: [
    {
      rule: 'sae-pmksa-vlan',
      message: 'hostapd up to 2.11 forgets the VLAN of an SAE device when it comes back (PMKSA caching)',
    },
  ],
  changedAt: at,
  changedBy: by,
}

export const networkExamples: { readonly [N in keyof typeof networkOperations]: Example<Api[N]> } = {
  networkAdd: {
    body: {
      name: 'cameras',
      ssid: 'harbour-cameras',
      akm: 'sae',
      segments: [
        { name: 'cameras', vlan: 30 },
        { name: 'quarantine', vlan: 99 },
      ],
      channels: ['81/6', '115/36'],
    },
    reply: network,
  },
  networkList: { reply: { items: [network] } },
  networkShow: { reply: network },
  networkChange: { body: { channels: ['81/6', '115/36'] }, reply: network },
  networkRemove: { reply: { removed: 'cameras' } },
}
