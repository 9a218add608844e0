import type { configuratorOperations } from './contract/configurator.ts'
import type { Api } from './contract.ts'
import type { Example } from './example.ts'
import { at, by, id } from './example-device.ts'

const key = {
  id: 'dpp-c-sign-p-256-1',
  use: 'c-sign' as const,
  curve: 'P-256',
  state: 'current' as const,
  source: 'made' as const,
  establishedAt: at,
  establishedBy: 'first use',
}

const hash = '350cd4777d8a1309e99c2d2d72e0b7bff44b54210bd75ba47a02bdb4e18f406d'

const ended = {
  device: id,
  credentials: [{ id: hash, form: 'connector' as const, network: 'lamps', takenUntil: at }],
}

export const configuratorExamples: { readonly [N in keyof typeof configuratorOperations]: Example<Api[N]> } = {
  dppController: {
    reply: {
      uri: 'DPP:V:3;K:MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAC6Ih2zNY1VONL4lfLvzpWe2614D0Z+SHmnYLJsqVN3dA=;;',
      keyHash: hash,
      port: 8908,
      sessions: 0,
      waiting: [],
      keys: [key],
    },
  },
  configuratorKeyRotate: {
    body: { use: 'c-sign', curve: 'P-256' },
    reply: { ...key, id: 'dpp-c-sign-p-256-2', establishedBy: by },
  },
  dppReconfigure: { reply: ended },
  dppRevoke: { reply: ended },
}
