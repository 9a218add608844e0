import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { ConfirmationRequest } from '../../../src/domain/confirmation.ts'
import type { SubscriptionRecord, SubscriptionState } from '../../../src/domain/feed.ts'
import type { PolicyState, PolicyVersion } from '../../../src/domain/policy.ts'
import type { RecallRecord } from '../../../src/domain/recall.ts'
import type { CertificateCaller } from '../../../src/domain/site.ts'
import { failureSetting, type PolicyFailure } from '../../../src/role/authorization/policy-point.ts'
import { certify } from '../../crypto/pki.ts'
import { breaks, start, type Ward } from './patient.ts'

const day = 86_400_000
const hour = 3_600_000
const source = 'permit(principal, action, resource);'

function activate({ store }: Ward, text = source): Promise<void> {
  const activeHash = hash('sha256', source)
  const version: PolicyVersion = {
    ...{ id: '000001', name: 'mine', source: text, sourceHash: activeHash, createdAt: start, createdBy: 'test' },
  }
  const state: PolicyState = { name: 'set', version: 1, drafts: 1, active: '000001', activeHash }
  return store.transaction(async tx => {
    await tx.policy.put(version)
    await tx.policyState.put(state)
  })
}

function subscribe({ store }: Ward, state: Partial<SubscriptionState>): Promise<void> {
  const record: SubscriptionRecord = {
    ...{ manufacturer: 'fjord', url: 'https://masa.fjord.example/feed', status: 'active', interval: hour },
    ...{ treatment: 'revoke', privateAddress: false, addedAt: start, addedBy: 'test', version: 1 },
    state: { cursor: '', manifests: 0, recalls: 0, refused: [], notices: [], pulledAt: start, ...state },
  }
  return store.transaction(tx => tx.subscription.put(record))
}

function recall({ store }: Ward, importedAt: number): Promise<void> {
  const work = { state: 'under-way', after: '', checked: 200, of: 900 } as const
  const record: RecallRecord = {
    ...{ id: 'a'.repeat(24), manufacturer: 'fjord', recall: 'b'.repeat(32), number: 1, status: 'in-force' },
    ...{
      reason: 'safety',
      note: '',
      reference: '',
      models: [],
      batches: [],
      serials: 3,
      notice: 'c',
      treatment: 'hold',
    },
    ...{ issuedAt: importedAt, importedAt, importedBy: 'test', version: 1 },
    work: { ...work, affected: 0, revoked: 0, held: 0, released: 0 },
  }
  return store.transaction(tx => tx.recall.put(record))
}

describe('policies', () => {
  test('of which one could not be evaluated', () =>
    breaks(
      'policy',
      async ward => {
        await activate(ward)
        const failure: PolicyFailure = {
          ...{ version: '000001', policy: 'only-lamps', message: 'no such attribute', device: 'd1', at: start },
          question: 'admit',
        }
        await ward.store.transaction(tx => tx.setting.put({ name: failureSetting, value: failure }))
      },
      { status: 'fail', finding: /only-lamps of version 1 /, action: /Correct that policy/ },
    ))

  test('whose text is not the one that was activated', () =>
    breaks('policy', ward => activate(ward, `${source} // more`), {
      status: 'fail',
      finding: /not the one that was activated/,
      action: /mooring audit verify/,
    }))
})

describe('what comes from manufacturers', () => {
  test('a recall that is not carried out', () =>
    breaks('recall', ward => recall(ward, start - 2 * hour), {
      status: 'warn',
      finding: /1 recall not carried out/,
      action: /mooring recall list/,
    }))

  test('a feed that fails, is silent, or brings what cannot be imported', async () => {
    const publication = { id: '000000000001', kind: 'recall', size: 1, sha256: '' } as never
    for (const state of [
      { failure: { code: 'masa-unreachable', at: start, reason: 'timeout', times: 4 } },
      { pulledAt: start - 5 * hour },
      { refused: [{ publication, code: 'recall-invalid', at: start }] },
    ] satisfies Partial<SubscriptionState>[]) {
      await breaks('feed', ward => subscribe(ward, state), {
        status: 'warn',
        finding: /1 subscription in trouble/,
        action: /mooring feed pull/,
      })
    }
  })
})

describe('who may call', () => {
  test('an authority that has ended', () =>
    breaks(
      'caller',
      async ({ store }) => {
        const validity = { notBefore: new Date(start - 9 * day), notAfter: new Date(start - day) }
        const { certificate } = await certify({ subject: 'office root', ca: true, ...validity })
        const anchors = [Buffer.from(certificate.der).toString('base64')]
        await store.transaction(tx =>
          tx.callerAuthority.put({ name: 'office', anchors, crls: [], addedAt: start, version: 1 }),
        )
      },
      { status: 'warn', finding: /1 matter/, action: /mooring caller trust/ },
    ))

  test('a caller whose admission ends', () =>
    breaks(
      'caller',
      async ({ store }) => {
        const record: CertificateCaller = {
          ...{ id: 'c1', authority: 'office', identity: 'email:anna@harbour.example', party: 'anna' },
          ...{ roles: ['auditor'], addedAt: start, expiresAt: start + 3 * day, version: 1 },
        }
        await store.transaction(tx => tx.caller.put(record))
      },
      { status: 'warn', finding: /1 matter/, action: /mooring caller admit/ },
    ))

  test('a request that nobody looks at', () =>
    breaks(
      'request',
      async ({ store }) => {
        const record: ConfirmationRequest = {
          ...{ id: 'r1', operation: 'manufacturerTrust', input: '{}', inputHash: 'x', askedBy: 'token/1' },
          ...{ askedAs: 'anna (token/1)', party: 'anna', role: 'administrator', askedAt: start - 2 * day },
          ...{ expiresAt: start + day, status: 'pending', version: 1 },
        }
        await store.transaction(tx => tx.confirmation.put(record))
      },
      { status: 'warn', finding: /1 request waiting/, action: /mooring request list/ },
    ))
})
