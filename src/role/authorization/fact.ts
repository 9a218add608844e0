import type { Device } from '../../domain/device.ts'
import { judgeIntent } from '../../domain/intent.ts'
import type { PolicyDecision, PolicyFacts } from '../../domain/policy.ts'

type Subject = Pick<Device, 'id' | 'serial' | 'manufacturer' | 'model' | 'standing' | 'owner' | 'lifecycle'> & {
  readonly posture?: Device['posture'] | undefined
  readonly intent?: Device['intent'] | undefined
  readonly history?: Device['history'] | undefined
}

/** What policies are told of a device, and of the moment. `at`: milliseconds since 1970. */
export function deviceFacts(
  {
    id,
    serial,
    manufacturer,
    model,
    standing,
    owner,
    lifecycle,
    posture = 'unknown',
    intent: said,
    history: read,
  }: Subject,
  place: { readonly network: string; readonly site: string; readonly protocol: string; readonly at: number },
): PolicyFacts {
  const { network, site, protocol, at } = place
  const now = Math.floor(at / 1000)
  const { verdict: intent } = judgeIntent(said)
  const state = { standing, owner, lifecycle, posture, intent, history: read?.verdict ?? 'unasked' } as const
  return { device: id, serial, manufacturer, model, ...state, network, site, protocol, now }
}

/** In a few words, for the reasons of a decision. */
export function policyNote(version: string, { policies, failure }: PolicyDecision): string {
  if (failure !== undefined) return `version ${shown(version)}: ${failure.policy || 'the policies'} failed`
  return `version ${shown(version)}: ${policies.length === 0 ? 'no policy permits it' : policies.join(', ')}`
}

/** `000012` is version 12. */
export function shown(version: string): string {
  return version.replace(/^0+(?=\d)/, '')
}
