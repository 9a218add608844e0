import type * as z from 'zod'
import { accessOperations } from './contract/access.ts'
import { approvalOperations } from './contract/approval.ts'
import { auditOperations } from './contract/audit.ts'
import { authorityOperations } from './contract/authority.ts'
import { callerOperations } from './contract/caller.ts'
import { configuratorOperations } from './contract/configurator.ts'
import { confirmationOperations } from './contract/confirmation.ts'
import { credentialOperations } from './contract/credential.ts'
import { deviceOperations } from './contract/device.ts'
import { deviceHoldOperations } from './contract/device-hold.ts'
import { doctorOperations } from './contract/doctor.ts'
import { dppOperations } from './contract/dpp.ts'
import { feedOperations } from './contract/feed.ts'
import { lifecycleOperations } from './contract/lifecycle.ts'
import { manifestOperations } from './contract/manifest.ts'
import { networkOperations } from './contract/network.ts'
import type { Contract, Operation } from './contract/operation.ts'
import { ownershipOperations } from './contract/ownership.ts'
import { policyOperations } from './contract/policy.ts'
import { recallOperations } from './contract/recall.ts'
import { siteOperations } from './contract/site.ts'
import { tokenOperations } from './contract/token.ts'
import { trustOperations } from './contract/trust.ts'
import { voucherOperations } from './contract/voucher.ts'

/** Everything that a site answers over HTTP beside the onboarding protocols. */
export const api = {
  ...siteOperations,
  ...deviceOperations,
  ...deviceHoldOperations,
  ...lifecycleOperations,
  ...approvalOperations,
  ...trustOperations,
  ...manifestOperations,
  ...ownershipOperations,
  ...feedOperations,
  ...recallOperations,
  ...policyOperations,
  ...networkOperations,
  ...dppOperations,
  ...configuratorOperations,
  ...accessOperations,
  ...voucherOperations,
  ...credentialOperations,
  ...authorityOperations,
  ...auditOperations,
  ...tokenOperations,
  ...doctorOperations,
  ...callerOperations,
  ...confirmationOperations,
} as const satisfies Contract

/** What a handler or a client's caller hands over, after validation. */
export type Input<O extends Operation> = Part<O, 'params'> & Part<O, 'query'> & Part<O, 'body'>

/** What a caller writes: members with a default may be left out. */
export type Given<O extends Operation> = GivenPart<O, 'params'> & GivenPart<O, 'query'> & GivenPart<O, 'body'>

export type Reply<O extends Operation> = z.output<O['reply']>

type PartName = 'params' | 'query' | 'body'
type Part<O extends Operation, P extends PartName> = O[P] extends z.ZodType
  ? { readonly [M in P]: z.output<O[P]> }
  : unknown
type GivenPart<O extends Operation, P extends PartName> = O[P] extends z.ZodType
  ? Record<never, never> extends z.input<O[P]>
    ? { readonly [M in P]?: z.input<O[P]> }
    : { readonly [M in P]: z.input<O[P]> }
  : unknown

export type Api = typeof api
export type OperationName = keyof Api
