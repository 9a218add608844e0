import type { dppOperations } from './contract/dpp.ts'
import type { Api } from './contract.ts'
import type { Example } from './example.ts'
import { at, by, id } from './example-device.ts'

const key = {
  key: '3d8c2a95ab2a9c6b7ac4f9c3ed5e1a0b2d7f4e6c8b9a0d1e2f3c4b5a69788796',
  device: id,
  manufacturer: 'fjord',
  serial: 'CL2-000001',
  model: 'Climate 2',
  standing: 'expected' as const,
  rung: 'expected',
  netRole: 'sta' as const,
  curve: 'P-256',
  mac: '02:00:00:00:01:00',
  channels: ['81/6'],
  information: 'SN=CL2-000001',
  version: 2,
  source: `by ${by}`,
  declared: false,
  state: 'active' as const,
  addedAt: at,
  addedBy: by,
  findings: [],
}

const uri =
  'DPP:C:81/6;M:020000000100;I:SN=CL2-000001;V:2;' +
  'K:MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADM2206avxHJaHXgLMkq/24e0rsrfMP9K1Tm8gx+ovP0I=;;'

export const dppExamples: { readonly [N in keyof typeof dppOperations]: Example<Api[N]> } = {
  dppKeyAdd: { body: { uri, manufacturer: 'fjord', serial: 'CL2-000001' }, reply: key },
  dppAccessPointAdd: { body: { uri }, reply: { ...key, netRole: 'ap' } },
  dppCodeRead: { body: { picture: 'iVBORw0KGgo=' }, reply: { uri, findings: [] } },
  dppKeyList: { reply: { items: [key] } },
  dppKeyShow: { reply: key },
  dppKeyRemove: { reply: { ...key, state: 'removed' } },
}
