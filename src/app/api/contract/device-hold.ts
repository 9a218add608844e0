import * as z from 'zod'
import { DeviceView } from './device.ts'
import { type Contract, DevicePath } from './operation.ts'

export const deviceReports = ['lost', 'found', 'stolen', 'broken', 'repaired'] as const

export const deviceHoldOperations = {
  deviceReport: {
    method: 'POST',
    path: '/v1/devices/{id}/report',
    summary:
      'Say that a device is lost (credentials on hold), stolen (withdrawn) or broken (revoked), or that it is back',
    tag: 'device',
    authority: ['device.disconnect', 'device.onboard', 'network.policy.write'],
    params: DevicePath,
    body: z.strictObject({ what: z.enum(deviceReports), reason: z.string().max(200).optional() }),
    reply: DeviceView,
  },
  deviceResolveClone: {
    method: 'POST',
    path: '/v1/devices/{id}/clone-resolution',
    summary: 'Say which of two devices with one identity is genuine; the other one is refused from then on',
    tag: 'device',
    authority: ['device.disconnect', 'device.onboard', 'network.policy.write'],
    params: DevicePath,
    body: z.strictObject({
      resolution: z
        .enum(['genuine-at', 'network-key-only', 'one-device', 'neither'])
        .describe('The genuine one is at `place`; the birth key was not copied; a false alarm; both are withdrawn'),
      place: z.string().min(1).max(64).optional().describe('Address of the genuine device, with `genuine-at`'),
      minutes: z.number().int().min(1).max(10_080).default(1440).describe('For so long it may onboard from there'),
    }),
    reply: DeviceView,
  },
} as const satisfies Contract
