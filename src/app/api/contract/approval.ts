import { DeviceView } from './device.ts'
import { type Contract, DevicePath, Page, pageOf } from './operation.ts'

export const approvalOperations = {
  approvalList: {
    method: 'GET',
    path: '/v1/approvals',
    summary: 'Genuine devices that nobody expects and that wait for a person',
    tag: 'approval',
    authority: ['view.device'],
    query: Page,
    reply: pageOf(DeviceView),
  },
  approvalGrant: {
    method: 'POST',
    path: '/v1/approvals/{id}/grant',
    summary: 'Let a waiting device in',
    tag: 'approval',
    authority: ['device.onboard', 'device.onboard@own-network', 'network.policy.write'],
    params: DevicePath,
    reply: DeviceView,
  },
  approvalDeny: {
    method: 'POST',
    path: '/v1/approvals/{id}/denial',
    summary: 'Turn a waiting device away',
    tag: 'approval',
    authority: ['device.onboard', 'device.onboard@own-network', 'network.policy.write'],
    params: DevicePath,
    reply: DeviceView,
  },
} as const satisfies Contract
