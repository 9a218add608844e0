import { OnboardingError } from '../../../domain/error.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { deviceView } from '../view.ts'

export function deviceHoldHandlers({ holds }: ApiServices): Pick<Handlers, 'deviceReport' | 'deviceResolveClone'> {
  return {
    deviceReport: async ({ params: { id }, body: { what, reason } }, { by }) =>
      deviceView(await holds.report(id, what, by, reason)),
    async deviceResolveClone({ params: { id }, body: { resolution: type, place, minutes } }, { by }) {
      if ((type === 'genuine-at') !== (place !== undefined)) {
        throw new OnboardingError('input-invalid', { field: 'place', rule: 'with genuine-at, and only then' })
      }
      const resolution = type === 'genuine-at' ? { type, place: place ?? '', minutes } : { type }
      return deviceView(await holds.resolveClone(id, resolution, by))
    },
  }
}
