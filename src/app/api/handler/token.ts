import { requireAssignable } from '../../../domain/authority.ts'
import { tokenRoles } from '../../../domain/site.ts'
import { defined } from '../../defined.ts'
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
    async tokenCreate({ body: { name, party, roles, lifetimeDays } }, { by, caller }) {
      requireAssignable(caller?.roles ?? [], roles)
      const { token, secret } = await access.create({
        ...{ name, roles, by },
        ...defined({ party, lifetimeDays, madeBy: caller?.id }),
      })
      return { ...tokenView(token), token: secret.revealText() }
    },
    async tokenRevoke({ params: { id } }, { by, caller }) {
      const known = await store.read(tables => tables.token.get(id))
      if (known !== undefined) requireAssignable(caller?.roles ?? [], tokenRoles(known))
      return tokenView(await access.revoke(id, by))
    },
  }
}
