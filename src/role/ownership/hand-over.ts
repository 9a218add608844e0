import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { OfferRecord } from '../../domain/offer.ts'
import type { Store } from '../../domain/port.ts'
import { mayOnboardHere } from '../../domain/right.ts'
import type { SiteOwnership } from './site-ownership.ts'

/** Done: the newest declaration names the new owner. Waiting: `words` say for what, to a person. */
export type TransferState = { readonly state: 'done' } | { readonly state: 'waiting'; readonly words: string }

/**
 * The transfer as a step of a guided hand-over. May be asked again and again, and makes no offer by itself: the secret of
 * an offer belongs into the hands of a person.
 */
export function createHandOverTransfer(options: {
  readonly store: Store
  readonly ownership: Pick<SiteOwnership, 'refreshOffer'>
  readonly owners: readonly string[]
}): {
  transfer(request: { readonly device: Device; readonly to: string; readonly by: string }): Promise<TransferState>
} {
  const { store, ownership, owners } = options
  const isOurs = (device: Device) =>
    device.right === undefined ? mayOnboardHere(device, owners) : device.right === 'owner'
  return {
    async transfer({ device, to, by }) {
      if (!isOurs(device)) return named(device.owner, to)
      const offer = await openOffer(store, device)
      if (offer === undefined) {
        return waiting(
          `Offer it to ${to} with \`mooring ownership offer ${device.id}\`, and give ${to} the file or link.`,
        )
      }
      await ownership.refreshOffer({ offer: offer.id, by })
      const now = await store.read(tables => tables.device.get(device.id))
      if (now === undefined) throw new OnboardingError('device-not-found', { device: device.id })
      if (!isOurs(now)) return named(now.owner, to)
      return waiting(`It is offered until ${new Date(offer.expiresAt).toISOString()}, and nobody has accepted yet.`)
    },
  }
}

function named(owner: string, to: string): TransferState {
  return owner === to ? { state: 'done' } : waiting(`Its declaration names ${owner}, and not ${to}.`)
}

function waiting(words: string): TransferState {
  return { state: 'waiting', words }
}

/** The newest one that could still be accepted, or was without our knowing. */
async function openOffer(store: Store, { manufacturer, serial }: Device): Promise<OfferRecord | undefined> {
  let newest: OfferRecord | undefined
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.offer.find({ manufacturer, state: 'open' }, { after, limit: 1000 }))
    for (const offer of page) {
      if (offer.serials.includes(serial) && offer.madeAt >= (newest?.madeAt ?? 0)) newest = offer
    }
    after = page.at(-1)?.id ?? ''
    if (page.length < 1000) return newest
  }
}
