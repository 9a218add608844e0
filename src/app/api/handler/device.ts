import { OnboardingError } from '../../../domain/error.ts'
import { streamName } from '../../../domain/event.ts'
import type { Tables } from '../../../domain/port.ts'
import { expectDevice } from '../../../role/supply-chain/import.ts'
import { defined } from '../../defined.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { deviceView, eventView, pageView } from '../view.ts'

type Names = 'deviceList' | 'deviceShow' | 'deviceHistory' | 'deviceExpect' | 'deviceWithdraw'

export function deviceHandlers({ store, approval, revocation }: ApiServices): Pick<Handlers, Names> {
  return {
    async deviceList({ query: { after = '', limit, ...filter } }) {
      const devices = await store.read(tables => tables.device.find(defined(filter), { after, limit }))
      return pageView(devices, { view: deviceView, key: ({ id }) => id, limit })
    },
    deviceShow: async ({ params: { id } }) => deviceView(await store.read(tables => knownDevice(tables, id))),
    async deviceHistory({ params: { id }, query: { after = '0', limit } }) {
      if (!/^\d{1,15}$/.test(after)) throw new OnboardingError('input-invalid', { field: 'after', rule: 'a version' })
      await store.read(tables => knownDevice(tables, id))
      const events = await store.history(streamName('device', id), Number(after), limit)
      return pageView(events, { view: eventView, key: ({ version }) => String(version), limit })
    },
    deviceExpect: async ({ body }, { by }) => deviceView(await expectDevice(store, defined(body), by)),
    async deviceWithdraw({ params: { id }, body: { reason } }, { by }) {
      // Withdrawn first: no new credential can follow the revocation. Repeated after a crash, it revokes what is left.
      await approval.withdraw(id, by, reason)
      for (const credential of await issuedCredentials(id)) {
        await revocation.revoke(credential, 'privilegeWithdrawn', by)
      }
      return deviceView(await store.read(tables => knownDevice(tables, id)))
    },
  }

  async function issuedCredentials(device: string): Promise<readonly string[]> {
    const found = await store.read(async tables => [
      ...(await tables.credential.find({ device, status: 'issued' }, { limit: 1000 })),
      ...(await tables.credential.find({ device, status: 'held' }, { limit: 1000 })),
    ])
    return found.filter(({ kind }) => kind !== 'birth').map(({ id }) => id)
  }
}

async function knownDevice(tables: Tables, id: string) {
  const device = await tables.device.get(id)
  if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
  return device
}
