import { Secret } from '../../../crypto/secret.ts'
import type { AccessSession, RadiusClientRecord } from '../../../domain/access-session.ts'
import { OnboardingError } from '../../../domain/error.ts'
import { defined } from '../../defined.ts'
import type { AccessSessionView, RadiusClientView } from '../contract/access.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { instant, pageView } from '../view.ts'

type Names = 'radiusClientAdd' | 'radiusClientList' | 'radiusClientRemove' | 'accessSessionList' | 'accessSessionEnd'

export function accessHandlers({ store, networkAccess }: ApiServices): Pick<Handlers, Names> {
  const { clients, watch } = networkAccess
  return {
    async radiusClientAdd({ body: { secret, ...terms } }, { by }) {
      const given = secret === undefined ? {} : { secret: new Secret(secret) }
      const { client, made } = await clients.add({ ...terms, ...given }, by)
      return { ...radiusClientView(client), ...(made === undefined ? {} : { secret: made.revealText() }) }
    },
    async radiusClientList({ query: { after = '', limit } }) {
      const found = await store.read(tables => tables.radiusClient.find({ status: 'active' }, { after, limit }))
      return pageView(found, { view: radiusClientView, key: ({ name }) => name, limit })
    },
    async radiusClientRemove({ params: { name } }, { by }) {
      await clients.remove(name, by)
      return { removed: name }
    },
    async accessSessionList({ query: { after = '', limit, ...filter } }) {
      const found = await store.read(tables => tables.accessSession.find(defined(filter), { after, limit }))
      return pageView(found, { view: sessionView, key: ({ id }) => id, limit })
    },
    async accessSessionEnd({ params: { id }, body: { reason } }, { by }) {
      const session = await store.read(tables => tables.accessSession.get(id))
      if (session === undefined || session.state === 'ended') throw new OnboardingError('not-found', { session: id })
      const ended = await watch.disconnect(session, `${reason} (${by})`)
      const after = (await store.read(tables => tables.accessSession.get(id))) ?? session
      return { session: sessionView(after), ended }
    },
  }
}

function radiusClientView({
  name,
  address,
  disconnectPort,
  changedAt,
  changedBy,
}: RadiusClientRecord): RadiusClientView {
  return { name, address, disconnectPort, changedAt: instant(changedAt), changedBy }
}

function sessionView(session: AccessSession): AccessSessionView {
  const { credential: _, accounting: __, grantedAt, seenAt, until, startedAt, endedAt, ...facts } = session
  return {
    ...facts,
    grantedAt: instant(grantedAt),
    seenAt: instant(seenAt),
    until: instant(until),
    ...(startedAt === undefined ? {} : { startedAt: instant(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: instant(endedAt) }),
  }
}
