import type { ApiServices, Handlers } from '../service.ts'
import { deviceView, pageView } from '../view.ts'

export function approvalHandlers({
  store,
  approval,
}: ApiServices): Pick<Handlers, 'approvalList' | 'approvalGrant' | 'approvalDeny'> {
  return {
    async approvalList({ query: { after = '', limit } }) {
      const waiting = await store.read(tables => tables.device.find({ awaits: 'person' }, { after, limit }))
      return pageView(waiting, { view: deviceView, key: ({ id }) => id, limit })
    },
    approvalGrant: async ({ params: { id } }, { by }) => deviceView(await approval.grant(id, by)),
    approvalDeny: async ({ params: { id } }, { by }) => deviceView(await approval.deny(id, by)),
  }
}
