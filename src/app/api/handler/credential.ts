import { defined } from '../../defined.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { credentialView, pageView, voucherView } from '../view.ts'

export function credentialHandlers({
  store,
  revocation,
}: ApiServices): Pick<Handlers, 'voucherList' | 'credentialList' | 'credentialRevoke'> {
  return {
    async voucherList({ query: { after = '', limit, ...filter } }) {
      const vouchers = await store.read(tables => tables.voucher.find(defined(filter), { after, limit }))
      return pageView(vouchers, { view: voucherView, key: ({ id }) => id, limit })
    },
    async credentialList({ query: { after = '', limit, ...filter } }) {
      const credentials = await store.read(tables => tables.credential.find(defined(filter), { after, limit }))
      return pageView(credentials, { view: credentialView, key: ({ id }) => id, limit })
    },
    credentialRevoke: async ({ params: { id }, body: { reason } }, { by }) =>
      credentialView(await revocation.revoke(id, reason, by)),
  }
}
