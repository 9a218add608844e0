import {
  type ComponentList,
  componentSnapshot,
  decodeComponents,
  differencesOf,
  judgeComponents,
} from '../../domain/component.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import { changedTopic } from '../../domain/policy.ts'
import type { Clock, Endpoint, EndpointRequest, Log, Store, Tables } from '../../domain/port.ts'
import type { CredentialCheck } from '../onboarding/credential-holder.ts'
import { recordOnDevice } from '../onboarding/device-record.ts'
import type { RefusalRecord } from '../onboarding/refusal-record.ts'
import { checkStanding } from '../onboarding/standing.ts'
import { checkRecall } from './recall-check.ts'

export const componentPath = '/.well-known/mooring/components'

const codes = { malformed: 'request-malformed', signature: 'request-malformed', path: 'request-malformed' } as const

/**
 * Where a device states what it is made of, with its network credential. The first statement is held against the list that
 * the factory made: a difference is on record, makes the device suspect to the policy, and is told; it is not refused here,
 * since what becomes of it is for the policy and for people.
 */
export function createComponentReport(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly credentials: CredentialCheck
  readonly refusals: RefusalRecord
  /** Throws OnboardingError `rate-limited`. */
  readonly limit: (device: string) => void
}): Endpoint {
  const { log, refusals } = options
  return {
    methods: path => (path === componentPath ? ['POST'] : undefined),
    async handle(request) {
      if (request.path !== componentPath || request.method !== 'POST') return undefined
      try {
        const { id, components } = await hear(options, request)
        if (components?.verdict === 'differ') {
          log.warn({ device: id, code: 'components-differ', differences: components.differences }, 'components differ')
        }
        const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
        return { status: 200, headers, body: JSON.stringify({ device: id, verdict: components?.verdict }) }
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: request.peer.address }, 'statement refused')
        await refusals.record(error, request.peer)
        return refusalReply(error)
      }
    },
  }
}

async function hear(
  { store, clock, credentials, limit }: Parameters<typeof createComponentReport>[0],
  { peer, body }: EndpointRequest,
): Promise<Device> {
  const holder = await credentials.holder(peer)
  if (holder === undefined) throw new OnboardingError('credential-required')
  limit(holder.device)
  const stated = withCodes(codes, () => decodeComponents(body))
  return store.transaction(async tx => {
    let suspect = false
    const next = await recordOnDevice(tx, holder.device, async device => {
      checkStanding(device)
      await checkRecall(tx, device)
      const events = statement(device, stated, await referenceOf(tx, device), clock())
      suspect = events.some(({ kind }) => kind === 'posture-stated')
      return events
    })
    if (suspect) await tx.enqueue(changedTopic, { device: holder.device })
    return next
  })
}

/** Undefined when there is none, and while its manifest is still being imported. */
async function referenceOf(tables: Tables, { expectedComponents }: Device): Promise<ComponentList | undefined> {
  if (expectedComponents === undefined) return undefined
  const document = await tables.document.get(expectedComponents)
  return document === undefined ? undefined : decodeComponents(Buffer.from(document.file, 'base64'))
}

function statement(
  device: Device,
  stated: ComponentList,
  expected: ComponentList | undefined,
  at: number,
): DeviceEvent[] {
  const snapshot = componentSnapshot(stated)
  const verdict = judgeComponents(device.expectedComponents, snapshot, device.components)
  if (device.components?.stated === snapshot && device.components.verdict === verdict) return []
  const differences = expected === undefined ? [] : differencesOf(expected, stated)
  const events: DeviceEvent[] = [
    {
      kind: 'components-stated',
      body: { snapshot, expected: device.expectedComponents ?? '', verdict, differences, at },
    },
  ]
  if (verdict === 'differ' && device.posture !== 'suspect') {
    const reason = 'components-differ'
    events.push({ kind: 'posture-stated', body: { posture: 'suspect', by: 'comparison of components', reason } })
  }
  return events
}
