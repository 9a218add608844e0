import { decodeCertificateList } from '../../../codec/crl.ts'
import { formatName } from '../../../codec/x509/name.ts'
import { type RoleName, requireAssignable } from '../../../domain/authority.ts'
import type { CallerAuthority, CertificateCaller } from '../../../domain/site.ts'
import { defined } from '../../defined.ts'
import type { CallerAuthorityView, CallerView } from '../contract/caller.ts'
import type { ApiServices, Call, Handlers } from '../service.ts'
import { anchorView, instant, instants, pageView } from '../view.ts'
import { certificateOf } from './trust.ts'

type Names =
  | 'callerAuthorityList'
  | 'callerAuthorityTrust'
  | 'callerAuthorityDistrust'
  | 'callerCrlGive'
  | 'callerList'
  | 'callerAdmit'
  | 'callerRemove'

export function callerHandlers({ store, callers }: ApiServices): Pick<Handlers, Names> {
  return {
    async callerAuthorityList({ query: { after = '', limit } }) {
      const found = await store.read(tables => tables.callerAuthority.find({}, { after, limit }))
      return pageView(found, { view: authorityView, key: ({ name }) => name, limit })
    },
    async callerAuthorityTrust({ params: { name }, body }, call) {
      const anchors = body.anchors.map(certificateOf)
      return authorityView(await callers.trust({ name, anchors, by: call.by, ...assigning(call) }))
    },
    callerAuthorityDistrust: async ({ params: { name } }, call) =>
      authorityView(await callers.distrust(name, call.by, assigning(call))),
    async callerCrlGive({ params: { name }, body }, { by }) {
      const crls = body.crls.map(text => Buffer.from(text, 'base64'))
      return authorityView(await callers.giveCrls({ name, crls, by }))
    },
    async callerList({ query: { after = '', limit } }) {
      const found = await store.read(tables => tables.caller.find({}, { after, limit }))
      return pageView(found, { view: callerView, key: ({ id }) => id, limit })
    },
    async callerAdmit({ body: { lifetimeDays, ...terms } }, call) {
      const { by, caller } = call
      const { assign } = assigning(call)
      assign(terms.roles)
      return callerView(await callers.admit({ ...terms, by, assign, ...defined({ lifetimeDays, madeBy: caller?.id }) }))
    },
    async callerRemove({ params: { id } }, { by, caller }) {
      const known = await store.read(tables => tables.caller.get(id))
      if (known !== undefined) requireAssignable(caller?.roles ?? [], known.roles)
      return callerView(await callers.remove(id, by))
    },
  }
}

function assigning({ caller }: Call) {
  return { assign: (roles: readonly RoleName[]) => requireAssignable(caller?.roles ?? [], roles) }
}

function authorityView({ name, anchors, crls, addedAt, removedAt }: CallerAuthority): CallerAuthorityView {
  return {
    name,
    anchors: anchors.map(anchorView),
    crls: crls.map(crlView),
    addedAt: instant(addedAt),
    ...instants({ removedAt }),
  }
}

function crlView(text: string): CallerAuthorityView['crls'][number] {
  const { issuer, thisUpdate, nextUpdate, revoked } = decodeCertificateList(Buffer.from(text, 'base64'))
  const until = nextUpdate === undefined ? {} : { nextUpdate: nextUpdate.toISOString() }
  return { issuer: formatName(issuer), issuedAt: thisUpdate.toISOString(), ...until, revoked: revoked.size }
}

function callerView({ id, authority, identity, party, roles, ...times }: CertificateCaller): CallerView {
  const { addedAt, expiresAt, removedAt } = times
  return {
    ...{ id, authority, identity, party, roles: [...roles] },
    addedAt: instant(addedAt),
    ...instants({ expiresAt, removedAt }),
  }
}
