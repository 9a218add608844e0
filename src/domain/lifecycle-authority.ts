import { type Authority, type RoleName, roleWith } from './authority.ts'
import type { LifecycleEvent } from './lifecycle.ts'

const maker: readonly Authority[] = ['birth.create']
const integrator: readonly Authority[] = ['device.onboard@own-network(temporary)']
/** Logistics and retail are none of the sixteen roles (section 5): who makes a device or buys it tells where it is. */
const carrier: readonly Authority[] = ['birth.create', 'ownership.designate-first-owner']
const onboarder: readonly Authority[] = ['onboarding.initiate', 'device.onboard', 'device.onboard@own-network']
/** What is nobody's step, whoever is near the device may report. */
const anybodyNear: readonly Authority[] = [
  'device.use',
  'device.install',
  'device.update',
  'device.decommission',
  'device.onboard',
  'onboarding.initiate',
]

/** Of these a caller needs one to take the step, or to record that its party took it. Section 5 of the white paper. */
export const stepAuthority: Readonly<Record<LifecycleEvent, readonly Authority[]>> = {
  'start-production': maker,
  'hand-to-integrator': maker,
  'return-from-integrator': integrator,
  release: maker,
  'arrive-rebrander': ['declaration.sign'],
  'rebrand-done': ['declaration.sign'],
  store: carrier,
  ship: carrier,
  shelve: carrier,
  acquire: ['ownership.designate-first-owner', 'device.onboard'],
  'acquire-onboard-first': ['ownership.designate-first-owner', 'device.onboard'],
  'enter-onboarding-mode': onboarder,
  'install-after-onboarding': ['device.install'],
  connect: ['device.connect'],
  'onboarding-failed': onboarder,
  'start-application-onboarding': ['app.onboard', 'app.install'],
  execute: ['app.execute'],
  'begin-maintenance': ['device.update'],
  'maintenance-done': ['device.update'],
  'maintenance-done-app-changed': ['app.update'],
  'disconnect-for-maintenance': ['device.disconnect'],
  reinstall: ['device.install'],
  're-onboard': onboarder,
  // Its maker says so to everybody; who keeps the device puts it on record.
  'support-ended': ['birth.create', 'device.onboard@own-network(temporary)', 'device.onboard', 'device.update'],
  disconnect: ['device.disconnect'],
  break: anybodyNear,
  'disconnect-for-decommission': ['device.decommission'],
  retire: ['device.retire'],
  'repurpose-same-owner-new-network': ['device.repurpose'],
  'repurpose-same-network-new-role': ['device.repurpose'],
  'repurpose-new-owner': ['device.repurpose'],
}

/** What cannot be taken back, or takes the device away: decommissioning, end of life, another owner. */
const lasting: readonly LifecycleEvent[] = ['disconnect-for-decommission', 'retire', 'repurpose-new-owner']

/** Of which both people need one where the site wants four eyes; undefined for a step that one person may take. */
export function lastingStepAuthority(event: unknown): readonly Authority[] | undefined {
  const found = lasting.find(each => each === event)
  return found === undefined ? undefined : stepAuthority[found]
}

/** Who has none of these can take no step at all. */
export const stepAuthorities: readonly Authority[] = [...new Set(Object.values(stepAuthority).flat())]

export function mayStep(roles: readonly RoleName[], event: LifecycleEvent): boolean {
  return roleWith(roles, stepAuthority[event]) !== undefined
}
