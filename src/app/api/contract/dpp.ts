import * as z from 'zod'
import { type Contract, DeviceId, Instant, Name, Page, pageOf, Serial, Sha256 } from './operation.ts'

const findings = z
  .array(z.object({ severity: z.enum(['error', 'warning', 'note']), rule: z.string(), message: z.string() }))
  .describe('What could keep the device from being found')

export const BootstrappingKeyView = z.object({
  key: z.string().describe('SHA-256 of the key as in the URI, hex'),
  device: z.string(),
  manufacturer: z.string(),
  serial: z.string(),
  model: z.string(),
  standing: z.enum(['expected', 'waiting', 'approved', 'denied', 'withdrawn']),
  rung: z.string().describe('How far onboarding has come'),
  netRole: z.enum(['sta', 'ap']).describe('A device, or an access point'),
  curve: z.string(),
  mac: z.string().optional(),
  channels: z.array(z.string()),
  information: z.string().optional(),
  version: z.number().int(),
  source: z.string().describe('Who says that the key is the device’s'),
  declared: z.boolean().describe('Its manufacturer signed a declaration about it'),
  state: z.enum(['active', 'removed']),
  addedAt: Instant,
  addedBy: z.string(),
  findings,
})
export type BootstrappingKeyView = z.infer<typeof BootstrappingKeyView>

/** Who a scanned device is, beside what its code says. */
const who = {
  manufacturer: Name.optional().describe('One that is trusted: the device is then one of its devices'),
  serial: Serial.optional().describe('As on the label; the key itself names a device that has none'),
  model: z.string().max(64).optional(),
}

const uri = z.string().min(1).max(2048).describe('DPP:…;;')
const path = z.strictObject({ key: Sha256 })

export const dppOperations = {
  dppKeyAdd: {
    method: 'POST',
    path: '/v1/dpp/keys',
    summary: 'Expect a device by its bootstrapping URI',
    tag: 'dpp',
    authority: ['device.onboard', 'device.onboard@own-network', 'onboarding.initiate'],
    body: z.strictObject({ uri, ...who }),
    reply: BootstrappingKeyView,
  },
  dppAccessPointAdd: {
    method: 'POST',
    path: '/v1/dpp/access-points',
    summary: 'Expect an access point by its bootstrapping URI: devices will take it for one of this site',
    tag: 'dpp',
    authority: ['network.policy.write'],
    body: z.strictObject({ uri, ...who }),
    reply: BootstrappingKeyView,
  },
  dppCodeRead: {
    method: 'POST',
    path: '/v1/dpp/code',
    summary: 'Read the bootstrapping code in a picture; nothing is expected by it yet',
    tag: 'dpp',
    authority: ['device.onboard', 'device.onboard@own-network', 'onboarding.initiate', 'network.policy.write'],
    body: z.strictObject({ picture: z.base64().min(4).max(11_500_000).describe('PNG or JPEG, base64') }),
    maxBody: 11_501_000,
    reply: z.object({ uri: z.string(), findings }),
  },
  dppKeyList: {
    method: 'GET',
    path: '/v1/dpp/keys',
    summary: 'Bootstrapping keys on record, and how far their devices have come',
    tag: 'dpp',
    authority: ['view.device'],
    query: Page.extend({ device: DeviceId.optional() }),
    reply: pageOf(BootstrappingKeyView),
  },
  dppKeyShow: {
    method: 'GET',
    path: '/v1/dpp/keys/{key}',
    summary: 'One bootstrapping key',
    tag: 'dpp',
    authority: ['view.device'],
    params: path,
    reply: BootstrappingKeyView,
  },
  dppKeyRemove: {
    method: 'DELETE',
    path: '/v1/dpp/keys/{key}',
    summary: 'Forget a bootstrapping key: nobody can onboard by it any more, and it cannot become another device’s',
    tag: 'dpp',
    authority: ['device.onboard', 'device.disconnect'],
    params: path,
    reply: BootstrappingKeyView,
  },
} as const satisfies Contract
