import * as z from 'zod'
import type { Contract } from './operation.ts'

export const siteOperations = {
  siteShow: {
    method: 'GET',
    path: '/v1/site',
    summary: 'What this site is: network, certificates to hand to a manufacturer, counts',
    tag: 'site',
    authority: ['view.device'],
    reply: z.object({
      network: z.string(),
      owner: z.string(),
      version: z.string(),
      domainIds: z.array(z.string()).describe('RFC 8995 section 5.8.2; names this site to a manufacturer'),
      offerKey: z.string().optional().describe('Offers to this site are encrypted to it: SubjectPublicKeyInfo, base64'),
      certificates: z.array(z.string()).describe('PEM: registrar, issuing CA, root'),
      onboardingPort: z.number().int(),
      devices: z.record(z.string(), z.number().int()).describe('Count by rung'),
    }),
  },
  errorList: {
    method: 'GET',
    path: '/v1/errors',
    summary: 'The error catalogue',
    tag: 'site',
    authority: [],
    reply: z.object({
      items: z.array(
        z.object({
          code: z.string(),
          title: z.string(),
          cause: z.string(),
          action: z.string(),
          status: z.number().int(),
        }),
      ),
    }),
  },
  health: {
    method: 'GET',
    path: '/healthz',
    summary: 'Is the service up and the record reachable?',
    tag: 'site',
    authority: [],
    reply: z.object({ status: z.literal('ok') }),
  },
} as const satisfies Contract
