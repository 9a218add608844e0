import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type CredentialRecord,
  type CredentialStatus,
  credentialStatusAt,
  holdCredential,
  issueCredential,
  releaseCredential,
  revokeCredential,
  supersedeCredential,
} from '../../src/domain/credential.ts'
import { OnboardingError } from '../../src/domain/error.ts'

const planned: CredentialRecord = {
  id: '00'.repeat(32),
  device: 'd'.repeat(24),
  kind: 'network',
  status: 'planned',
  serialHex: '01',
  requestHash: '11'.repeat(32),
  keyHash: '22'.repeat(32),
  issuer: 'issuing-1',
  notBefore: 1000,
  notAfter: 2000,
  tbs: 'MAA=',
}
const revocation = { at: 1500, reason: 'keyCompromise' } as const

const steps = {
  issue: (record: CredentialRecord) => issueCredential(record, 'MAE='),
  revoke: (record: CredentialRecord) => revokeCredential(record, revocation),
  supersede: supersedeCredential,
  hold: (record: CredentialRecord) => holdCredential(record, 1400),
  release: releaseCredential,
}

/** The whole table: where a step leads from a status. What is not here is refused. */
const allowed: Readonly<Record<CredentialStatus, Partial<Record<keyof typeof steps, CredentialStatus>>>> = {
  planned: { issue: 'issued' },
  issued: { revoke: 'revoked', supersede: 'superseded', hold: 'held' },
  held: { release: 'issued', revoke: 'revoked' },
  revoked: {},
  superseded: {},
}

describe('the status of a credential', () => {
  for (const from of Object.keys(allowed) as CredentialStatus[]) {
    for (const name of Object.keys(steps) as (keyof typeof steps)[]) {
      const to = allowed[from][name]
      test(`${from}, ${name}: ${to ?? 'refused'}`, () => {
        const record = { ...planned, status: from }
        if (to !== undefined) return assert.equal(steps[name](record).status, to)
        assert.throws(
          () => steps[name](record),
          error => error instanceof OnboardingError && error.code === 'credential-status-refused',
        )
      })
    }
  }

  test('ends after one last move, and never changes what was signed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.values(steps)), { maxLength: 20 }), list => {
        let record = planned
        let ended = false
        for (const step of list) {
          try {
            record = step(record)
            assert.ok(!ended)
            ended = record.status === 'revoked' || record.status === 'superseded'
          } catch (error) {
            assert.ok(error instanceof OnboardingError)
          }
        }
        const { status: _, certificate, revokedAt, revocationReason, heldAt, ...signed } = record
        const { status: __, ...asPlanned } = planned
        assert.deepEqual(signed, asPlanned)
        assert.equal(certificate !== undefined, record.status !== 'planned')
        assert.equal(heldAt !== undefined, record.status === 'held')
        assert.equal(revokedAt !== undefined && revocationReason !== undefined, record.status === 'revoked')
      }),
    )
  })
})

describe('the condition of a credential at a time', () => {
  const issued = issueCredential(planned, 'MAE=')
  const cases: readonly [string, CredentialRecord, number, ReturnType<typeof credentialStatusAt>][] = [
    ['before its lifetime', issued, 999, 'not-yet-valid'],
    ['at its first moment', issued, 1000, 'valid'],
    ['at its last moment', issued, 2000, 'valid'],
    ['after its lifetime', issued, 2001, 'expired'],
    ['planned, within its lifetime', planned, 1500, 'planned'],
    ['revoked, within its lifetime', revokeCredential(issued, revocation), 1500, 'revoked'],
    ['revoked, after its lifetime', revokeCredential(issued, revocation), 9999, 'revoked'],
    ['held, within its lifetime', holdCredential(issued, 1400), 1500, 'held'],
    ['superseded, within its lifetime', supersedeCredential(issued), 1500, 'superseded'],
  ]
  for (const [when, record, now, condition] of cases) {
    test(`${when}: ${condition}`, () => assert.equal(credentialStatusAt(record, now), condition))
  }

  test('is valid for an issued record within its lifetime and for no other', () => {
    const status = fc.constantFrom<CredentialStatus>('planned', 'issued', 'held', 'revoked', 'superseded')
    fc.assert(
      fc.property(
        status,
        fc.nat(10),
        fc.nat(10),
        fc.integer({ min: -5, max: 25 }),
        (status, notBefore, length, now) => {
          const notAfter = notBefore + length
          const valid = credentialStatusAt({ status, notBefore, notAfter }, now) === 'valid'
          assert.equal(valid, status === 'issued' && notBefore <= now && now <= notAfter)
        },
      ),
    )
  })
})
