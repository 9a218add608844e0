import * as z from 'zod'
import { type Contract, DeviceId, Instant, Page, pageOf } from './operation.ts'

export const VoucherView = z.object({
  id: z.string(),
  device: z.string(),
  assertion: z.string(),
  nonced: z.boolean(),
  contentType: z.string(),
  obtainedAt: Instant,
})
export type VoucherView = z.infer<typeof VoucherView>

export const voucherOperations = {
  voucherList: {
    method: 'GET',
    path: '/v1/vouchers',
    summary: 'Vouchers obtained',
    tag: 'voucher',
    authority: ['view.credential'],
    query: Page.extend({ device: DeviceId.optional() }),
    reply: pageOf(VoucherView),
  },
} as const satisfies Contract
