import type { ApiServices, Handlers } from '../service.ts'
import { pageView, tokenView } from '../view.ts'

export function tokenHandlers({
  store,
  access,
}: ApiServices): Pick<Handlers, 'tokenList' | 'tokenCreate' | 'tokenRevoke'> {
  return {
    async tokenList({ query: { after = '', limit } }) {
      const tokens = await store.read(tables => tables.token.find({}, { after, limit }))
      return pageView(tokens, { view: tokenView, key: ({ id }) => id, limit })
    },
    async tokenCreate({ body: { name, role, lifetimeDays } }, { by }) {
      const terms = { name, role, by, ...(lifetimeDays === undefined ? {} : { lifetimeDays }) }
      const { token, secret } = await access.create(terms)
      return { ...tokenView(token), token: secret.revealText() }
    },
    tokenRevoke: async ({ params: { id } }, { by }) => tokenView(await access.revoke(id, by)),
  }
}
