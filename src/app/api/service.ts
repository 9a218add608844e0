import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Clock, Log, Random, Store } from '../../domain/port.ts'
import type { Caller } from '../../domain/site.ts'
import type { Access } from '../../role/authorization/access.ts'
import type { AccessWatch } from '../../role/authorization/access-watch.ts'
import type { Approval } from '../../role/authorization/approval.ts'
import type { Place } from '../../role/authorization/assessment.ts'
import type { CallerDirectory } from '../../role/authorization/caller.ts'
import type { Confirmation } from '../../role/authorization/confirmation.ts'
import type { PolicyPoint } from '../../role/authorization/policy-point.ts'
import type { PolicyVersions } from '../../role/authorization/policy-version.ts'
import type { RadiusClients } from '../../role/authorization/radius-client.ts'
import type { Reconfirmations } from '../../role/authorization/reconfirmation.ts'
import type { HandOverService } from '../../role/lifecycle/hand-over.ts'
import type { Lifecycle } from '../../role/lifecycle/lifecycle.ts'
import type { SiteAuthority } from '../../role/onboarding/authority.ts'
import type { RolloverKind } from '../../role/onboarding/authority-generation.ts'
import type { DeviceHolds } from '../../role/onboarding/device-hold.ts'
import type { Revocation } from '../../role/onboarding/revocation.ts'
import type { SiteConfigurator } from '../../role/onboarding/site-configurator.ts'
import type { SiteOwnership } from '../../role/ownership/site-ownership.ts'
import type { Api, Input, OperationName, Reply } from './contract.ts'

/** What the API needs of a site. */
export interface ApiServices {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly access: Access
  readonly callers: CallerDirectory
  readonly confirmation: Confirmation
  readonly approval: Approval
  readonly revocation: Pick<Revocation, 'revoke'>
  readonly lifecycle: Pick<Lifecycle, 'step' | 'allowed' | 'timeline' | 'wiped'>
  readonly handOver: HandOverService
  readonly ownership: SiteOwnership
  /** What follows the import of a recall. */
  readonly recallWork: { wake(): void }
  readonly siteAuthority: AuthorityService
  /** Access points, and who is on the network. */
  readonly networkAccess: {
    readonly clients: Pick<RadiusClients, 'add' | 'remove' | 'at'>
    readonly watch: Pick<AccessWatch, 'disconnect'>
  }
  readonly configurator: Pick<SiteConfigurator, 'identity' | 'keys' | 'access' | 'service'>
  readonly holds: Pick<DeviceHolds, 'report' | 'resolveClone'>
  /** Of Wi-Fi Easy Connect, where this process listens. */
  readonly dppPort?: number
  /** Pulls feeds that are due. */
  readonly feedWork: { wake(): void }
  readonly policies: PolicyServices
  readonly site: SiteFacts
  /** Where it runs; absent where it has no machine of its own to look at. */
  readonly place?: SitePlace
}

export interface SitePlace {
  readonly data: string
  /** Address that devices reach it at. */
  readonly host: string
  /** Names of the issuing authorities whose keys are here, newest first. */
  readonly issuers: readonly string[]
  /** How others reach OCSP, if there is any. */
  readonly statusUrl?: string
}

/** The certification authority of the site. */
export interface AuthorityService {
  current(): SiteAuthority
  /** @returns the name of what was made */
  roll(kind: RolloverKind, by: string): Promise<string>
  readonly graceDays: number
}

/** Where policies are kept and asked. */
export interface PolicyServices {
  readonly point: PolicyPoint
  readonly versions: PolicyVersions
  readonly reconfirmations: Reconfirmations
  readonly place: Place
  /** There are devices to be asked about again. */
  readonly wake: () => void
}

/** What a site says of itself. */
export interface SiteFacts {
  readonly network: string
  /** Id under which manufacturers know the owner. */
  readonly owner: string
  readonly version: string
  readonly registrar: Certificate
  readonly issuing: Certificate
  readonly root: Certificate
  /** Where devices reach the registrar. */
  readonly onboardingPort: number
}

/** One call of an operation, after authentication. */
export interface Call {
  /** Also in the answer's `x-request-id` and in the log. */
  readonly id: string
  /** Who calls, as the record names them; empty where nobody needs to say who they are. */
  readonly by: string
  /** Absent where nobody needs to say who they are. */
  readonly caller?: Caller
}

export type Handler<N extends OperationName> = (input: Input<Api[N]>, call: Call) => Promise<Reply<Api[N]>>

/** One for each operation of the contract: one missing, or one that answers something else, does not compile. */
export type Handlers = { readonly [N in OperationName]: Handler<N> }
