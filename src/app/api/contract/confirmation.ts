import * as z from 'zod'
import { type Authority, authorities } from '../../../domain/authority.ts'
import { type Contract, Instant, Page, pageOf, TokenPath } from './operation.ts'
import { Role } from './token.ts'

export const RequestView = z.object({
  id: z.string(),
  operation: z.string(),
  input: z.record(z.string(), z.unknown()).describe('What is to be done, to the letter'),
  inputHash: z.string(),
  askedBy: z.string(),
  party: z.string(),
  role: Role,
  wish: z.boolean().describe('Who asked may not do it himself; whoever may decides alone'),
  askedAt: Instant,
  expiresAt: Instant,
  status: z.enum(['pending', 'confirmed', 'done', 'failed', 'declined', 'expired']),
  decidedBy: z.string().optional(),
  decidedAt: Instant.optional(),
  outcome: z.string().optional().describe('Code of the failure'),
  reply: z.record(z.string(), z.unknown()).optional().describe('What the operation answered; told once, and not kept'),
})
export type RequestView = z.infer<typeof RequestView>

export const FourEyesView = z.object({ on: z.boolean(), since: Instant.optional(), by: z.string().optional() })
export type FourEyesView = z.infer<typeof FourEyesView>

/** Whoever may do anything at all; for the single request, what its operation needs is asked. */
const anyDeed = (Object.keys(authorities) as Authority[]).filter(name => !name.startsWith('view.'))

export const confirmationOperations = {
  requestList: {
    method: 'GET',
    path: '/v1/requests',
    summary:
      'What waits for a second person, or did: of the caller’s own, or for the caller to confirm; all for who may view access',
    tag: 'confirmation',
    authority: [...anyDeed, 'view.access'],
    query: Page.extend({ status: RequestView.shape.status.optional() }),
    reply: pageOf(RequestView),
  },
  requestMake: {
    method: 'POST',
    path: '/v1/requests',
    summary: 'Ask somebody who may do it: an authorized onboarder the owner, to let another network onboard a device',
    tag: 'confirmation',
    authority: ['device.onboard@own-network'],
    body: z.strictObject({
      operation: z.string().max(64).describe('Of this API, one that can be asked for'),
      input: z.strictObject({
        params: z.record(z.string(), z.unknown()).optional(),
        query: z.record(z.string(), z.unknown()).optional(),
        body: z.record(z.string(), z.unknown()).optional(),
      }),
    }),
    reply: RequestView,
  },
  requestConfirm: {
    method: 'POST',
    path: '/v1/requests/{id}/confirmation',
    summary: 'Confirm what somebody else asked for: it is done at once',
    tag: 'confirmation',
    authority: anyDeed,
    params: TokenPath,
    reply: RequestView,
  },
  requestDecline: {
    method: 'POST',
    path: '/v1/requests/{id}/refusal',
    summary: 'Decline what somebody else asked for, or take back what one asked for oneself',
    tag: 'confirmation',
    authority: anyDeed,
    params: TokenPath,
    reply: RequestView,
  },
  fourEyesShow: {
    method: 'GET',
    path: '/v1/four-eyes',
    summary:
      'Whether trust anchors, wiping, withdrawing, decommissioning, handing over, policies and this very setting need a second person',
    tag: 'confirmation',
    authority: ['view.access', 'view.device'],
    reply: FourEyesView,
  },
  fourEyesSet: {
    method: 'PUT',
    path: '/v1/four-eyes',
    summary: 'Switch four eyes on; or off, which needs them',
    tag: 'confirmation',
    authority: ['network.own'],
    fourEyes: true,
    body: z.strictObject({ on: z.boolean() }),
    reply: FourEyesView,
  },
} as const satisfies Contract
