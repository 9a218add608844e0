import type { ConfiguratorKeyRecord } from '../../../domain/configurator-key.ts'
import type { EndedAccess } from '../../../role/onboarding/wireless-access.ts'
import { defined } from '../../defined.ts'
import type { ConfiguratorKeyView, EndedAccessView } from '../contract/configurator.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { instant } from '../view.ts'

type Names = 'dppController' | 'configuratorKeyRotate' | 'dppReconfigure' | 'dppRevoke'

export function configuratorHandlers({ store, configurator, dppPort }: ApiServices): Pick<Handlers, Names> {
  const { access } = configurator
  return {
    async dppController() {
      const { uri, keyHash } = await configurator.identity()
      const keys = await store.read(tables => tables.configuratorKey.find({}, { limit: 1000 }))
      return {
        uri,
        keyHash,
        ...defined({ port: dppPort }),
        sessions: configurator.service.sessions(),
        waiting: configurator.service.waiting().map(({ keyHash, address }) => ({ keyHash, address })),
        keys: keys.map(keyView),
      }
    },
    async configuratorKeyRotate({ body: { use, curve } }, { by }) {
      return keyView((await configurator.keys.rotate(use, curve, by)).record)
    },
    dppReconfigure: async ({ params: { device } }, { by }) => endedView(await access.reconfigure(device, by)),
    dppRevoke: async ({ params: { device } }, { by }) => endedView(await access.revoke(device, by)),
  }
}

function keyView(record: ConfiguratorKeyRecord): ConfiguratorKeyView {
  const { id, use, curve, state, source, establishedAt, establishedBy } = record
  return { id, use, curve, state, source, establishedAt: instant(establishedAt), establishedBy }
}

function endedView({ device, credentials }: EndedAccess): EndedAccessView {
  return {
    device,
    credentials: credentials.map(({ takenUntil, ...credential }) => ({
      ...credential,
      ...(takenUntil === undefined ? {} : { takenUntil: instant(takenUntil) }),
    })),
  }
}
