import * as z from 'zod'
import { ManifestReport } from './manifest.ts'
import { type Contract, DeviceId, DevicePath, Instant, Page, pageOf, Sha256 } from './operation.ts'

const party = {
  id: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  domains: z.array(z.base64().max(64)).min(1).max(16),
}
const PartyCard = z.strictObject(party).describe('A card as `mooring site card` prints it, without the offerKey')
const BuyerCard = z
  .strictObject({ ...party, offerKey: z.base64().max(400).optional() })
  .describe('A card as `mooring site card` prints it; with its offerKey, file and link are encrypted to the buyer')
const Devices = z.array(DeviceId).min(1).max(128).describe('All of one manufacturer')
const Send = z
  .boolean()
  .default(true)
  .describe('False: only sign the request; its answer comes as a file, and is taken in with ownershipTake')
const Right = z.enum(['owner', 'authorized-onboarder', 'none'])

export const OfferView = z.object({
  id: z.string(),
  manufacturer: z.string(),
  serials: z.array(z.string()),
  buyer: PartyCard.optional().describe('Nobody else can accept'),
  expiresAt: Instant,
  madeAt: Instant,
  state: z.enum(['open', 'accepted', 'revoked']),
})
export type OfferView = z.infer<typeof OfferView>

const Requested = z.object({
  request: z.string().describe('The signed request, base64'),
  sent: z.boolean().describe('False: give the request to the manufacturer as a file'),
  offer: OfferView.optional(),
  report: ManifestReport.optional().describe('What the new declarations changed here'),
})
export type Requested = z.infer<typeof Requested>

export const OwnershipView = z.object({
  device: z.string(),
  manufacturer: z.string(),
  serial: z.string(),
  owner: z.string(),
  declarationVersion: z.number().int(),
  right: Right.optional().describe('What the newest declaration allows this site, by its keys'),
  onboarders: z.array(z.string()),
  mudKeeper: z.string().optional().describe('Who keeps the MUD file; the manufacturer when absent'),
  history: z
    .array(
      z.object({
        declarationVersion: z.number().int(),
        owner: z.string(),
        right: Right.optional(),
        onboarders: z.array(z.string()),
        at: Instant,
      }),
    )
    .describe('The declarations that this site has taken in, oldest first'),
})
export type OwnershipView = z.infer<typeof OwnershipView>

const OfferPath = z.strictObject({ id: Sha256 })
const tag = 'ownership'

export const ownershipOperations = {
  ownershipOffer: {
    method: 'POST',
    path: '/v1/ownership/offers',
    summary: 'Offer devices to a new owner; the answer holds the secret by which they are accepted, this once',
    tag,
    authority: ['ownership.transfer'],
    fourEyes: true,
    body: z.strictObject({
      devices: Devices,
      days: z.number().int().min(1).max(90).default(14),
      buyer: BuyerCard.optional(),
      send: Send,
    }),
    reply: Requested.extend({
      offer: OfferView,
      file: z.string().describe('For the buyer'),
      link: z.string().describe('The same, shorter'),
    }),
  },
  ownershipOfferList: {
    method: 'GET',
    path: '/v1/ownership/offers',
    summary: 'Offers that this site made',
    tag,
    authority: ['ownership.transfer', 'view.device'],
    query: Page.extend({ state: OfferView.shape.state.optional() }),
    reply: pageOf(OfferView),
  },
  ownershipOfferRefresh: {
    method: 'POST',
    path: '/v1/ownership/offers/{id}/refresh',
    summary: 'Ask the manufacturer what has become of an offer, and take it in',
    tag,
    authority: ['ownership.transfer'],
    params: OfferPath,
    reply: Requested,
  },
  ownershipOfferRevoke: {
    method: 'POST',
    path: '/v1/ownership/offers/{id}/revocation',
    summary: 'Take an offer back that nobody has accepted',
    tag,
    authority: ['ownership.transfer'],
    params: OfferPath,
    body: z.strictObject({ send: Send }),
    reply: Requested,
  },
  ownershipAccept: {
    method: 'POST',
    path: '/v1/ownership/acceptances',
    summary: 'Accept an offer, and expect its devices',
    tag,
    authority: ['ownership.designate-first-owner', 'device.onboard'],
    body: z.strictObject({ offer: z.string().min(1).max(200_000).describe('File or link of the seller'), send: Send }),
    maxBody: 0x4_0000,
    reply: Requested,
  },
  ownershipGrant: {
    method: 'POST',
    path: '/v1/ownership/onboarders',
    summary: 'Let another network onboard devices of ours',
    tag,
    authority: ['authorisation.grant'],
    askable: ['device.onboard@own-network'],
    body: z.strictObject({ devices: Devices, onboarder: PartyCard, send: Send }),
    reply: Requested,
  },
  ownershipRevoke: {
    method: 'POST',
    path: '/v1/ownership/onboarders/revocation',
    summary: 'Take that right back',
    tag,
    authority: ['authorisation.revoke'],
    body: z.strictObject({ devices: Devices, onboarder: z.string().min(1).max(200), send: Send }),
    reply: Requested,
  },
  ownershipIntend: {
    method: 'POST',
    path: '/v1/ownership/mud-urls',
    summary:
      'Say where the MUD file of devices is, and who keeps it: by whoever has taken that over from the manufacturer',
    tag,
    authority: ['declaration.sign'],
    fourEyes: true,
    body: z.strictObject({
      devices: Devices,
      mudUrl: z.string().min(9).max(255).describe('https'),
      keeper: PartyCard.optional().describe('Who keeps it from now on; this site when absent'),
      send: Send,
    }),
    reply: Requested,
  },
  ownershipRefresh: {
    method: 'POST',
    path: '/v1/ownership/refresh',
    summary: 'Fetch the newest declarations of devices from their manufacturer',
    tag,
    authority: ['device.onboard', 'authorisation.grant', 'device.onboard@own-network'],
    body: z.strictObject({ devices: Devices, send: Send }),
    reply: Requested,
  },
  ownershipTake: {
    method: 'POST',
    path: '/v1/ownership/answers',
    summary: 'Take in the answer of a manufacturer that came as a file',
    tag,
    authority: ['ownership.designate-first-owner', 'device.onboard', 'ownership.transfer'],
    body: z.strictObject({ answer: z.base64().max(1_500_000) }),
    maxBody: 1_501_000,
    reply: Requested.pick({ offer: true, report: true }),
  },
  ownershipShow: {
    method: 'GET',
    path: '/v1/devices/{id}/ownership',
    summary: 'Whose a device is, what that allows this site, and how it came about',
    tag,
    authority: ['view.device'],
    params: DevicePath,
    reply: OwnershipView,
  },
} as const satisfies Contract
