import { roleWith } from '../../../domain/authority.ts'
import { OnboardingError } from '../../../domain/error.ts'
import type { LifecycleEvent } from '../../../domain/lifecycle.ts'
import { mayStep, stepAuthority } from '../../../domain/lifecycle-authority.ts'
import type { HandOverStatus } from '../../../role/lifecycle/hand-over.ts'
import { defined } from '../../defined.ts'
import type { HandOverView } from '../contract/lifecycle.ts'
import type { ApiServices, Call, Handlers } from '../service.ts'
import { timelineView } from '../timeline-view.ts'
import { deviceView } from '../view.ts'

type Names =
  | 'deviceTimeline'
  | 'deviceAllowed'
  | 'deviceStep'
  | 'deviceWiped'
  | 'deviceHandOver'
  | 'deviceHandOverShow'
  | 'deviceHandOverCancel'

export function lifecycleHandlers({ lifecycle, handOver, policies }: ApiServices): Pick<Handlers, Names> {
  return {
    async deviceTimeline({ params: { id }, query: { after = '0', limit } }) {
      if (!/^\d{1,15}$/.test(after)) throw new OnboardingError('input-invalid', { field: 'after', rule: 'a version' })
      const { entries, next } = await lifecycle.timeline(id, { after: Number(after), limit })
      return { items: entries.map(timelineView), ...(next === undefined ? {} : { next: String(next) }) }
    },
    async deviceAllowed({ params: { id } }) {
      const { device, steps } = await lifecycle.allowed(id)
      const views = steps.map(step => ({ ...step, actors: [...step.actors], missing: [...step.missing] }))
      return { device: deviceView(device), version: device.version, steps: views }
    },
    async deviceStep({ params: { id }, body: { event, facts, reason, ...rest } }, call) {
      await lifecycle.allowed(id)
      requireStep(call, event, facts)
      const step = { event, facts: defined(facts), reason, by: call.by, ...defined(rest) }
      const moved = await lifecycle.step(id, step)
      // What it may use now, other than before.
      policies.wake()
      return deviceView(moved)
    },
    deviceWiped: async ({ params: { id }, body: { reason } }, { by }) =>
      deviceView(await lifecycle.wiped(id, { by, reason })),
    async deviceHandOver({ params: { id }, body: { to, facts, reason } }, { by, caller }) {
      const roles = caller?.roles ?? []
      const may = {
        manage: roleWith(roles, ['device.repurpose']) !== undefined,
        transfer: roleWith(roles, ['ownership.transfer']) !== undefined,
      }
      return handOverView(await handOver.advance(id, { by, may, facts: defined(facts), reason, ...defined({ to }) }))
    },
    deviceHandOverShow: async ({ params: { id } }) => handOverView(await handOver.status(id)),
    deviceHandOverCancel: async ({ params: { id } }, { by }) => handOverView(await handOver.cancel(id, by)),
  }
}

/**
 * The contract lets in who may take some step; which one, is asked here. That the device is another's is the owner's alone
 * to say, as in a hand-over: who manages it would give it away by saying so.
 */
function requireStep({ caller }: Call, event: LifecycleEvent, said: { readonly ownershipTransferred?: unknown }): void {
  const roles = caller?.roles ?? []
  const refused = (needed: string) => new OnboardingError('not-permitted', { role: roles.join(', '), needed })
  if (!mayStep(roles, event)) throw refused(stepAuthority[event].join(' or '))
  const gives = event === 'repurpose-new-owner' && said.ownershipTransferred === true
  if (gives && roleWith(roles, ['ownership.transfer']) === undefined) throw refused('ownership.transfer')
}

function handOverView({ device, begunAt, steps, ...rest }: HandOverStatus): HandOverView {
  return {
    device: deviceView(device),
    ...rest,
    ...(begunAt === undefined ? {} : { begunAt: new Date(begunAt).toISOString() }),
    steps: [...steps],
  }
}
