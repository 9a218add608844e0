import { decodeBase64 } from '../../../codec/base64.ts'
import type { Device, DeviceEvent } from '../../../domain/device.ts'
import { OnboardingError } from '../../../domain/error.ts'
import { type StoredEvent, streamName } from '../../../domain/event.ts'
import type { OfferRecord } from '../../../domain/offer.ts'
import type { Store } from '../../../domain/port.ts'
import type { Requested as RoleRequested } from '../../../role/ownership/site-ownership.ts'
import type { ImportReport } from '../../../role/supply-chain/import.ts'
import { defined } from '../../defined.ts'
import type { OfferView, OwnershipView, Requested } from '../contract/ownership.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { manifestView, pageView } from '../view.ts'

type Names = Extract<keyof Handlers, `ownership${string}`>

export function ownershipHandlers({ store, ownership }: ApiServices): Pick<Handlers, Names> {
  return {
    async ownershipOffer({ body: { buyer, ...order } }, { by }) {
      const card = buyer === undefined ? undefined : { ...buyer, ...defined({ offerKey: buyer.offerKey }) }
      const made = await ownership.offer({ ...order, ...defined({ buyer: card }), by })
      const { file, link } = made
      return { ...requestedView(made), offer: offerView(made.offer), file, link }
    },
    async ownershipOfferList({ query: { after = '', limit, state } }) {
      const offers = await store.read(tables => tables.offer.find(defined({ state }), { after, limit }))
      return pageView(offers, { view: offerView, key: ({ id }) => id, limit })
    },
    async ownershipOfferRefresh({ params: { id } }, { by }) {
      return requestedView(await ownership.refreshOffer({ offer: id, by }))
    },
    async ownershipOfferRevoke({ params: { id }, body: { send } }, { by }) {
      return requestedView(await ownership.revokeOffer({ offer: id, send, by }))
    },
    async ownershipAccept({ body }, { by }) {
      return requestedView(await ownership.accept({ ...body, by }))
    },
    async ownershipGrant({ body }, { by }) {
      return requestedView(await ownership.grant({ ...body, by }))
    },
    async ownershipRevoke({ body }, { by }) {
      return requestedView(await ownership.revoke({ ...body, by }))
    },
    async ownershipIntend({ body: { keeper, ...order } }, { by }) {
      return requestedView(await ownership.intend({ ...order, ...defined({ keeper }), by }))
    },
    async ownershipRefresh({ body }, { by }) {
      return requestedView(await ownership.refresh({ ...body, by }))
    },
    async ownershipTake({ body }, { by }) {
      return outcomeView(await ownership.take(decodeBase64(body.answer), by))
    },
    async ownershipShow({ params: { id } }) {
      const device = await store.read(tables => tables.device.get(id))
      if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
      return ownershipView(device, await declarationsOf(store, id))
    },
  }
}

function requestedView({ request, sent, ...outcome }: RoleRequested): Requested {
  return { request: request.toString('base64'), sent, ...outcomeView(outcome) }
}

function outcomeView({ offer, report }: Pick<RoleRequested, 'offer' | 'report'>) {
  return {
    ...(offer === undefined ? {} : { offer: offerView(offer) }),
    ...(report === undefined ? {} : { report: reportView(report) }),
  }
}

function reportView({ manifest, refused, ...counts }: ImportReport) {
  return { manifest: manifestView(manifest), ...counts, refused: [...refused] }
}

function offerView({ id, manufacturer, serials, buyer, expiresAt, madeAt, state }: OfferRecord): OfferView {
  return {
    id,
    manufacturer,
    serials: [...serials],
    ...(buyer === undefined ? {} : { buyer: { ...buyer, domains: [...buyer.domains] } }),
    expiresAt: new Date(expiresAt).toISOString(),
    madeAt: new Date(madeAt).toISOString(),
    state,
  }
}

type Expected = Extract<DeviceEvent, { kind: 'device-expected' }>['body']
type Declared = Expected & { readonly at: number }

async function declarationsOf(store: Store, id: string): Promise<readonly Declared[]> {
  const found: Declared[] = []
  const stream = streamName('device', id)
  for (let version = 0; ; ) {
    const page: readonly StoredEvent[] = await store.history(stream, version, 1000)
    for (const { kind, body, at } of page) {
      if (kind === 'device-expected') found.push({ ...(body as unknown as Expected), at })
    }
    version += page.length
    if (page.length < 1000) return found.filter(({ declarationVersion }) => declarationVersion > 0)
  }
}

function ownershipView(device: Device, declarations: readonly Declared[]): OwnershipView {
  const { id, manufacturer, serial, owner, declarationVersion, right } = device
  const newest = declarations.findLast(each => each.declarationVersion === declarationVersion)
  return {
    device: id,
    manufacturer,
    serial,
    owner,
    declarationVersion,
    ...(right === undefined ? {} : { right }),
    onboarders: [...(newest?.onboarders ?? [])],
    ...defined({ mudKeeper: device.intent?.declared?.keeper }),
    history: declarations.map(({ declarationVersion, owner, right, onboarders = [], at }) => ({
      declarationVersion,
      owner,
      ...(right === undefined ? {} : { right }),
      onboarders: [...onboarders],
      at: new Date(at).toISOString(),
    })),
  }
}
