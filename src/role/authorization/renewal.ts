import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Log, Tables } from '../../domain/port.ts'
import { assess, type Place } from './assessment.ts'
import type { PolicyPoint } from './policy-point.ts'

/**
 * Whether a device that is in may have its next credential now: `issueCredential`, asked with the state that it is in. White
 * paper section 6.4.22 would have none given to a device in operation; whether a site goes that far, its policies say.
 */
export function createRenewalRule(options: {
  readonly point: Pick<PolicyPoint, 'active'>
  readonly place: Place
  readonly clock: Clock
  readonly log: Log
}): (device: Device, tables: Tables) => Promise<void> {
  const { point, place, clock, log } = options
  return async (device, tables) => {
    const policies = await point.active(tables)
    // What no policy decides was asked before.
    const { decision } = assess(device, 'stay', { policies, place, recalls: [], at: clock() })
    // A policy that fails leaves who is in as it is.
    if (decision === undefined || decision.failure !== undefined || decision.issue) return
    const { id, lifecycle } = device
    log.warn(
      { code: 'policy-refused', device: id, lifecycle },
      'a device that is in asked for a credential, and may have none',
    )
    throw new OnboardingError('policy-refused', { device: id, asked: 'issueCredential', lifecycle })
  }
}
