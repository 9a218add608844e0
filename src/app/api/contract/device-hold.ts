import * as z from 'zod'
import type { Authority } from '../../../domain/authority.ts'
import { DeviceView } from './device.ts'
import { type Contract, DevicePath, type FourEyesInput } from './operation.ts'

export const deviceReports = ['lost', 'found', 'stolen', 'broken', 'repaired'] as const

const reporters = [
  'device.disconnect',
  'device.onboard',
  'network.policy.write',
] as const satisfies readonly Authority[]

/** What withdraws a device is for good, by whatever name. One person alone reports it lost, which keeps it out this minute. */
const forGood = (word: 'what' | 'resolution', value: string) => (input: FourEyesInput) =>
  (input.body as Readonly<Record<string, unknown>> | undefined)?.[word] === value ? reporters : undefined

export const deviceHoldOperations = {
  deviceReport: {
    method: 'POST',
    path: '/v1/devices/{id}/report',
    summary:
      'Say that a device is lost (credentials on hold), stolen (withdrawn) or broken (revoked), or that it is back',
    tag: 'device',
    authority: reporters,
    fourEyes: forGood('what', 'stolen'),
    params: DevicePath,
    body: z.strictObject({ what: z.enum(deviceReports), reason: z.string().max(200).optional() }),
    reply: DeviceView,
  },
  deviceResolveClone: {
    method: 'POST',
    path: '/v1/devices/{id}/clone-resolution',
    summary: 'Say which of two devices with one identity is genuine; the other one is refused from then on',
    tag: 'device',
    authority: reporters,
    fourEyes: forGood('resolution', 'neither'),
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
